/**
 * A job without threads: two operators with keyed state in two subtasks, and a sink, under the real checkpointing, on a disk that
 * can be crashed. What is written, published, linked, merged and deleted is so by the product's own code; only the state is a plain
 * map. Tasks are carried out in the order in which they were given, or in any, as by threads, and each can be held back.
 *
 * `World` is what outlives a process: the disk, and what each checkpoint should hold.
 */
import { expect } from 'vitest';
import { StateDigest } from '../../src/format/digest.ts';
import { hashKey } from '../../src/format/hash.ts';
import { hashRangeOf, keyGroupRange } from '../../src/format/key-groups.ts';
import { tablesOf, type TableRef } from '../../src/format/manifest.ts';
import type { SectionInfo } from '../../src/format/sorted-table/directory.ts';
import type { JobGraph } from '../../src/job/graph.ts';
import { Checkpointing } from '../../src/main/checkpointing.ts';
import { KnownCheckpoints } from '../../src/main/known-checkpoints.ts';
import type { CheckpointingEvents } from '../../src/main/checkpointing-options.ts';
import type { CheckpointSummary } from '../../src/main/handle.ts';
import type { RunningAttempt } from '../../src/main/running-attempt.ts';
import type { ScheduledSubtask } from '../../src/main/scheduled-subtask.ts';
import { checkRestored } from '../../src/main/state-totals.ts';
import { collectGarbage } from '../../src/snapshot/gc.ts';
import { ALL_HASHES, type HashRange, hashRangeOfSubtask } from '../../src/snapshot/hash-range.ts';
import { liveEntries } from '../../src/snapshot/merge.ts';
import {
  checkpointDirectory,
  isTemporaryDirectoryName,
  jobDirectory,
  sharedDirectory,
  tableName,
} from '../../src/snapshot/paths.ts';
import { isPublished, prepareJobDirectory } from '../../src/snapshot/publish.ts';
import { type Checkpoint, findCheckpointsOfJob, openCheckpoint, pathOfTable } from '../../src/snapshot/restore.ts';
import type { SavepointFormat } from '../../src/snapshot/savepoint.ts';
import { TableFile, withTables, writeTable } from '../../src/snapshot/table-file.ts';
import { collect, publish, savepoint } from '../../src/worker/file-tasks.ts';
import { merge } from '../../src/worker/merge-task.ts';
import { ControlWord, type PersistResult, type PersistTask, type RestoredTotal, type Task } from '../../src/worker/protocol.ts';
import { addTo, copyOf, info, memoryOf, sorted } from '../format/sorted-table/table-tools.ts';
import { randomFrom, SimFs } from '../snapshot/sim-fs.ts';

export const BASE = '/checkpoints';
export const SAVEPOINTS = '/savepoints';
/** Both operators call their state by the same name: what is kept apart only by the operator is mixed up else. */
export const UIDS = ['first', 'second'] as const;
const STATE_NAME = 'total';
const SUBTASKS = 2;
const MAX_PARALLELISM = 128;
const SINK_NODE = 2;
/** Of a part with sinks only. */
const NOTHING_WRITTEN: PersistResult = { table: null, states: [], changedEntries: 0, asyncMs: 0 };
const KEYS = 40;

/** Values by `uid/key`. */
export type State = ReadonlyMap<string, string>;

export interface LifeOptions {
  /** Checkpoint or savepoint to start from; absent: the newest of the job. */
  readonly from?: string;
  readonly jobId?: string;
  readonly retained?: number;
  readonly incremental?: boolean;
  readonly maxConcurrent?: number;
}

export class World {
  fs = new SimFs();
  readonly random: () => number;
  /** What each checkpoint and savepoint should hold, by its directory. */
  readonly expected = new Map<string, State>();
  /** Epochs whose output a sink has made visible. */
  readonly committed = new Set<number>();
  /** Epochs whose output its sink has made durable. */
  readonly persisted = new Set<number>();
  #change = 0;

  constructor(seed = 20260101) {
    this.random = randomFrom(seed);
    this.fs.makeDirectory(SAVEPOINTS);
    this.fs.makeDirectory(BASE);
    const root = this.fs.open('/', 'directory');
    this.fs.fsync(root);
    this.fs.close(root);
  }

  start(options: LifeOptions = {}): SimulatedJob {
    return new SimulatedJob(this, options);
  }

  /** The next change of a job's state: some keys get a value, one goes. */
  change(state: Map<string, string>, keys = KEYS / 4): void {
    const n = ++this.#change;
    for (const uid of UIDS) {
      for (let i = 0; i < keys; i++) state.set(`${uid}/key ${(n * 7 + i * 3) % KEYS}`, `${uid} ${n}`);
      state.delete(`${uid}/key ${(n * 11) % KEYS}`);
    }
  }

  /** The same world with another disk: what may be found after a power cut. */
  withDisk(fs: SimFs): World {
    const other = new World();
    other.fs = fs;
    for (const [path, state] of this.expected) other.expected.set(path, state);
    other.#change = this.#change + 1000;
    return other;
  }

  /** Power is cut: the disk has what was durable, and any of the rest. */
  cutPower(): void {
    this.fs = this.fs.crash(this.random);
  }

  checkpoints(jobDir: string): Checkpoint[] {
    return findCheckpointsOfJob(this.fs, jobDir).map(({ checkpoint, problem }) => {
      if (problem !== null) throw problem;
      return checkpoint;
    });
  }

  /** Every checkpoint that can be seen is whole, by the hash of each file, and holds what it should. */
  check(jobDir: string): void {
    for (const { directory } of this.checkpoints(jobDir)) this.checkOne(directory);
  }

  checkOne(path: string): void {
    const checkpoint = openCheckpoint(this.fs, path);
    for (const table of tablesOf(checkpoint.manifest).values())
      TableFile.open(this.fs, pathOfTable(checkpoint, table), table, true).close();
    const state = readState(this.fs, checkpoint);
    expect(state, path).toEqual(this.expected.get(path));
    const entries = checkpoint.manifest.operators.flatMap(({ keyedStates }) => keyedStates).reduce((n, s) => n + s.entries, 0);
    expect(entries, `entries of ${path}`).toBe(state.size);
  }

  /** Tables that no checkpoint names, temporary files, and directories that are half made or half gone. */
  orphans(jobDir: string): string[] {
    const named = new Set(this.checkpoints(jobDir).flatMap(({ manifest }) => [...tablesOf(manifest).keys()].map(tableName)));
    return [
      ...this.fs.list(sharedDirectory(jobDir)).filter((name) => !named.has(name)),
      ...this.fs.list(jobDir).filter(isTemporaryDirectoryName),
    ];
  }

  /** What a process does that finds the directory of a dead one. */
  sweep(jobDir: string): void {
    const retain = this.checkpoints(jobDir).map(({ manifest }) => manifest.checkpointId);
    expect(collectGarbage(this.fs, jobDir, { retain, inFlight: new Set(), sweep: true }).failures).toEqual([]);
  }

  /**
   * The rule of all these tests: whoever stops at the first restore misses most mistakes. Two more lives of three checkpoints each,
   * with a power cut after each, and then nothing is left over.
   */
  async goOn(options: LifeOptions = {}): Promise<void> {
    for (let life = 0; life < 2; life++) {
      const job = this.start(options);
      for (let i = 0; i < 3; i++) {
        this.change(job.state);
        await job.checkpoint();
        this.check(job.jobDir);
      }
      job.kill();
      this.cutPower();
      this.check(job.jobDir);
      this.sweep(job.jobDir);
      expect(this.orphans(job.jobDir)).toEqual([]);
      expect(this.checkpoints(job.jobDir)).toHaveLength(options.retained ?? 1);
    }
  }
}

interface GivenTask {
  readonly task: Task;
  readonly carryOut: () => void;
}

/** One process of the job, from its start to `kill`. */
export class SimulatedJob {
  readonly state: Map<string, string>;
  readonly jobDir: string;
  readonly notices: string[] = [];
  fatal: Error | null = null;
  /** The next parts are written whole, as when half of a state or more changed. */
  full: boolean;
  /** Of the tasks that wait, any one is next. */
  shuffled = false;
  /** Says of which tasks the work waits for `release`; they are in `held`. */
  hold: (task: Task) => boolean = () => false;
  readonly held: GivenTask[] = [];
  /** Throws instead of carrying out a task. */
  fail: (task: Task) => void = () => undefined;
  /** Before an epoch is committed. */
  beforeCommit: (epoch: number) => void = () => undefined;
  readonly #world: World;
  readonly #fs: SimFs;
  readonly #checkpointing: Checkpointing;
  /** State at each barrier. */
  readonly #epochs = new Map<number, State>();
  readonly #i32 = new Int32Array(SUBTASKS * 64);
  readonly #subtasks: readonly ScheduledSubtask[];
  #barrier: number;
  readonly #waiting: (() => void)[] = [];
  #dead = false;

  constructor(world: World, options: LifeOptions) {
    const { jobId = '0123456789abcdef0123456789abcdef', retained = 1, incremental = true, maxConcurrent = 1 } = options;
    this.#world = world;
    this.#fs = world.fs;
    this.full = !incremental;
    this.jobDir = jobDirectory(BASE, jobId);
    prepareJobDirectory(this.#fs, this.jobDir);
    const own = findCheckpointsOfJob(this.#fs, this.jobDir);
    const newest = own[0]?.checkpoint?.directory ?? options.from ?? null;
    const from = newest === null ? null : openCheckpoint(this.#fs, newest);
    this.state = new Map(from === null ? [] : readState(this.#fs, from));
    if (from !== null) expect(this.state, `restored from ${from.directory}`).toEqual(world.expected.get(from.directory));

    const firstEpoch = (from?.manifest.checkpointId ?? 0) + 1;
    this.#barrier = firstEpoch - 1;
    this.#epochs.set(this.#barrier, new Map(this.state));
    const stage = {
      id: 0,
      nodes: [0, 1, SINK_NODE],
      name: 'stage',
      parallelism: SUBTASKS,
      maxParallelism: MAX_PARALLELISM,
      firstSubtask: 0,
    };
    const restored = this.#restored(from);
    this.#subtasks = restored.map(
      (totals, index) =>
        ({ index, indexInStage: index, stage, source: false, states: UIDS.map(sectionOf), restored: totals }) as never,
    );
    const graph = graphOf();
    const attempt = {
      options: {
        graph,
        jobId,
        firstEpoch,
        plan: { stages: [stage], edges: [], subtaskCount: SUBTASKS },
        restore: from === null ? null : { subtasks: restored.map((_, subtask) => ({ tables: tablesFor(from, subtask) })) },
        tablePath: (hash: string) => pathOfTable(from as Checkpoint, { hash }),
      },
      restored,
      scheduler: {
        subtasks: this.#subtasks,
        i32: this.#i32,
        f64: new Float64Array(SUBTASKS * 64),
        word: (subtask: ScheduledSubtask, word: number) => subtask.index * 64 + word,
        dispatch: () => this.#dispatched(),
        wakeSources: () => undefined,
        letDrop: (epoch: number) => {
          for (const { index } of this.#subtasks) this.#i32[index * 64 + ControlWord.completed] = epoch;
        },
        tell: () => Promise.resolve(),
      },
      run: (task: Task) => this.#give(task),
    } as unknown as RunningAttempt;
    const coordinator = {
      intervalMs: null,
      backlogIntervalMs: null,
      timeoutMs: 60_000,
      minPauseMs: 0,
      maxConcurrent,
      tolerableFailures: 1000,
    };
    const events: CheckpointingEvents = {
      completed: () => undefined,
      saved: () => undefined,
      failed: () => undefined,
      collected: () => undefined,
      fatal: (error) => (this.fatal = error),
      notice: (text) => this.notices.push(text),
    };
    this.#checkpointing = new Checkpointing(
      attempt,
      graph,
      {
        fs: this.#fs,
        coordinator,
        incremental,
        jobDirectory: this.jobDir,
        retained,
        config: {},
        retainedBefore: own.map(({ checkpointId }) => checkpointId),
        known: new KnownCheckpoints(firstEpoch - 1, (manifest) => isPublished(this.#fs, this.jobDir, manifest)),
        countersBefore: {},
        parent: from === null ? null : { jobId: from.manifest.jobId, checkpointId: from.manifest.checkpointId },
      },
      events,
    );
  }

  /** Newest barrier up to which the state maps have been told to drop old versions; the same for all subtasks. */
  get completedWord(): number {
    const [first, ...others] = this.#subtasks.map(({ index }) => this.#i32[index * 64 + ControlWord.completed]);
    for (const other of others) expect(other).toBe(first);
    return first;
  }

  /** Takes a checkpoint and lets everything that follows from it happen. */
  async checkpoint(): Promise<CheckpointSummary> {
    return this.#finished(this.begin());
  }

  /** Begins one whose tasks may be held back. */
  begin(): Promise<CheckpointSummary> {
    return this.#checkpointing.request('manual');
  }

  async savepoint(format: SavepointFormat): Promise<CheckpointSummary> {
    return this.#finished(this.#checkpointing.request('savepoint', { target: SAVEPOINTS, format }));
  }

  /** Carries out what is held back, in order. */
  async release(which: (task: Task) => boolean = () => true): Promise<void> {
    for (const given of this.held.filter(({ task }) => which(task))) {
      this.held.splice(this.held.indexOf(given), 1);
      given.carryOut();
    }
    await this.idle();
  }

  /** Until nothing happens any more. */
  async idle(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0);
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** The process is gone: nothing that it had begun goes on, except what is carried out by hand. */
  kill(): void {
    this.#dead = true;
    this.#checkpointing.stop().catch(() => undefined);
  }

  async #finished(request: Promise<CheckpointSummary>): Promise<CheckpointSummary> {
    try {
      return await request;
    } finally {
      await this.idle();
    }
  }

  /** Barriers pass at once: the state of this moment is that of the epoch. */
  #dispatched(): void {
    const triggered = this.#i32[ControlWord.triggered];
    if (triggered <= this.#barrier) return;
    this.#barrier = triggered;
    this.#epochs.set(triggered, new Map(this.state));
    queueMicrotask(() => {
      for (const subtask of this.#subtasks) {
        this.#checkpointing.synced(subtask, {
          checkpointId: triggered,
          full: this.full,
          syncMs: 0,
          alignmentMs: 0,
          startDelayMs: 0,
          operatorState: {},
          committables: subtask.index === 0 ? [{ node: SINK_NODE, values: [triggered] }] : [],
          finished: false,
          liveBytes: 0,
          recordsIn: 0,
          malformed: 0,
        });
      }
    });
  }

  #give(task: Task): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const carryOut = (): void => {
        this.#waiting.push(() => {
          try {
            resolve(this.#perform(task));
          } catch (error) {
            reject(error);
          }
        });
        setImmediate(() => this.#next());
      };
      if (this.#dead) return;
      if (this.hold(task)) this.held.push({ task, carryOut });
      else carryOut();
    });
  }

  #next(): void {
    const at = this.shuffled ? Math.floor(this.#world.random() * this.#waiting.length) : 0;
    const [task] = this.#waiting.splice(at, 1);
    task();
  }

  #perform(task: Task): unknown {
    this.fail(task);
    switch (task.op) {
      case 'persist': {
        const result = task.directory === null ? NOTHING_WRITTEN : this.#persist(task);
        for (const { values } of task.committables) for (const epoch of values) this.#world.persisted.add(epoch as number);
        return result;
      }
      case 'merge':
        return merge(this.#fs, task, 'none');
      case 'publish':
        // Before: whether it exists is not known when the last step of publication fails.
        this.#expect((id) => checkpointDirectory(task.jobDirectory, id), task.manifest);
        return publish(this.#fs, task);
      case 'savepoint':
        this.#expect(() => `${task.target}/${task.name}`, task.manifest);
        return savepoint(this.#fs, task, 'none');
      case 'gc':
        return collect(this.#fs, task);
      case 'commit':
        for (const epoch of task.committables as number[]) {
          this.beforeCommit(epoch);
          expect(this.#world.persisted, `epoch ${epoch} is committed`).toContain(epoch);
          this.#world.committed.add(epoch);
        }
        return null;
      default:
        throw new Error(`no such task here: ${task.op}`);
    }
  }

  #expect(path: (checkpointId: number) => string, manifest: string): void {
    const { checkpointId } = JSON.parse(manifest) as { checkpointId: number };
    this.#world.expected.set(path(checkpointId), this.#epochs.get(checkpointId) as State);
  }

  #persist({ subtask, checkpointId, after, directory }: PersistTask): PersistResult {
    const [old, now] = [after === -1 ? new Map<string, string>() : this.#epochs.get(after), this.#epochs.get(checkpointId)].map(
      (state) => partOf(state as State, subtask),
    );
    const states: PersistResult['states'][number][] = [];
    const table: TableRef | null = writeTable(
      this.#fs,
      directory as string,
      { compression: 'none', createdBy: checkpointId },
      (writer) => {
        for (const uid of UIDS) {
          const [before, current] = [old, now].map((state) => new Map([...state].filter(([key]) => key.startsWith(`${uid}/`))));
          const digest = new StateDigest();
          for (const [key, value] of current) digest.add(...entryOf(key, value));
          for (const [key, value] of before) digest.subtract(...entryOf(key, value));
          states.push({ uid, name: STATE_NAME, digestChange: digest.toHex(), entriesChange: current.size - before.size });
          const changed = [...new Set([...before.keys(), ...current.keys()])].filter(
            (key) => before.get(key) !== current.get(key),
          );
          if (changed.length === 0) continue;
          writer.beginSection(sectionOf(uid));
          const entries = changed.map((key) => {
            const value = current.get(key);
            const bytes = keyBytes(key);
            return { hash: hashOf(bytes), key: bytes, value: value === undefined ? null : Buffer.from(value) };
          });
          for (const entry of sorted(entries)) addTo(writer, entry);
        }
      },
    );
    return { table, states, changedEntries: table?.entries ?? 0, asyncMs: 0 };
  }

  /** As the subtasks report it; compared with the manifest as every attempt does. */
  #restored(from: Checkpoint | null): RestoredTotal[][] {
    if (from === null) return Array.from({ length: SUBTASKS }, () => []);
    const totals = Array.from({ length: SUBTASKS }, (_, subtask) =>
      UIDS.map((uid) => {
        const digest = new StateDigest();
        const entries = [...partOf(this.state, subtask)].filter(([key]) => key.startsWith(`${uid}/`));
        for (const [key, value] of entries) digest.add(...entryOf(key, value));
        return { uid, name: STATE_NAME, entries: entries.length, digest: digest.toHex() };
      }),
    );
    const { operators, checkpointId } = from.manifest;
    const recorded = new Map(operators.flatMap(({ uid, keyedStates }) => keyedStates.map((s) => [`${uid}/${s.name}`, s])));
    checkRestored(recorded, totals, checkpointId);
    return totals;
  }
}

export function readState(fs: SimFs, checkpoint: Checkpoint): Map<string, string> {
  const state = new Map<string, string>();
  for (const subtask of checkpoint.manifest.stages.flatMap((stage) => stage.subtasks)) {
    const tables = subtask.tables.map((table) => ({ table, path: pathOfTable(checkpoint, table) }));
    withTables(fs, tables, (readers) => {
      for (const uid of UIDS) {
        const cursor = liveEntries(readers, uid, STATE_NAME, ALL_HASHES);
        for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
          const { key, value } = copyOf(entry);
          state.set(`${uid}/${Buffer.from(key).toString()}`, Buffer.from(value!).toString());
        }
      }
    });
  }
  return state;
}

function sectionOf(uid: string): SectionInfo {
  return info(uid, STATE_NAME);
}

/** The key itself: both operators have the same ones. */
function keyBytes(key: string): Buffer {
  return Buffer.from(key.slice(key.indexOf('/') + 1));
}

function hashOf(key: Buffer): number {
  return hashKey(memoryOf(key), 0, key.length);
}

function rangeOf(subtask: number): HashRange {
  return hashRangeOf(keyGroupRange(subtask, MAX_PARALLELISM, SUBTASKS), MAX_PARALLELISM);
}

/** What a subtask starts from: the tables of all former ones, each for the hashes that both have. */
function tablesFor({ manifest }: Checkpoint, subtask: number): TableRef[] {
  const own = rangeOf(subtask);
  return manifest.stages.flatMap((stage) =>
    stage.subtasks.flatMap((former) => {
      const range = hashRangeOfSubtask(stage, former);
      const [first, last] = [Math.max(own.first, range.first), Math.min(own.last, range.last)];
      return first > last ? [] : former.tables.map((table) => ({ ...table, clip: [first, last] as const }));
    }),
  );
}

function partOf(state: State, subtask: number): State {
  const { first, last } = rangeOf(subtask);
  return new Map([...state].filter(([key]) => hashOf(keyBytes(key)) >= first && hashOf(keyBytes(key)) <= last));
}

function entryOf(key: string, value: string): Parameters<StateDigest['add']> {
  const [keyOnly, valueBytes] = [keyBytes(key), Buffer.from(value)];
  return [memoryOf(keyOnly), 0, keyOnly.length, memoryOf(valueBytes), 0, valueBytes.length];
}

function graphOf(): JobGraph {
  const nodes = [
    ...UIDS.map((uid, id) => ({ id, uid, name: uid, kind: 'process', keyed: true })),
    { id: SINK_NODE, uid: 'sink', name: 'sink', kind: 'sink', sink: { kind: 'custom' } },
  ];
  return { name: 'simulated', nodes, config: {} } as unknown as JobGraph;
}
