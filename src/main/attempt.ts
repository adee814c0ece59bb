/**
 * One attempt of a job: its pools, shared memory, scheduler and checkpoints, from the opening of the subtasks to their
 * end. It is thrown away as a whole on any failure; the next attempt starts from the last checkpoint.
 */
import { availableParallelism } from 'node:os';
import { assert } from '../format/assert.ts';
import type { JsonValue } from '../format/json.ts';
import { type JobGraph, sinkOf } from '../job/graph.ts';
import type { Split } from '../job/source.ts';
import {
  CHANNEL_HEADER_BYTES,
  CONTROL_ROW_BYTES,
  ChannelWord,
  ControlWord,
  channelBytes,
  type Deployment,
  type JobPlan,
  LOADED_THREADS,
  type OpenResult,
  type Outcome,
  operatorRowDoubles,
  type RestoredTotal,
  type RestoreTable,
  type SubtaskRestore,
  type Task,
  type WorkerSettings,
} from '../worker/protocol.ts';
import { InputPositions } from './input-positions.ts';
import type { RestorePlan } from './restore-plan.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { ScheduledSubtask } from './scheduled-subtask.ts';
import { Scheduler, type SchedulerEvents } from './scheduler.ts';
import { type RunningSinkCall, sinkCallsOf, watchSinkCalls, withinTaskTimeout } from './sink-calls.ts';
import { buildSplitQueue } from './splits.ts';
import { checkRestored } from './state-totals.ts';
import { withinStartLimit } from './start-limit.ts';
import { unwrap, WorkerPool } from './worker-pool.ts';

export interface AttemptOptions {
  readonly graph: JobGraph;
  readonly jobFile: string;
  readonly jobArgs: readonly string[];
  readonly jobId: string;
  readonly attempt: number;
  readonly plan: JobPlan;
  readonly threads: number;
  readonly settings: WorkerSettings;
  readonly turnBudgetMs: number;
  readonly taskTimeoutMs: number;
  /** Epoch in which all subtasks begin: the number of the next checkpoint. */
  readonly firstEpoch: number;
  readonly restore: RestorePlan | null;
  /** Absolute path of a table of the restored checkpoint. */
  readonly tablePath: (hash: string) => string;
}

export class Attempt implements RunningAttempt {
  readonly options: AttemptOptions;
  readonly deployment: Deployment;
  readonly pool: WorkerPool;
  readonly scheduler: Scheduler;
  /** Splits of all sources, for the progress display. */
  splitCount = 0;
  restoredEntries = 0;
  readonly #fail: (error: Error) => void;
  #failure: Promise<never>;

  constructor(options: AttemptOptions, events: SchedulerEvents) {
    this.options = options;
    this.deployment = deploy(options);
    let fail: (error: Error) => void = () => {};
    this.#failure = new Promise<never>((_, reject) => {
      fail = reject;
    });
    // Losses are also reported through the events; without a waiter this promise must not count as unhandled.
    this.#failure.catch(() => {});
    this.#fail = (error) => {
      fail(error);
      events.failed(error);
    };
    this.pool = new WorkerPool(
      { threads: options.threads, deployment: this.deployment, activity: (worker) => this.scheduler.activity(worker) },
      this.#fail,
    );
    const positions = new InputPositions(options.graph, options.plan, options.restore?.sources ?? null, options.firstEpoch);
    this.scheduler = new Scheduler(this.deployment, this.pool, options, {
      ...events,
      snapshot: (subtask, snapshot) => {
        positions.note(subtask, snapshot);
        events.snapshot(subtask, snapshot);
      },
      failed: (error) => events.failed(positions.explain(error)),
    });
  }

  /** By index of the subtask: what was restored into it. */
  get restored(): readonly (readonly RestoredTotal[])[] {
    return this.scheduler.subtasks.map((subtask) => subtask.restored);
  }

  /** Starts the workers, recovers the sinks, and opens every subtask, restoring its state. */
  async open(): Promise<void> {
    const { jobFile, taskTimeoutMs } = this.options;
    await this.#orFailure(withinStartLimit(this.pool.ready(), `Loading ${jobFile} in the worker threads`, taskTimeoutMs));
    await this.#orFailure(this.#recoverSinks());
    const queues = await this.#orFailure(this.#enumerateSources());
    const byWorker = new Map<number, ScheduledSubtask[]>();
    for (const subtask of this.scheduler.subtasks)
      byWorker.set(subtask.worker, [...(byWorker.get(subtask.worker) ?? []), subtask]);
    await this.#orFailure(
      Promise.all(
        [...byWorker].map(async ([worker, subtasks]) => {
          for (const subtask of subtasks) await this.#openSubtask(worker, subtask, queues);
        }),
      ),
    );
    const { restore } = this.options;
    if (restore !== null) checkRestored(restore.states, this.restored, restore.checkpointId);
  }

  /** Runs a task in the background and unwraps its outcome. */
  async run<T>(task: Task): Promise<T> {
    const { graph, taskTimeoutMs, plan } = this.options;
    const calls = taskTimeoutMs === Infinity ? [] : sinkCallsOf(task, graph, plan);
    const work = calls.some((call) => call !== null)
      ? watchSinkCalls((word) => this.pool.run({ ...task, calls: word } as Task), calls, taskTimeoutMs, this.#fail)
      : this.pool.run(task);
    return unwrap((await work) as Outcome<T>);
  }

  async destroy(orderly: boolean): Promise<void> {
    for (const subtask of this.scheduler.subtasks)
      Atomics.store(this.scheduler.i32, this.scheduler.word(subtask, ControlWord.cancelled), 1);
    const idle = this.scheduler.stop();
    try {
      if (orderly) await this.#orFailure(this.#closeSubtasks(idle));
    } finally {
      await this.pool.destroy();
    }
  }

  async #closeSubtasks(idle: Promise<void>): Promise<void> {
    await withinStartLimit(idle, 'The end of the last turns', this.options.taskTimeoutMs);
    const workers = new Set(this.scheduler.subtasks.map(({ worker }) => worker));
    await Promise.all(
      [...workers].map((worker) => {
        const subtasks = this.scheduler.subtasks.filter((subtask) => subtask.worker === worker);
        const call = (): RunningSinkCall | null => this.scheduler.sinkCall(subtasks);
        const closing = this.pool.runOn(worker, { op: 'close' });
        return withinTaskTimeout(closing, call, this.options.taskTimeoutMs, 'Closing sources and sinks').then((outcome) =>
          unwrap(outcome as Outcome<null>),
        );
      }),
    );
  }

  async #orFailure<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#failure]);
  }

  /** @param doing  for the message when it takes too long */
  async #runOn<T>(worker: number, doing: string, task: Task): Promise<T> {
    const outcome = await withinStartLimit(this.pool.runOn(worker, task), doing, this.options.taskTimeoutMs);
    return unwrap(outcome as Outcome<T>);
  }

  /**
   * Commits what the restored checkpoint had prepared, and discards what never was. Before any sink opens: a part that is
   * still in progress then belongs to nobody.
   */
  async #recoverSinks(): Promise<void> {
    const { graph, restore } = this.options;
    for (const node of graph.nodes) {
      const sink = sinkOf(node);
      if (sink === null) continue;
      // On a worker that has nothing to do yet: the background pool would have to start a thread first.
      const task: Task = { op: 'recover', node: node.id, committables: restore?.committables.get(node.uid) ?? [] };
      const call = { uid: node.uid, subtask: null, method: 'recover' };
      if (sink.kind !== 'custom') await this.#runOn(0, `Recovering sink '${node.uid}'`, task);
      else unwrap((await withinTaskTimeout(this.pool.runOn(0, task), () => call, this.options.taskTimeoutMs)) as Outcome<null>);
    }
  }

  async #enumerateSources(): Promise<Map<number, ReturnType<typeof buildSplitQueue> & { fixed: boolean }>> {
    const { graph, restore, plan } = this.options;
    const queues = new Map<number, ReturnType<typeof buildSplitQueue> & { fixed: boolean }>();
    for (const stage of plan.stages) {
      const source = graph.nodes[stage.nodes[0]];
      if (source.kind !== 'source') continue;
      const states = restore?.sources.get(source.uid) ?? [];
      const before = buildSplitQueue([], states);
      const taken = [...before.done, ...before.queue.map(({ split }) => split.id)];
      const doing = `Listing the splits of source '${source.uid}'`;
      const task: Task = { op: 'enumerate', stage: stage.id, taken };
      const { splits, fixed } = await this.#runOn<{ splits: Split[]; fixed: boolean }>(0, doing, task);
      const queue = buildSplitQueue(splits, states);
      queues.set(stage.id, { ...queue, fixed });
      this.splitCount += queue.queue.length;
    }
    return queues;
  }

  async #openSubtask(
    worker: number,
    subtask: ScheduledSubtask,
    queues: ReadonlyMap<number, ReturnType<typeof buildSplitQueue> & { fixed: boolean }>,
  ): Promise<void> {
    const { restore, firstEpoch, tablePath } = this.options;
    const restored = restore?.subtasks[subtask.index];
    const queue = queues.get(subtask.stage.id);
    const source = this.options.graph.nodes[subtask.stage.nodes[0]];
    const operatorState: Record<string, Readonly<Record<string, readonly JsonValue[]>>> = { ...restored?.operatorState };
    if (queue !== undefined) operatorState[source.uid] = { $done: queue.done };
    const task: SubtaskRestore = {
      epoch: firstEpoch,
      operatorState,
      tables: (restored?.tables ?? []).map((table): RestoreTable => ({ table, path: tablePath(table.hash) })),
      rewrite: restored?.rewrite ?? false,
    };
    const doing = `Opening subtask ${subtask.indexInStage} of stage '${subtask.stage.name}'`;
    const opened = await this.#runOn<OpenResult>(worker, doing, {
      op: 'open',
      subtask: subtask.index,
      restore: task,
      splits: queue?.queue ?? null,
      fixedSplits: queue?.fixed ?? false,
    });
    subtask.states = opened.states;
    subtask.restored = opened.restored;
    for (const { entries } of opened.restored) this.restoredEntries += entries;
  }
}

/** Threads of a job that does not say how many. */
export function defaultThreads(): number {
  return Math.max(1, availableParallelism());
}

/** Shared memory and settings of an attempt, as every worker gets them. */
function deploy(options: AttemptOptions): Deployment {
  const { plan, graph } = options;
  const channels = plan.edges.map((edge) => {
    const producers = plan.stages[edge.from].parallelism;
    const count = edge.kind === 'forward' ? producers : producers * plan.stages[edge.to].parallelism;
    const bytes = channelBytes(edge.layout);
    const memory = new SharedArrayBuffer(count * bytes);
    const words = new Int32Array(memory);
    for (let i = 0; i < count; i++) words[(i * bytes) / 4 + ChannelWord.consumerEpoch] = options.firstEpoch;
    return memory;
  });
  assert(CHANNEL_HEADER_BYTES % 8 === 0, 'channel headers keep slots aligned');
  const splitCursors = plan.stages.map((stage) =>
    graph.nodes[stage.nodes[0]].kind === 'source' ? new SharedArrayBuffer(4) : null,
  );
  return {
    jobFile: options.jobFile,
    jobArgs: options.jobArgs,
    jobId: options.jobId,
    jobName: graph.name,
    attempt: options.attempt,
    plan,
    settings: options.settings,
    control: new SharedArrayBuffer(plan.subtaskCount * CONTROL_ROW_BYTES),
    loadedThreads: new SharedArrayBuffer(LOADED_THREADS * 4),
    operatorCounters: new SharedArrayBuffer(plan.subtaskCount * operatorRowDoubles(plan) * 8),
    channels,
    splitCursors,
  };
}
