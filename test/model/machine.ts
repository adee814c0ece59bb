/**
 * The main thread of one attempt: the product's own `Checkpointing`, with the coordinator, the durable state and the deletion of
 * old checkpoints in it. What it asks of its workers is held back; the model carries it out, call by call, and hands in the results.
 *
 * What it will do next depends on what it was told, in that order, and on nothing else: no clock, and all its promises settle
 * between two inputs. So, as with programs, it is run again from the start to go on by one input, and each point is worked out once.
 */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { SimFs } from '../snapshot/sim-fs.ts';
import type { TableRef } from '../../src/format/manifest.ts';
import type { JobGraph } from '../../src/job/graph.ts';
import type { Attempt } from '../../src/main/attempt.ts';
import { Checkpointing } from '../../src/main/checkpointing.ts';
import { KnownCheckpoints } from '../../src/main/known-checkpoints.ts';
import type { ScheduledSubtask } from '../../src/main/scheduled-subtask.ts';
import { ControlWord, type PublishTask, type StagePlan, type Task } from '../../src/worker/protocol.ts';

export interface Start {
  readonly jobDirectory: string;
  readonly firstEpoch: number;
  /** Tables of the checkpoint that it starts from, newest first, and where they lie. */
  readonly tables: readonly TableRef[];
  readonly directory: string;
  /** Complete checkpoints of its own directory. */
  readonly before: readonly number[];
  readonly retained: number;
  /** Number of the own checkpoint that it starts from, 0 for none. */
  readonly restored: number;
  /** Highest number that the process knows of. */
  readonly known: number;
  /** Of two in one directory, each says in its manifests which it is. */
  readonly owner: number;
}

export type Input =
  /** A checkpoint is asked for; the only subtask passes the barrier at once. */
  | { readonly type: 'checkpoint'; readonly full: boolean }
  | { readonly type: 'savepoint'; readonly full: boolean }
  | { readonly type: 'done'; readonly task: number; readonly op: Task['op']; readonly result: unknown }
  | {
      readonly type: 'failed';
      readonly task: number;
      readonly op: Task['op'];
      readonly error: Error /** Number that a publication had given it all the same, else 0. */;
      readonly published: number;
    };

export interface OpenTask {
  /** Counted from the start of the attempt. */
  readonly ordinal: number;
  readonly task: Exclude<Task, { readonly op: 'ready' | 'turn' | 'enumerate' | 'open' }>;
}

export interface Moment {
  readonly id: number;
  readonly start: Start;
  readonly inputs: readonly Input[];
  readonly open: readonly OpenTask[];
  /** Checkpoints that were reported as complete, in order. */
  readonly completed: readonly number[];
  readonly inProgress: number;
  /** Highest number that the process knows of; what it is publishing is not among them. */
  readonly known: number;
  /** The attempt cannot go on. */
  readonly fatal: Error | null;
}

const STAGE: StagePlan = {
  id: 0,
  nodes: [0],
  name: 'count',
  parallelism: 1,
  maxParallelism: 1,
  inputs: [],
  outputs: [],
  firstSubtask: 0,
};
const GRAPH = {
  name: 'model',
  nodes: [{ id: 0, uid: 'count', name: 'count', kind: 'process', keyed: true }],
} as unknown as JobGraph;
const NOTHING_COUNTED = {
  syncMs: 0,
  alignmentMs: 0,
  startDelayMs: 0,
  operatorState: {},
  committables: [],
  finished: false,
  liveBytes: 0,
  recordsIn: 0,
  malformed: 0,
};

/** Thrown where a moment is not worked out yet: wait for `ready`, and ask again. */
export class NotYet extends Error {
  readonly ready: Promise<unknown>;
  constructor(ready: Promise<unknown>) {
    super('not worked out yet');
    this.ready = ready;
  }
}

/** The moments of all attempts of a model that are worked out so far. */
export class Attempts {
  readonly #starts = new Map<string, Moment>();
  readonly #after = new Map<string, Moment>();
  /** By what tells them apart. */
  readonly #known = new Map<string, Moment>();

  begin(start: Start): Moment {
    const key = JSON.stringify(start);
    const moment = this.#starts.get(key);
    if (moment !== undefined) return moment;
    throw new NotYet(reach(this.#known, start, []).then((reached) => this.#starts.set(key, reached)));
  }

  /** @param inputKey  equal for equal inputs to one moment */
  tell(moment: Moment, inputKey: string, input: Input): Moment {
    const key = `${moment.id} ${inputKey}`;
    const next = this.#after.get(key);
    if (next !== undefined) return next;
    throw new NotYet(
      reach(this.#known, moment.start, [...moment.inputs, input]).then((reached) => this.#after.set(key, reached)),
    );
  }
}

async function reach(moments: Map<string, Moment>, start: Start, inputs: readonly Input[]): Promise<Moment> {
  const open = new Map<number, { readonly task: OpenTask['task']; done(result: unknown): void; failed(error: Error): void }>();
  const completed: number[] = [];
  let fatal: Error | null = null;
  let tasks = 0;
  let published = '';
  const i32 = new Int32Array(64);
  const subtask = { index: 0, stage: STAGE, indexInStage: 0, source: false, states: [] } as unknown as ScheduledSubtask;
  const scheduler = {
    subtasks: [subtask],
    i32,
    f64: new Float64Array(64),
    word: (_subtask: ScheduledSubtask, word: number) => word,
    dispatch: () => undefined,
    tell: () => Promise.resolve(),
    wakeSources: () => undefined,
    letDrop: (epoch: number) => Atomics.store(i32, ControlWord.completed, epoch),
  };
  const attempt = {
    options: {
      jobId: basename(start.jobDirectory),
      graph: GRAPH,
      plan: { stages: [STAGE], edges: [], subtaskCount: 1 },
      firstEpoch: start.firstEpoch,
      restore: start.tables.length === 0 ? null : { subtasks: [{ tables: start.tables }] },
      tablePath: (hash: string) => `${start.directory}/${hash}.sst`,
    },
    restored: [[]],
    scheduler,
    run: (task: OpenTask['task']) =>
      new Promise((done, failed) => {
        open.set(tasks++, { task, done, failed });
      }),
  };
  const failedYetPublished = new Set<number>();
  let known = start.known;
  const numbers = new KnownCheckpoints(start.known, ({ checkpointId }) => failedYetPublished.has(checkpointId));
  const checkpointing = new Checkpointing(
    attempt as unknown as Attempt,
    GRAPH,
    {
      coordinator: {
        intervalMs: null,
        backlogIntervalMs: null,
        timeoutMs: Infinity,
        minPauseMs: 0,
        maxConcurrent: 1,
        tolerableFailures: Infinity,
      },
      // What is left of a savepoint that failed is removed here: there is nothing of it, since its task is the model's.
      fs: new SimFs(),
      incremental: true,
      jobDirectory: start.jobDirectory,
      retained: start.retained,
      config: start.owner === 0 ? {} : { owner: start.owner },
      retainedBefore: start.before,
      known: numbers,
      countersBefore: {},
      parent: null,
    },
    {
      completed: ({ checkpointId }) => completed.push(checkpointId),
      saved: () => undefined,
      failed: () => undefined,
      fatal: (error) => {
        fatal ??= error;
      },
      collected: () => undefined,
      notice: () => undefined,
    },
  );
  let barrier = 0;
  let full = false;
  checkpointing.start();
  for (const input of inputs) {
    switch (input.type) {
      case 'checkpoint':
      case 'savepoint': {
        full = input.full;
        const request = input.type === 'savepoint' ? { target: '/savepoints', format: 'native' as const } : null;
        checkpointing.request(input.type === 'savepoint' ? 'savepoint' : 'manual', request).catch(() => undefined);
        break;
      }
      case 'done':
      case 'failed': {
        const task = open.get(input.task);
        assert(task !== undefined, 'a result belongs to an open task');
        open.delete(input.task);
        if (input.type === 'failed' && input.published > 0) failedYetPublished.add(input.published);
        if (input.type === 'done' && task.task.op === 'publish') published = (timeless(task.task) as PublishTask).manifest;
        if (input.type === 'done') task.done(input.result);
        else task.failed(input.error);
      }
    }
    await settle();
    if (![...open.values()].some(({ task }) => task.op === 'publish')) known = numbers.highest;
    // What the next word says that the sources are told, they do at once.
    if (i32[ControlWord.triggered] > barrier) {
      barrier = i32[ControlWord.triggered];
      checkpointing.synced(subtask, { ...NOTHING_COUNTED, checkpointId: barrier, full });
      await settle();
    }
  }
  const moment: Moment = {
    id: moments.size,
    start,
    inputs,
    open: [...open].map(([ordinal, { task }]) => ({ ordinal, task: timeless(task) })),
    completed,
    inProgress: checkpointing.counts.inProgress,
    known,
    fatal,
  };
  const key = whatTellsApart(moment, published, tasks);
  const equal = moments.get(key) ?? moment;
  moments.set(key, equal);
  return equal;
}

/**
 * Two attempts that agree in this go on alike. What was told to them before their newest complete checkpoint began is in its
 * manifest, which they have in common; and when a collection ended, once it has, is of no consequence but for what was merged
 * meanwhile. Not so where savepoints or merges came before: what they wrote is remembered until a manifest names it.
 *
 * @param published  the manifest of the newest complete checkpoint
 * @param tasks      that there were so far
 */
function whatTellsApart(moment: Moment, published: string, tasks: number): string {
  const { start, inputs, open, completed, inProgress, known, fatal } = moment;
  const merged = inputs.some((input) => isResultOf(input, 'merge')) || open.some(({ task }) => task.op === 'merge');
  const collections = inputs.filter((input) => isResultOf(input, 'gc')).length;
  const kept = merged ? inputs : inputs.filter((input) => !isResultOf(input, 'gc'));
  const waiting = completed.length - collections;
  let from = 0;
  if (!merged && !kept.some((input) => input.type === 'savepoint')) {
    const end = kept.findLastIndex((input) => input.type === 'done' && input.op === 'publish');
    from = Math.max(
      0,
      kept.findLastIndex((input, i) => i < end && input.type === 'checkpoint'),
    );
  }
  const barriers = inputs.filter(({ type }) => type === 'checkpoint' || type === 'savepoint').length;
  const rest = kept.slice(from).map((input) => (input.type === 'failed' ? { ...input, error: input.error.message } : input));
  const newest = completed.slice(-start.retained);
  return JSON.stringify([start, published, rest, barriers, tasks, newest, waiting, open, inProgress, known, fatal?.message]);
}

function isResultOf(input: Input, op: Task['op']): boolean {
  return (input.type === 'done' || input.type === 'failed') && input.op === op;
}

/** Everything that is due happens: reactions to promises run before the next immediate. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Two runs to the same moment must ask for the same: times in a manifest are for people. */
function timeless(task: OpenTask['task']): OpenTask['task'] {
  if (task.op !== 'publish' && task.op !== 'savepoint') return task;
  const time = new Date(0).toISOString();
  const manifest = { ...(JSON.parse(task.manifest) as object), triggeredAt: time, completedAt: time, durationMs: 0 };
  const named = { ...task, manifest: JSON.stringify(manifest) };
  return named.op === 'savepoint' ? { ...named, name: 'savepoint-012345-000000000000' } : named;
}
