/**
 * What the main thread and the workers agree on: the layout of the shared control block and channels, and the shapes
 * of tasks and results. It is the only file of this folder that the main thread may import.
 *
 * Control block: one row of 256 bytes per subtask, so that different writers never share a cache line.
 *
 * | word (i32) | field            | written by | meaning                                                           |
 * |-----------:|------------------|------------|-------------------------------------------------------------------|
 * |          0 | epoch            | turn       | epoch the subtask is in; barrier n ends epoch n                   |
 * |          1 | flags            | turn       | SubtaskFlag bits as the last turn left them                       |
 * |          2 | inTurn           | turn       | InTurn: what a worker that died or hangs was doing                |
 * |          3 | sinkCall         | turn       | method of a sink that runs: `encodeSinkCall`; 0 none              |
 * |         16 | triggered        | main       | newest checkpoint triggered; sources flip when it is >= epoch     |
 * |         17 | stopAfter        | main       | sources read nothing after the barrier of this checkpoint; 0 none |
 * |         18 | completed        | main       | newest completed barrier that no delta being written goes back of |
 * |         19 | cancelled        | main       | 1: the attempt is over, return at once                            |
 * |         20 | drain            | main       | 1: sources take what they have read as the end of their input     |
 * |         21 | wanted           | main       | 1: the turn is to end soon, the next one brings something         |
 *
 * | double     | field            | written by | meaning                                                           |
 * |-----------:|------------------|------------|-------------------------------------------------------------------|
 * |         16 | recordsIn        | turn       | records taken from inputs (sources: emitted by the reader)        |
 * |         17 | recordsOut       | turn       | records emitted to outputs or written to sinks                    |
 * |         18 | busyMs           | turn       | time spent in turns                                               |
 * |         19 | nsPerRecord      | turn       | moving average of the cost of one input record, ns                |
 * |         20 | wakeAtMs         | turn       | performance.timeOrigin-based ms at which a waiting source is due  |
 * |         21 | stateEntries     | turn       | live entries of all keyed states                                  |
 * |         22 | stateBytes       | turn       | bytes of log memory in use by them                                |
 * |         23 | watermarkMs      | turn       | event time                                                        |
 * |         24 | malformed        | turn       | input records that could not be decoded                           |
 * |         25 | progress         | turn       | share of the splits taken so far that is read, in splits          |
 * |         27 | turns            | turn       | turns so far                                                      |
 * |         12 | triggeredAtMs    | main       | when the newest checkpoint was triggered, ms since 1970           |
 *
 * All turns of a subtask are on one thread, one after another; a turn's result reaches the main thread as a message, which is a
 * happens-before edge. Words that main reads while a turn runs are read with Atomics.
 */
import type { EncodedError } from '../format/errors.ts';
import type { JsonValue } from '../format/json.ts';
import type { Manifest, TableRef } from '../format/manifest.ts';
import type { Compression } from '../format/sorted-table/compression.ts';
import type { Schema } from '../format/schema.ts';
import type { CheckpointOutcome } from '../job/checkpoint-outcome.ts';
import type { Position, Split } from '../job/source.ts';
import type { StateMapHandles } from './state/state-map.ts';

export const CONTROL_ROW_BYTES = 256;
export const CONTROL_ROW_WORDS = CONTROL_ROW_BYTES / 4;
export const CONTROL_ROW_DOUBLES = CONTROL_ROW_BYTES / 8;

export const ControlWord = {
  epoch: 0,
  flags: 1,
  inTurn: 2,
  sinkCall: 3,
  triggered: 16,
  stopAfter: 17,
  completed: 18,
  cancelled: 19,
  drain: 20,
  wanted: 21,
} as const;
export const ControlDouble = {
  recordsIn: 16,
  recordsOut: 17,
  busyMs: 18,
  nsPerRecord: 19,
  wakeAtMs: 20,
  stateEntries: 21,
  stateBytes: 22,
  watermarkMs: 23,
  malformed: 24,
  progress: 25,
  turns: 27,
  triggeredAtMs: 12,
} as const;

/** Values of `ControlWord.inTurn`. */
export const InTurn = {
  no: 0,
  yes: 1,
  /** At the barrier that ends its epoch: operators and sinks take their part of the checkpoint. */
  atBarrier: 2,
} as const;

/** Methods of a sink's writer that may keep a subtask waiting; `write`, which is called for each record, is not noted. */
export const SINK_METHODS = ['prepare', 'flush', 'onCheckpoint', 'close'] as const;

export interface SinkCall {
  /** Node id of the sink. */
  readonly node: number;
  readonly method: (typeof SINK_METHODS)[number];
}

export function encodeSinkCall({ node, method }: SinkCall): number {
  return node * SINK_METHODS.length + SINK_METHODS.indexOf(method) + 1;
}

/** @param word  `ControlWord.sinkCall` */
export function decodeSinkCall(word: number): SinkCall | null {
  if (word === 0) return null;
  const at = word - 1;
  return { node: Math.floor(at / SINK_METHODS.length), method: SINK_METHODS[at % SINK_METHODS.length] };
}

/**
 * Records in and out of each operator: a row per subtask, and in it two doubles per node of its stage, in the order of
 * `StagePlan.nodes`. Written at the end of a turn, read by the main thread for the progress display. A source has what it
 * emitted, and a sink what it wrote, in both.
 */
export const OPERATOR_DOUBLES = 2;

/** Doubles of a row: whole cache lines, since each row has a writer of its own. */
export function operatorRowDoubles(plan: JobPlan): number {
  return Math.ceil((OPERATOR_DOUBLES * Math.max(...plan.stages.map(({ nodes }) => nodes.length))) / 8) * 8;
}

export const SubtaskFlag = {
  /** It could go on at once: the turn ended because its time was used. */
  more: 1,
  /** Nothing more will be emitted; it still takes part in checkpoints. */
  finished: 2,
  /** All input has ended, results of the end are being emitted. */
  ending: 8,
  /** A source that waits: due at `wakeAtMs`. */
  waiting: 16,
  /** A source that reads a backlog. */
  backlog: 32,
  /** Its state has memory to give back, for which the turn had no time. */
  untidy: 64,
} as const;

/**
 * A channel: a ring of slots with one producer and one consumer subtask. All channels of an edge lie in one buffer.
 *
 * | word (i32) | field         | written by | meaning                                                          |
 * |-----------:|---------------|------------|------------------------------------------------------------------|
 * |          0 | head          | producer   | slots published so far, modulo 2^32; stored with release         |
 * |          1 | pending       | producer   | slots that wait in the producer's heap for room                  |
 * |         16 | tail          | consumer   | slots consumed so far; stored with release                       |
 * |         17 | readOffset    | consumer   | bytes of the current slot's data consumed                        |
 * |         18 | readFrames    | consumer   | frames of the current slot consumed                              |
 * |         19 | consumerEpoch | consumer   | epoch the channel is in, from the consumer's view                |
 * |         20 | ended         | consumer   | 1 once the end was read                                          |
 *
 * Slot: 32 bytes of header, then data.
 *
 * | offset | size | type | field      | meaning                                                            |
 * |-------:|-----:|------|------------|--------------------------------------------------------------------|
 * |      0 |    4 | u32  | kind       | SlotKind                                                           |
 * |      4 |    4 | u32  | frames     | rows in the slot                                                   |
 * |      8 |    4 | u32  | bytes      | bytes of data                                                      |
 * |     12 |    4 | u32  | epoch      | epoch of the rows; for a barrier the epoch that it ends            |
 * |     16 |    8 | f64  | watermark  | no later row of this channel has an earlier event time (ms)        |
 * |     24 |    8 | -    | reserved   | 0                                                                  |
 */
export const CHANNEL_HEADER_BYTES = 256;
export const SLOT_HEADER_BYTES = 32;
export const ChannelWord = {
  head: 0,
  pending: 1,
  tail: 16,
  readOffset: 17,
  readFrames: 18,
  consumerEpoch: 19,
  ended: 20,
} as const;

export const SlotKind = {
  rows: 1,
  barrier: 2,
  end: 3,
  /** One row that is larger than a slot: it travels in a buffer of its own, see `OversizeRow`. */
  oversize: 4,
} as const;

/** Geometry of the channels of one edge. */
export interface ChannelLayout {
  readonly slots: number;
  /** Bytes of one slot with its header, a multiple of 64. */
  readonly slotBytes: number;
}

export function channelBytes(layout: ChannelLayout): number {
  return CHANNEL_HEADER_BYTES + layout.slots * layout.slotBytes;
}

/** Channels between `producers` and `consumers`: all pairs, or one per pair of equal index for a forward edge. */
export function channelIndex(forward: boolean, producer: number, consumer: number, consumers: number): number {
  return forward ? producer : producer * consumers + consumer;
}

export type ExchangeKind = 'forward' | 'hash' | 'rebalance';

/** A stage: operators that run in one call chain. */
export interface StagePlan {
  readonly id: number;
  /** Node ids, in order. The first may be a source, the last a sink. */
  readonly nodes: readonly number[];
  readonly name: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Index of the stage's first subtask in the control block. */
  readonly firstSubtask: number;
}

export interface EdgePlan {
  readonly id: number;
  readonly from: number;
  readonly to: number;
  readonly kind: ExchangeKind;
  /** Direct input of the consumer: its schema is that of the rows that travel, unless they are combined. */
  readonly schemaNode: number;
  /** The `keyBy` node of a hash edge, else -1. */
  readonly keyNode: number;
  /** The aggregate that is combined locally before the edge, else -1. */
  readonly combineNode: number;
  readonly layout: ChannelLayout;
}

/** The physical plan: what every worker needs beside the job module. */
export interface JobPlan {
  readonly stages: readonly StagePlan[];
  readonly edges: readonly EdgePlan[];
  readonly subtaskCount: number;
}

export interface WorkerSettings {
  /** Longest time, as measured, that the rows of one slot may take downstream. */
  readonly batchBudgetMs: number;
  readonly stateLimitBytes: number;
  readonly compression: Compression;
  /** Checkpoints write what changed; otherwise the whole state each time. */
  readonly incremental: boolean;
}

/** Far more than live at once: two threads with one slot would only make the end of an attempt wait for nothing. */
export const LOADED_THREADS = 1024;

export function loadedSlotOf(threadId: number): number {
  return threadId % LOADED_THREADS;
}

/** `workerData` of every worker: one attempt of one job. */
export interface Deployment {
  readonly jobFile: string;
  readonly jobArgs: readonly string[];
  readonly jobId: string;
  readonly jobName: string;
  readonly attempt: number;
  readonly plan: JobPlan;
  readonly settings: WorkerSettings;
  readonly control: SharedArrayBuffer;
  /** One i32 for each of `LOADED_THREADS`, by `loadedSlotOf`: id of the thread that has evaluated its modules, the job's included. */
  readonly loadedThreads: SharedArrayBuffer;
  /** See `OPERATOR_DOUBLES`. */
  readonly operatorCounters: SharedArrayBuffer;
  /** By edge id. */
  readonly channels: readonly SharedArrayBuffer[];
  /** By stage id: cursor of the split queue (one i32), for stages that begin with a source. */
  readonly splitCursors: readonly (SharedArrayBuffer | null)[];
}

/** One keyed state of an open subtask. */
export interface OpenState {
  readonly uid: string;
  readonly name: string;
  readonly kind: string;
  readonly keyType: string;
  /** Of the keys of a map state, and of values; null where the general codec is used. */
  readonly keySchema: Schema | null;
  readonly schema: Schema | null;
  readonly composite: boolean;
  readonly handles: StateMapHandles;
}

/** A split in the queue of a source. */
export interface QueuedSplit {
  readonly split: Split;
  readonly position: Position;
}

/** What a subtask starts from. */
export interface SubtaskRestore {
  readonly epoch: number;
  /** Operator state: uid -> state name -> values. */
  readonly operatorState: Readonly<Record<string, Readonly<Record<string, readonly JsonValue[]>>>>;
  /** Tables with absolute paths, in groups that do not overlap; newest first within a group. */
  readonly tables: readonly RestoreTable[];
  /** The first checkpoint writes all state anew: the tables hold state that the job does not have any more. */
  readonly rewrite: boolean;
}

export interface RestoreTable {
  readonly path: string;
  readonly table: TableRef;
}

export interface OversizeRow {
  readonly edge: number;
  readonly channel: number;
  /** The slot's number: value of `head` before it was published. */
  readonly sequence: number;
  readonly bytes: SharedArrayBuffer;
}

export type Task =
  | { readonly op: 'ready' }
  | {
      readonly op: 'turn';
      readonly subtask: number;
      readonly budgetMs: number;
      /** There was nothing else to do on the worker than to give memory back. */
      readonly tidying: boolean;
      readonly oversize: readonly OversizeRow[] | null;
      /** What its operators have not been told yet. */
      readonly outcomes: readonly CheckpointOutcome[] | null;
    }
  | { readonly op: 'enumerate'; readonly stage: number; readonly taken: readonly string[] }
  | {
      readonly op: 'open';
      readonly subtask: number;
      readonly restore: SubtaskRestore;
      readonly splits: readonly QueuedSplit[] | null;
      /** Splits that were read to their end before the checkpoint. */
      readonly fixedSplits: boolean;
    }
  | PersistTask
  | MergeTask
  | PublishTask
  | SavepointTask
  | CollectGarbageTask
  | CommitTask
  | { readonly op: 'recover'; readonly node: number; readonly committables: readonly JsonValue[] }
  /** The job has come to its end: closes the subtasks of the worker. */
  | { readonly op: 'close' };

/** The asynchronous part of a checkpoint for one subtask. */
export interface PersistTask {
  readonly op: 'persist';
  readonly subtask: number;
  readonly checkpointId: number;
  /** Newest checkpoint whose tables hold the older part of the state; -1 writes a full snapshot. */
  readonly after: number;
  /** Kind of the pins that the turn set: `SyncSnapshot.full`. */
  readonly full: boolean;
  /** Directory for new tables; null: nothing is written (no checkpoint directory), sinks only. */
  readonly directory: string | null;
  readonly states: readonly OpenState[];
  readonly committables: readonly { readonly node: number; readonly values: readonly JsonValue[] }[];
  /** One word: the number of the sink's call that runs, from 1 in the order of `committables`; 0 none. */
  readonly calls?: SharedArrayBuffer;
}

/** The second phase of a sink, in the background. */
export interface CommitTask {
  readonly op: 'commit';
  /** Node id of the sink. */
  readonly node: number;
  readonly committables: readonly JsonValue[];
  /** Index in its stage of the subtask that prepared each of them. */
  readonly subtasks: readonly number[];
  /** As in `PersistTask`. */
  readonly calls?: SharedArrayBuffer;
}

/** Merges tables of one subtask, newest first, each clipped as named, into one. */
export interface MergeTask {
  readonly op: 'merge';
  readonly tables: readonly RestoreTable[];
  readonly directory: string;
  /** The oldest table is among them: a tombstone then shadows nothing. */
  readonly dropTombstones: boolean;
  /** `createdBy` of the merged table: that of the newest. */
  readonly checkpointId: number;
}

/** Makes a checkpoint complete: the manifest becomes durable under its final name. */
export interface PublishTask {
  readonly op: 'publish';
  /** Directory of the job's checkpoints. */
  readonly jobDirectory: string;
  /** The manifest as JSON. */
  readonly manifest: string;
  /** Tables of the restored checkpoint that the first checkpoint takes over: linked into the job's own directory. */
  readonly linkIn: readonly RestoreTable[];
  /** Highest checkpoint number that the process knows of: `publishCheckpoint`. */
  readonly known: number;
}

export interface PublishResult {
  /** Directory of the published checkpoint. */
  readonly path: string;
}

/** Writes a savepoint with the content of one barrier. */
export interface SavepointTask {
  readonly op: 'savepoint';
  /** Where it is noted as being written; null where the job has no directory. */
  readonly jobDirectory: string | null;
  /** Directory of savepoints. */
  readonly target: string;
  readonly name: string;
  readonly format: 'canonical' | 'native';
  /** The manifest of the checkpoint as JSON. */
  readonly manifest: string;
  /** Its tables, each once. */
  readonly tables: readonly RestoreTable[];
}

export interface SavepointResult {
  /** Directory of the savepoint. */
  readonly path: string;
  readonly sizes: Manifest['sizes'];
}

/** Deletes checkpoints that are not retained, and tables that no retained one names. */
export interface CollectGarbageTask {
  readonly op: 'gc';
  readonly jobDirectory: string;
  /** Numbers of the checkpoints to keep. */
  readonly retain: readonly number[];
  /** Hashes of tables that are written but not yet named by a manifest. */
  readonly inFlight: readonly string[];
  /** Hashes of tables that were written for what did not come to be. */
  readonly abandoned: readonly string[];
}

export interface CollectGarbageResult {
  /** What could not be deleted, and is left for the next collection. */
  readonly failures: number;
  /** Hashes of the tables that it chose to delete when it began: whichever of them was written meanwhile may be gone. */
  readonly chosen: readonly string[];
}

export interface PersistResult {
  readonly table: TableRef | null;
  readonly states: readonly {
    readonly uid: string;
    readonly name: string;
    readonly digestChange: string;
    readonly entriesChange: number;
  }[];
  readonly changedEntries: number;
  readonly asyncMs: number;
}

export interface MergeResult {
  /** null when nothing is left: every entry was deleted. */
  readonly table: TableRef | null;
}

/** Synchronous part of a checkpoint, as the turn that flipped reports it. */
export interface SyncSnapshot {
  readonly checkpointId: number;
  /** The states were pinned for a full snapshot: the part must not be written as a delta only because one would do. */
  readonly full: boolean;
  readonly syncMs: number;
  readonly alignmentMs: number;
  readonly startDelayMs: number;
  readonly operatorState: Readonly<Record<string, Readonly<Record<string, readonly JsonValue[]>>>>;
  readonly committables: readonly { readonly node: number; readonly values: readonly JsonValue[] }[];
  readonly finished: boolean;
  readonly liveBytes: number;
  /** Counters as of the barrier, since the attempt began. */
  readonly recordsIn: number;
  readonly malformed: number;
}

/** Result of a turn where the control block does not say it all. The usual turn returns `undefined`. */
export interface TurnResult {
  /** Barriers that the turn passed, in order. */
  readonly snapshots?: readonly SyncSnapshot[];
  readonly error?: EncodedError;
  readonly oversize?: readonly OversizeRow[];
  readonly printed?: string;
}

export interface OpenResult {
  readonly states: readonly OpenState[];
  readonly restored: readonly RestoredTotal[];
}

/** What of one state was restored into one subtask. */
export interface RestoredTotal {
  readonly uid: string;
  readonly name: string;
  readonly entries: number;
  /** Hex; null when the values were rewritten for a schema that changed: the next checkpoint writes them all. */
  readonly digest: string | null;
}

/** Results of tasks that may fail: errors are encoded, since structured clone strips class, code and fields. */
export type Outcome<T> = { readonly ok: T } | { readonly error: EncodedError };
