/**
 * Gives turns to workers. One turn is one piscina task.
 *
 * Invariants:
 * - A subtask is in at most one turn at a time; a worker runs at most one turn at a time, and has at most one waiting, so that
 *   it need not wait for this thread between two turns (50 microseconds each time, 300 when all cores are busy).
 * - A subtask runs only when its turn can do something: `#priority` reads that from shared memory. The exception is a turn that
 *   waits behind one of a neighbour, which is likely to give it something to do; it is not followed by another such guess.
 * - A worker that has nothing else to do gives memory of its states back.
 * - All turns of a subtask are on its home worker, which holds its caches; with as many subtasks as threads (the
 *   default) every worker has one subtask of each stage.
 */
import { assert } from '../format/assert.ts';
import { decodeError } from '../format/errors.ts';
import type { CheckpointOutcome } from '../job/checkpoint-outcome.ts';
import type { JobGraph } from '../job/graph.ts';
import {
  ChannelWord,
  CONTROL_ROW_DOUBLES,
  CONTROL_ROW_WORDS,
  ControlDouble,
  ControlWord,
  decodeSinkCall,
  type Deployment,
  InTurn,
  type OversizeRow,
  SlotKind,
  SubtaskFlag,
  type SyncSnapshot,
  type Task,
  type TurnResult,
} from '../worker/protocol.ts';
import { areNeighbours, hasRoom, nextSlotKind, type ScheduledSubtask, scheduledSubtasks } from './scheduled-subtask.ts';
import type { RunningSinkCall } from './sink-calls.ts';
import { timedOut } from './turn-timeout.ts';
import { type WorkerPool, workerError } from './worker-pool.ts';

/** Priorities: full rings first, then sources, then what has little to do; a later stage before an earlier one. */
const PRIORITY_BACKLOG = 4;
const PRIORITY_SOURCE = 2;
const PRIORITY_LITTLE = 1;
const PRIORITY_TIDYING = 0.5;
const BACKLOG_SLOTS = 2;
/**
 * How much longer a turn of a source may last that nobody waits for: no other subtask is on the worker, there is no stage after it,
 * and it ends when its subtask is wanted. With a function of 1 ms the runtime takes 4.4 % of the CPU with turns of 16 ms, 2.4 % with 100.
 */
const LONGER_ALONE = 12;
/** Turns that a worker has: the one that runs and the one after it. */
const TURNS_AHEAD = 2;

export interface SchedulerEvents {
  snapshot(subtask: ScheduledSubtask, snapshot: SyncSnapshot): void;
  failed(error: Error): void;
  /** The first subtask of a source reads a backlog, or none does any more. */
  backlog(backlog: boolean): void;
  /** Every subtask has finished: all records are processed. */
  finished(): void;
  printed(text: string): void;
}

interface WorkerSlot {
  readonly index: number;
  readonly subtasks: ScheduledSubtask[];
  /** Turns that were given: the first one runs. */
  readonly turns: Turn[];
  /** performance.now() when it began, or a little earlier. */
  since: number;
}

interface Turn {
  readonly subtask: ScheduledSubtask;
  /** There was nothing to do when it was given. */
  readonly guess: boolean;
  /** There was nothing to do but to give memory back. */
  readonly tidying: boolean;
}

export class Scheduler {
  readonly subtasks: readonly ScheduledSubtask[];
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly #pool: WorkerPool;
  readonly #events: SchedulerEvents;
  readonly #workers: WorkerSlot[];
  readonly #turnBudgetMs: number;
  readonly #taskTimeoutMs: number;
  readonly #graph: JobGraph;
  readonly #untold = new Map<CheckpointOutcome, { left: number; resolve(): void }>();
  #wakeTimer: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #running = false;
  #finishedReported = false;
  #idle: (() => void)[] = [];
  /** Subtasks of sources that read a backlog. */
  readonly #behind = new Set<ScheduledSubtask>();
  #backlog = false;

  constructor(
    deployment: Deployment,
    pool: WorkerPool,
    options: { readonly turnBudgetMs: number; readonly taskTimeoutMs: number; readonly graph: JobGraph },
    events: SchedulerEvents,
  ) {
    this.#pool = pool;
    this.#events = events;
    this.#turnBudgetMs = options.turnBudgetMs;
    this.#taskTimeoutMs = options.taskTimeoutMs;
    this.#graph = options.graph;
    this.i32 = new Int32Array(deployment.control);
    this.f64 = new Float64Array(deployment.control);
    this.#workers = Array.from({ length: pool.threads }, (_, index) => ({ index, subtasks: [], turns: [], since: 0 }));
    this.subtasks = scheduledSubtasks(deployment, options.graph, pool.threads);
    for (const subtask of this.subtasks) this.#workers[subtask.worker].subtasks.push(subtask);
    // Later stages first, so that what is in flight is finished before more is read.
    for (const worker of this.#workers) worker.subtasks.sort((a, b) => b.stage.id - a.stage.id);
  }

  start(): void {
    this.#running = true;
    this.#watchdog = setInterval(() => this.#checkTimeouts(), Math.min(1000, Math.max(50, this.#taskTimeoutMs / 4)));
    this.dispatch();
  }

  /** Gives no more turns; resolves when the running ones have returned. */
  async stop(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#wakeTimer);
    clearInterval(this.#watchdog);
    if (this.#workers.some(({ turns }) => turns.length > 0)) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Gives a turn to every free worker that has something to do. Call it when shared memory changed outside a turn. */
  dispatch(): void {
    if (!this.#running) return;
    for (const worker of this.#workers) {
      while (worker.turns.length < TURNS_AHEAD) {
        const turn = this.#choose(worker) ?? this.#guess(worker) ?? this.#again(worker);
        if (turn === null) break;
        this.#runTurn(worker, turn);
      }
    }
    if (this.#workers.some(({ turns }) => turns.length === 0)) this.#armWakeTimer();
    if (this.#workers.every(({ turns }) => turns.length === 0)) this.#reportFinished();
  }

  /** Sources that wait for a time of their own get a turn: a word that says what they are to do has changed. */
  wakeSources(): void {
    for (const subtask of this.subtasks) if (subtask.source) subtask.woken = true;
    this.dispatch();
  }

  /** State maps may drop the versions that were replaced up to an epoch. */
  letDrop(epoch: number): void {
    for (const subtask of this.subtasks) {
      const word = this.word(subtask, ControlWord.completed);
      if (Atomics.exchange(this.i32, word, epoch) !== epoch) subtask.untidy = subtask.states.length > 0;
    }
    this.dispatch();
  }

  /** Tells the operators and sinks that listen how a checkpoint ended. Resolves when all have been told. */
  tell(outcome: CheckpointOutcome): Promise<void> {
    const listeners = this.subtasks.filter((subtask) => subtask.listens);
    if (listeners.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#untold.set(outcome, { left: listeners.length, resolve });
      for (const subtask of listeners) {
        subtask.outcomes.push(outcome);
        this.#want(subtask);
      }
      this.dispatch();
    });
  }

  /** The turn that runs, and one that waits behind it, end soon: the one after them brings something. */
  #want(subtask: ScheduledSubtask): void {
    if (subtask.turns > 0) Atomics.store(this.i32, this.word(subtask, ControlWord.wanted), 1);
  }

  #told(outcome: CheckpointOutcome): void {
    const untold = this.#untold.get(outcome);
    assert(untold !== undefined, 'an outcome is told to each listener once');
    if (--untold.left > 0) return;
    this.#untold.delete(outcome);
    untold.resolve();
  }

  word(subtask: ScheduledSubtask, word: number): number {
    return subtask.index * CONTROL_ROW_WORDS + word;
  }

  double(subtask: ScheduledSubtask, double: number): number {
    return this.f64[subtask.index * CONTROL_ROW_DOUBLES + double];
  }

  flags(subtask: ScheduledSubtask): number {
    return Atomics.load(this.i32, this.word(subtask, ControlWord.flags));
  }

  isFinished(subtask: ScheduledSubtask): boolean {
    return (this.flags(subtask) & SubtaskFlag.finished) !== 0;
  }

  /** What a worker does now, for messages about its end; undefined when it does nothing. */
  activity(worker: number): string | undefined {
    const subtask = this.#inTurn(this.#workers[worker]);
    if (subtask === undefined) return undefined;
    const checkpointId = this.#checkpointTaken(subtask);
    const barrier = checkpointId === undefined ? '' : `, at the barrier of checkpoint ${checkpointId}`;
    return `in a turn of stage '${subtask.stage.name}', subtask ${subtask.indexInStage}${barrier}`;
  }

  /** The checkpoint whose synchronous part the subtask is in. */
  #checkpointTaken(subtask: ScheduledSubtask): number | undefined {
    if (Atomics.load(this.i32, this.word(subtask, ControlWord.inTurn)) !== InTurn.atBarrier) return undefined;
    return Atomics.load(this.i32, this.word(subtask, ControlWord.epoch));
  }

  /** The subtask whose turn a worker is in. The first of its turns may have ended, and its result be on the way. */
  #inTurn(worker: WorkerSlot | undefined): ScheduledSubtask | undefined {
    return worker?.subtasks.find((subtask) => Atomics.load(this.i32, this.word(subtask, ControlWord.inTurn)) !== InTurn.no);
  }

  /** The method of a sink that one of the subtasks is in, if any. */
  sinkCall(subtasks: readonly ScheduledSubtask[]): RunningSinkCall | null {
    for (const subtask of subtasks) {
      const call = decodeSinkCall(Atomics.load(this.i32, this.word(subtask, ControlWord.sinkCall)));
      if (call !== null) return { uid: this.#graph.nodes[call.node].uid, subtask: subtask.indexInStage, method: call.method };
    }
    return null;
  }

  /** Is the subtask held up by full outputs? For the progress display. */
  backpressured(subtask: ScheduledSubtask): boolean {
    return subtask.outputs.length > 0 && !subtask.outputs.every(hasRoom);
  }

  #choose(worker: WorkerSlot): Turn | null {
    const now = performance.timeOrigin + performance.now();
    let best: ScheduledSubtask | null = null;
    let bestPriority = 0;
    for (const subtask of worker.subtasks) {
      if (subtask.turns > 0) continue;
      const priority = this.#priority(subtask, now);
      if (priority > bestPriority) {
        best = subtask;
        bestPriority = priority;
      }
    }
    return best === null ? null : { subtask: best, guess: false, tidying: bestPriority === PRIORITY_TIDYING };
  }

  /** A turn behind one that runs: of a subtask that will have input or room when that has ended. */
  #guess({ turns, subtasks }: WorkerSlot): Turn | null {
    if (turns.length === 0 || turns[0].guess) return null;
    const [{ subtask: running }] = turns;
    const subtask = subtasks.find((other) => other.turns === 0 && areNeighbours(running, other) && this.#isActive(other));
    return subtask === undefined ? null : { subtask, guess: true, tidying: false };
  }

  /** A turn of the subtask that runs, once more: it seems to have more to do than one turn does. */
  #again({ turns }: WorkerSlot): Turn | null {
    if (turns.length !== 1) return null;
    const [{ subtask }] = turns;
    const priority = this.#priority(subtask, performance.timeOrigin + performance.now());
    return priority > 0 ? { subtask, guess: false, tidying: priority === PRIORITY_TIDYING } : null;
  }

  #isActive(subtask: ScheduledSubtask): boolean {
    return (this.flags(subtask) & (SubtaskFlag.finished | SubtaskFlag.waiting)) === 0;
  }

  /** 0: nothing to do. */
  #priority(subtask: ScheduledSubtask, nowMs: number): number {
    const priority = this.#workPriority(subtask, nowMs);
    if (priority > 0) return priority;
    const flags = this.flags(subtask);
    const isUntidy = subtask.untidy || (flags & SubtaskFlag.untidy) !== 0;
    return isUntidy && (flags & SubtaskFlag.finished) === 0 ? PRIORITY_TIDYING : 0;
  }

  #workPriority(subtask: ScheduledSubtask, nowMs: number): number {
    if (subtask.outcomes.length > 0) return PRIORITY_BACKLOG;
    const flags = this.flags(subtask);
    const epoch = this.i32[this.word(subtask, ControlWord.epoch)];
    const triggered = this.i32[this.word(subtask, ControlWord.triggered)] >= epoch;
    let pending = false;
    for (const output of subtask.outputs) {
      if (output.i32[output.word + ChannelWord.pending] === 0) continue;
      pending = true;
      if (hasRoom(output)) return PRIORITY_BACKLOG;
    }
    if ((flags & SubtaskFlag.finished) !== 0) return triggered ? PRIORITY_BACKLOG : 0;
    if (pending) return 0;
    if (subtask.source) {
      if (triggered) return PRIORITY_BACKLOG;
      const waiting = (flags & SubtaskFlag.waiting) !== 0 && !subtask.woken;
      if (waiting && this.double(subtask, ControlDouble.wakeAtMs) > nowMs) return 0;
      return subtask.outputs.every(hasRoom) ? PRIORITY_SOURCE : 0;
    }
    if ((flags & SubtaskFlag.ending) !== 0)
      return triggered ? PRIORITY_BACKLOG : subtask.outputs.every(hasRoom) ? PRIORITY_SOURCE : 0;
    return this.#inputPriority(subtask, epoch, flags);
  }

  #inputPriority(subtask: ScheduledSubtask, epoch: number, flags: number): number {
    let backlog = 0;
    let control = false;
    for (const input of subtask.inputs) {
      const { i32, word } = input;
      if (i32[word + ChannelWord.ended] !== 0 || i32[word + ChannelWord.consumerEpoch] !== epoch) continue;
      const slots = (Atomics.load(i32, word + ChannelWord.head) - i32[word + ChannelWord.tail]) | 0;
      if (slots === 0) continue;
      backlog = Math.max(backlog, slots);
      control ||= nextSlotKind(input) !== SlotKind.rows;
    }
    if (control) return PRIORITY_BACKLOG;
    if (backlog === 0 && (flags & SubtaskFlag.more) === 0) return 0;
    if (!subtask.outputs.every(hasRoom)) return 0;
    return backlog >= BACKLOG_SLOTS ? PRIORITY_BACKLOG : PRIORITY_LITTLE;
  }

  #runTurn(worker: WorkerSlot, turn: Turn): void {
    const { subtask } = turn;
    subtask.turns++;
    subtask.woken = false;
    subtask.untidy = false;
    if (worker.turns.length === 0) worker.since = performance.now();
    worker.turns.push(turn);
    const oversize = subtask.oversize.length === 0 ? null : subtask.oversize;
    if (oversize !== null) subtask.oversize = [];
    const outcomes = subtask.outcomes.length === 0 ? null : subtask.outcomes;
    if (outcomes !== null) subtask.outcomes = [];
    const budgetMs = this.#isAlone(worker, subtask) ? this.#turnBudgetMs * LONGER_ALONE : this.#turnBudgetMs;
    const task: Task = { op: 'turn', subtask: subtask.index, budgetMs, tidying: turn.tidying, oversize, outcomes };
    this.#pool.runOn(worker.index, task).then(
      (result) => {
        if (subtask.outcomes.length === 0) Atomics.store(this.i32, this.word(subtask, ControlWord.wanted), 0);
        for (const outcome of outcomes ?? []) this.#told(outcome);
        this.#endTurn(worker, turn, result as TurnResult | undefined);
      },
      (error: unknown) => {
        this.#release(worker, turn);
        if (this.#running) this.#events.failed(workerError(error));
      },
    );
  }

  #isAlone({ subtasks }: WorkerSlot, subtask: ScheduledSubtask): boolean {
    return (
      subtask.source && subtask.outputs.length === 0 && subtasks.every((other) => other === subtask || this.isFinished(other))
    );
  }

  #endTurn(worker: WorkerSlot, turn: Turn, result: TurnResult | undefined): void {
    this.#release(worker, turn);
    if (result !== undefined) this.#takeResult(turn.subtask, result);
    if (!this.#running) return;
    if (turn.subtask.source) this.#noteBacklog(turn.subtask);
    this.dispatch();
  }

  #noteBacklog(subtask: ScheduledSubtask): void {
    if ((this.flags(subtask) & SubtaskFlag.backlog) === 0) this.#behind.delete(subtask);
    else this.#behind.add(subtask);
    if (this.#behind.size > 0 === this.#backlog) return;
    this.#backlog = !this.#backlog;
    this.#events.backlog(this.#backlog);
  }

  #takeResult(subtask: ScheduledSubtask, result: TurnResult): void {
    if (result.printed !== undefined) this.#events.printed(result.printed);
    for (const row of result.oversize ?? []) this.#deliver(row);
    for (const snapshot of result.snapshots ?? []) this.#events.snapshot(subtask, snapshot);
    if (result.error !== undefined && this.#running) this.#events.failed(decodeError(result.error));
  }

  #release(worker: WorkerSlot, turn: Turn): void {
    turn.subtask.turns--;
    worker.turns.splice(worker.turns.indexOf(turn), 1);
    worker.since = performance.now();
    if (!this.#running && this.#workers.every(({ turns }) => turns.length === 0)) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #deliver(row: OversizeRow): void {
    const consumer = this.subtasks.find(({ inputs }) =>
      inputs.some(({ edge, index }) => edge === row.edge && index === row.channel),
    );
    assert(consumer !== undefined, 'a channel has a consumer');
    consumer.oversize.push(row);
  }

  #reportFinished(): void {
    if (this.#finishedReported || !this.subtasks.every((subtask) => this.isFinished(subtask))) return;
    this.#finishedReported = true;
    this.#events.finished();
  }

  /** A source that waits is due at a time of its own. */
  #armWakeTimer(): void {
    let due = Infinity;
    for (const subtask of this.subtasks) {
      if (!subtask.source || subtask.turns > 0 || (this.flags(subtask) & SubtaskFlag.waiting) === 0) continue;
      due = Math.min(due, this.double(subtask, ControlDouble.wakeAtMs));
    }
    clearTimeout(this.#wakeTimer);
    if (due === Infinity) return;
    const delay = due - (performance.timeOrigin + performance.now());
    this.#wakeTimer = setTimeout(() => this.dispatch(), Math.max(0, Math.min(Math.ceil(delay), 0x7fffffff)));
  }

  #checkTimeouts(): void {
    const now = performance.now();
    for (const worker of this.#workers) {
      const subtask = this.#inTurn(worker) ?? worker.turns[0]?.subtask;
      if (subtask === undefined || now - worker.since < this.#taskTimeoutMs) continue;
      const doing = { checkpointId: this.#checkpointTaken(subtask), sinkCall: this.sinkCall([subtask]) };
      this.#events.failed(timedOut(subtask, now - worker.since, this.#taskTimeoutMs, doing));
      return;
    }
  }
}
