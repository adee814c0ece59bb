/** Reads counters of the running attempt from shared memory and turns them into rates and shares. */
import type { JobGraph } from '../job/graph.ts';
import { ControlDouble, type StagePlan, SubtaskFlag } from '../worker/protocol.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { StageProgress } from './handle.ts';
import { OperatorMeter } from './operator-meter.ts';
import type { ScheduledSubtask } from './scheduled-subtask.ts';

export interface ProgressSample {
  readonly stages: readonly StageProgress[];
  readonly records: number;
  readonly malformed: number;
  readonly inputProgress: number | null;
  /** Since the attempt began to read. */
  readonly elapsedMs: number;
}

interface Counters {
  readonly atMs: number;
  readonly busyMs: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
}

/** Back pressure is sampled: at each sample a subtask is either held up by full outputs or not. */
export class ProgressMeter {
  readonly #graph: JobGraph;
  readonly #operators: OperatorMeter;
  #attempt: RunningAttempt | null = null;
  #startedMs = 0;
  readonly #before = new Map<number, Counters>();
  /** What the checkpoint that the attempt starts from had counted. */
  #recordsBefore = 0;
  #malformedBefore = 0;
  records = 0;
  malformed = 0;

  constructor(graph: JobGraph) {
    this.#graph = graph;
    this.#operators = new OperatorMeter(graph);
  }

  sample(attempt: RunningAttempt | null): ProgressSample {
    if (attempt === null)
      return { stages: [], records: this.records, malformed: this.malformed, inputProgress: null, elapsedMs: 0 };
    if (attempt !== this.#attempt) this.#begin(attempt);
    this.#count(attempt);
    const nowMs = performance.now();
    const { plan } = attempt.options;
    return {
      stages: plan.stages.map((stage) => this.#stage(attempt, stage, nowMs)),
      records: this.records,
      malformed: this.malformed,
      inputProgress: this.#inputProgress(attempt),
      elapsedMs: nowMs - this.#startedMs,
    };
  }

  /** The next attempt starts from a checkpoint that had counted so much; what came after it will be read again. */
  startFrom(counters: Readonly<Record<string, number>>): void {
    this.#recordsBefore = counters['records'] ?? 0;
    this.#malformedBefore = counters['malformed'] ?? 0;
    this.#attempt = null;
  }

  #begin(attempt: RunningAttempt): void {
    this.#attempt = attempt;
    this.#startedMs = performance.now();
    this.#before.clear();
    this.#operators.restart();
  }

  #count(attempt: RunningAttempt): void {
    const { scheduler } = attempt;
    let records = 0;
    let malformed = 0;
    for (const subtask of scheduler.subtasks) {
      if (subtask.source) records += scheduler.double(subtask, ControlDouble.recordsIn);
      malformed += scheduler.double(subtask, ControlDouble.malformed);
    }
    this.records = this.#recordsBefore + records;
    this.malformed = this.#malformedBefore + malformed;
  }

  #inputProgress(attempt: RunningAttempt): number | null {
    const { scheduler } = attempt;
    const bounded = this.#graph.nodes.every(
      (node) => node.kind !== 'source' || node.source.kind !== 'generate' || node.source.count !== Infinity,
    );
    if (!bounded || attempt.splitCount === 0) return null;
    let done = 0;
    for (const subtask of scheduler.subtasks) if (subtask.source) done += scheduler.double(subtask, ControlDouble.progress);
    return Math.min(1, done / attempt.splitCount);
  }

  #stage(attempt: RunningAttempt, stage: StagePlan, nowMs: number): StageProgress {
    const subtasks = attempt.scheduler.subtasks.slice(stage.firstSubtask, stage.firstSubtask + stage.parallelism);
    const sum = (double: number): number =>
      subtasks.reduce((total, subtask) => total + attempt.scheduler.double(subtask, double), 0);
    const before = this.#before.get(stage.id);
    const held = subtasks.filter((subtask) => isHeldUp(attempt, subtask)).length;
    const now: Counters = {
      atMs: nowMs,
      busyMs: sum(ControlDouble.busyMs),
      recordsIn: sum(ControlDouble.recordsIn),
      recordsOut: sum(ControlDouble.recordsOut),
    };
    this.#before.set(stage.id, now);
    const elapsedMs = Math.max(1, nowMs - (before?.atMs ?? this.#startedMs));
    const busy = clampShare((now.busyMs - (before?.busyMs ?? 0)) / elapsedMs / stage.parallelism);
    const backpressured = clampShare(Math.min(1 - busy, held / subtasks.length));
    return {
      name: stage.name,
      operators: this.#operators.sample(attempt, stage, elapsedMs),
      parallelism: stage.parallelism,
      busy,
      backpressured,
      idle: Math.max(0, 1 - busy - backpressured),
      recordsIn: now.recordsIn,
      recordsOut: now.recordsOut,
      recordsInPerSecond: ((now.recordsIn - (before?.recordsIn ?? 0)) / elapsedMs) * 1000,
      recordsOutPerSecond: ((now.recordsOut - (before?.recordsOut ?? 0)) / elapsedMs) * 1000,
      stateEntries: sum(ControlDouble.stateEntries),
      stateBytes: sum(ControlDouble.stateBytes),
      finishedSubtasks: subtasks.filter((subtask) => attempt.scheduler.isFinished(subtask)).length,
    };
  }
}

function isHeldUp(attempt: RunningAttempt, subtask: ScheduledSubtask): boolean {
  return (attempt.scheduler.flags(subtask) & SubtaskFlag.finished) === 0 && attempt.scheduler.backpressured(subtask);
}

function clampShare(share: number): number {
  return Math.max(0, Math.min(1, share));
}
