/**
 * An attempt without an engine: the operators' part is a keyed state of a few keys in the real state maps, and everything happens in this
 * thread, in an order that whoever owns the attempt chooses. What the main thread and the background threads do is the product's code:
 * coordinator, publication, savepoints, collection, merging, restoring.
 *
 * ```
 *   feed --> [record, record, barrier, ...] a queue for each keyed subtask --turn--> state maps, snapshot at a barrier
 *   run  --> [persist, publish, gc, ...]    background tasks: one of the first `threads` is next
 * ```
 */
import { createKeyCodec, keyTypeText } from '../../src/format/key-codec.ts';
import { keyGroupOf, subtaskOfKeyGroup } from '../../src/format/key-groups.ts';
import { decodeError, encodeError, TidemarkError } from '../../src/format/errors.ts';
import type { JsonValue } from '../../src/format/json.ts';
import type { StateSpec, ValueState } from '../../src/job/process.ts';
import type { AttemptOptions } from '../../src/main/attempt.ts';
import type { RunningAttempt, RunningSubtasks } from '../../src/main/running-attempt.ts';
import type { ScheduledSubtask } from '../../src/main/scheduled-subtask.ts';
import type { SchedulerEvents } from '../../src/main/scheduler.ts';
import { buildSplitQueue } from '../../src/main/splits.ts';
import { checkRestored } from '../../src/main/state-totals.ts';
import { collect, publish, savepoint } from '../../src/worker/file-tasks.ts';
import { merge } from '../../src/worker/merge-task.ts';
import { persist } from '../../src/worker/persist-task.ts';
import {
  CONTROL_ROW_BYTES,
  CONTROL_ROW_DOUBLES,
  CONTROL_ROW_WORDS,
  ControlWord,
  type OpenState,
  operatorRowDoubles,
  type StagePlan,
  type SyncSnapshot,
  type Task,
} from '../../src/worker/protocol.ts';
import { openRestored } from '../../src/worker/restore-state.ts';
import { CurrentKey } from '../../src/worker/state/handles/current-key.ts';
import { openState } from '../../src/worker/state/handles/open-state.ts';
import { pinReader } from '../../src/worker/state/reader-pins.ts';
import type { StateMap } from '../../src/worker/state/state-map.ts';
import type { CuttableFs } from './cuttable-fs.ts';
import { ALL_KEYS, changeAt, type Content, type Position, textOf, UID } from './input.ts';

const SPLIT = { id: 'input', data: null };
const KEY_SCHEMAS = [{ type: 'string' }] as const;
const STATE_BYTES = 1 << 20;
/** Of barriers at which a subtask writes its state whole, as it would when most of it has changed. */
const FULL_CHANCE = 0.2;

export interface SmallAttemptOptions {
  readonly fs: CuttableFs;
  /** In [0, 1). */
  readonly random: () => number;
  /** What is read when nothing is restored. */
  readonly stream: number;
  /** The state maps are open. */
  opened(position: Position, content: Content): void;
}

interface KeyedSubtask {
  readonly subtask: ScheduledSubtask;
  readonly key: CurrentKey;
  readonly maps: StateMap[];
  readonly total: ValueState<number>;
  readonly text: ValueState<string>;
  readonly queue: ({ readonly record: number } | { readonly barrier: number })[];
  completed: number;
}

interface BackgroundTask {
  readonly task: Task;
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export class SmallAttempt implements RunningAttempt {
  readonly options: AttemptOptions;
  readonly deployment: RunningAttempt['deployment'];
  readonly scheduler: SmallScheduler;
  readonly splitCount = 1;
  restoredEntries = 0;
  /** Positions of the barriers that its source passed. */
  readonly barriers = new Map<number, Position>();
  readonly #small: SmallAttemptOptions;
  readonly #events: SchedulerEvents;
  readonly #keyed: KeyedSubtask[] = [];
  readonly #keyCodec = createKeyCodec(KEY_SCHEMAS);
  #tasks: BackgroundTask[] = [];
  #position: Position;
  #sourceEpoch: number;
  #destroyed = false;
  #finished = false;

  constructor(options: AttemptOptions, events: SchedulerEvents, small: SmallAttemptOptions) {
    const { plan } = options;
    this.options = options;
    this.#events = events;
    this.#small = small;
    this.deployment = { plan, operatorCounters: new SharedArrayBuffer(plan.subtaskCount * operatorRowDoubles(plan) * 8) };
    this.scheduler = new SmallScheduler(options);
    this.#sourceEpoch = options.firstEpoch;
    const { queue } = buildSplitQueue([SPLIT], options.restore?.sources.get('in') ?? []);
    this.#position = (queue[0].position as unknown as Position | null) ?? { stream: small.stream, at: 0 };
  }

  get restored(): RunningAttempt['restored'] {
    return this.scheduler.subtasks.map((subtask) => subtask.restored);
  }

  get position(): Position {
    return this.#position;
  }

  // oxlint-disable-next-line typescript/require-await -- the engine's waits for its threads
  async open(): Promise<void> {
    for (const subtask of this.scheduler.subtasks)
      if (subtask.stage === this.#keyedStage()) this.#keyed.push(this.#openKeyed(subtask));
    const { restore } = this.options;
    if (restore !== null) checkRestored(restore.states, this.restored, restore.checkpointId);
    this.#small.opened(this.#position, this.content());
  }

  run<T>(task: Task): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#destroyed) reject(exited());
      else this.#tasks.push({ task, resolve, reject });
    });
  }

  /** Threads end where they are: what they were writing stays behind. */
  // oxlint-disable-next-line typescript/require-await -- the engine's waits for its threads
  async destroy(): Promise<void> {
    const { fs, random } = this.#small;
    const running = this.#tasks.splice(0, Math.floor(random() * (this.options.threads + 1)));
    for (const { task, reject } of running) {
      fs.cutAfter(Math.floor(random() * 20), () => void perform(fs, task).catch(() => undefined));
      reject(exited());
    }
    this.#destroyed = true;
    for (const { reject } of this.#tasks) reject(exited());
    this.#tasks = [];
  }

  /** A user's function throws, or a thread exits. */
  fail(): void {
    this.#events.failed(new TidemarkError('ERR_OPERATOR_FAILED', 'A function failed.'));
  }

  /** The source reads so many records, unless it was told to stop or drain. */
  feed(records: number): void {
    const stopAfter = this.#word(ControlWord.stopAfter);
    if (this.#destroyed || (stopAfter !== 0 && this.#sourceEpoch > stopAfter) || this.#word(ControlWord.drain) !== 0) return;
    for (let i = 0; i < records; i++) {
      const { stream, at } = this.#position;
      this.#ownerOf(changeAt(stream, at).key).queue.push({ record: at });
      this.#position = { stream, at: at + 1 };
    }
  }

  get isIdle(): boolean {
    return !this.#destroyed && this.scheduler.running && this.actions().length === 0;
  }

  /** What could happen next. Each may be called once, before any other. */
  actions(): (() => void)[] {
    if (this.#destroyed || !this.scheduler.running) return [];
    const actions: (() => void)[] = [];
    if (this.#word(ControlWord.triggered) >= this.#sourceEpoch) actions.push(() => this.#flipSource());
    for (const keyed of this.#keyed) if (keyed.queue.length > 0) actions.push(() => this.#turn(keyed));
    for (const task of this.#tasks.slice(0, this.options.threads)) actions.push(() => this.#perform(task));
    const drained = this.#word(ControlWord.drain) !== 0 && this.#keyed.every(({ queue }) => queue.length === 0);
    if (drained && !this.#finished) actions.push(() => this.#finish());
    return actions;
  }

  /** Of all subtasks, read as a user's function would. */
  content(): Content {
    const content = new Map<string, number>();
    for (const key of ALL_KEYS) {
      const { total, text } = this.#at(key);
      if (total.exists !== text.exists || (total.exists && text.get() !== textOf(total.get())))
        throw new Error(`the states of '${key}' do not belong together: ${total.get()} and ${text.get()}`);
      if (total.exists) content.set(key, total.get());
    }
    return content;
  }

  #perform(background: BackgroundTask): void {
    this.#tasks = this.#tasks.filter((other) => other !== background);
    perform(this.#small.fs, background.task).then(
      (result) => background.resolve(result as never),
      (error: unknown) => background.reject(decodeError(encodeError(error))),
    );
  }

  #finish(): void {
    this.#finished = true;
    this.#events.finished();
  }

  /** The barrier goes through every queue behind the records that were read before it. */
  #flipSource(): void {
    const epoch = this.#sourceEpoch++;
    this.barriers.set(epoch, this.#position);
    for (const { queue } of this.#keyed) queue.push({ barrier: epoch });
    const splits = [{ split: SPLIT, position: this.#position }] as unknown as readonly JsonValue[];
    for (const subtask of this.scheduler.subtasks)
      if (subtask.source)
        this.#events.snapshot(subtask, snapshotOf(epoch, { in: { $splits: subtask.indexInStage === 0 ? splits : [] } }));
    for (const subtask of this.scheduler.subtasks)
      if (!subtask.source && subtask.stage !== this.#keyedStage()) this.#events.snapshot(subtask, snapshotOf(epoch, {}));
  }

  /** Records up to a barrier, or a barrier. */
  #turn(keyed: KeyedSubtask): void {
    this.#noteCompleted(keyed);
    const [first] = keyed.queue;
    if ('barrier' in first) {
      keyed.queue.shift();
      this.#flip(keyed, first.barrier);
      return;
    }
    for (let next = keyed.queue[0]; next !== undefined && 'record' in next; next = keyed.queue[0]) {
      keyed.queue.shift();
      const { key, value } = changeAt(this.#position.stream, next.record);
      const { total, text } = this.#at(key);
      if (value === null) {
        total.clear();
        text.clear();
      } else {
        total.set(value);
        text.set(textOf(value));
      }
    }
  }

  #flip(keyed: KeyedSubtask, epoch: number): void {
    const { incremental } = this.options.settings;
    const rewrite = this.options.restore?.subtasks[keyed.subtask.index].rewrite === true && epoch === this.options.firstEpoch;
    const full = !incremental || rewrite || this.#small.random() < FULL_CHANCE;
    for (const map of keyed.maps) {
      pinReader(map.handles(), full ? 'full' : 'delta');
      map.mark(epoch + 1);
    }
    this.#events.snapshot(keyed.subtask, { ...snapshotOf(epoch, {}), full });
  }

  #noteCompleted(keyed: KeyedSubtask): void {
    const completed = Atomics.load(this.scheduler.i32, this.scheduler.word(keyed.subtask, ControlWord.completed));
    if (completed <= keyed.completed) return;
    keyed.completed = completed;
    for (const map of keyed.maps) map.complete(completed);
  }

  #openKeyed(subtask: ScheduledSubtask): KeyedSubtask {
    const { firstEpoch, graph, restore, tablePath } = this.options;
    const restored = restore?.subtasks[subtask.index];
    const tables = (restored?.tables ?? []).map((table) => ({ table, path: tablePath(table.hash) }));
    const key = new CurrentKey();
    const maps: StateMap[] = [];
    const states: OpenState[] = [];
    const totals: ScheduledSubtask['restored'][number][] = [];
    const open = (name: string, spec: StateSpec): unknown =>
      openState(spec, { uid: UID, name, keyType: keyTypeText(KEY_SCHEMAS) }, key, (info) => {
        const opened = openRestored(
          this.#small.fs,
          info,
          { epoch: firstEpoch, operatorState: {}, tables, rewrite: restored?.rewrite ?? false },
          { limitBytes: STATE_BYTES, label: name },
        );
        maps.push(opened.map);
        states.push({ ...opened.info, handles: opened.map.handles() });
        this.restoredEntries += opened.entries;
        if (tables.length > 0) totals.push({ uid: UID, name, entries: opened.entries, digest: opened.digest });
        return opened.map;
      }).handle;
    const node = graph.nodes.find(({ uid }) => uid === UID);
    if (node?.kind !== 'process') throw new Error('the graph is that of input.ts');
    const total = open('total', node.process.state['total']) as ValueState<number>;
    const text = open('text', node.process.state['text']) as ValueState<string>;
    subtask.states = states;
    subtask.restored = totals;
    return { subtask, key, maps, total, text, queue: [], completed: firstEpoch - 1 };
  }

  #at(key: string): KeyedSubtask {
    const owner = this.#ownerOf(key);
    this.#keyCodec.encode(key, owner.key.ref);
    owner.key.moved();
    return owner;
  }

  #ownerOf(key: string): KeyedSubtask {
    const { maxParallelism, parallelism } = this.#keyedStage();
    const probe = new CurrentKey();
    this.#keyCodec.encode(key, probe.ref);
    return this.#keyed[subtaskOfKeyGroup(keyGroupOf(probe.ref.hash, maxParallelism), maxParallelism, parallelism)];
  }

  #keyedStage(): StagePlan {
    const { graph, plan } = this.options;
    return plan.stages.find((stage) => stage.nodes.some((id) => graph.nodes[id].uid === UID)) as StagePlan;
  }

  #word(word: number): number {
    return Atomics.load(this.scheduler.i32, word);
  }
}

/** As in a background thread. */
// oxlint-disable-next-line typescript/require-await -- what the file tasks throw rejects
async function perform(fs: CuttableFs, task: Task): Promise<unknown> {
  switch (task.op) {
    case 'persist':
      return persist(fs, task, 'none', () => Promise.resolve());
    case 'merge':
      return merge(fs, task, 'none');
    case 'publish':
      return publish(fs, task);
    case 'savepoint':
      return savepoint(fs, task, 'none');
    case 'gc':
      return collect(fs, task);
    default:
      throw new Error(`no background thread is asked for '${task.op}' here`);
  }
}

function snapshotOf(checkpointId: number, operatorState: SyncSnapshot['operatorState']): SyncSnapshot {
  const times = { syncMs: 0, alignmentMs: 0, startDelayMs: 0 };
  const counts = { liveBytes: 0, recordsIn: 0, malformed: 0 };
  return { checkpointId, full: false, ...times, operatorState, committables: [], finished: false, ...counts };
}

function exited(): TidemarkError {
  return new TidemarkError('ERR_WORKER_EXITED', 'The thread was ended.');
}

class SmallScheduler implements RunningSubtasks {
  readonly subtasks: readonly ScheduledSubtask[];
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  running = false;

  constructor({ graph, plan }: AttemptOptions) {
    const control = new SharedArrayBuffer(plan.subtaskCount * CONTROL_ROW_BYTES);
    this.i32 = new Int32Array(control);
    this.f64 = new Float64Array(control);
    this.subtasks = plan.stages.flatMap((stage) =>
      Array.from({ length: stage.parallelism }, (_, indexInStage) => ({
        index: stage.firstSubtask + indexInStage,
        stage,
        indexInStage,
        source: graph.nodes[stage.nodes[0]].kind === 'source',
        worker: 0,
        inputs: [],
        outputs: [],
        states: [],
        restored: [],
        oversize: [],
        turns: 0,
        listens: false,
        outcomes: [],
        woken: false,
        untidy: false,
      })),
    );
  }

  start(): void {
    this.running = true;
  }

  dispatch(): void {
    // Turns are given by whoever owns the attempt.
  }

  wakeSources(): void {
    // Likewise.
  }

  letDrop(epoch: number): void {
    for (const subtask of this.subtasks) Atomics.store(this.i32, this.word(subtask, ControlWord.completed), epoch);
  }

  async tell(): Promise<void> {
    // No operator listens.
  }

  word(subtask: ScheduledSubtask, word: number): number {
    return subtask.index * CONTROL_ROW_WORDS + word;
  }

  double(subtask: ScheduledSubtask, double: number): number {
    return this.f64[subtask.index * CONTROL_ROW_DOUBLES + double];
  }

  flags(): number {
    return 0;
  }

  isFinished(): boolean {
    return false;
  }

  backpressured(): boolean {
    return false;
  }
}
