/**
 * Sinks: where records leave. An exactly-once sink works in two phases: at a barrier it prepares what it has written in
 * the epoch (a committable, recorded in the manifest), and when the checkpoint is complete the committable is committed.
 * After a restore the committables of the checkpoint are committed again, so `commit` must be idempotent.
 */
import type { JsonValue } from '../format/json.ts';
import type { Schema } from '../format/schema.ts';
import type { CheckpointOutcome } from './checkpoint-outcome.ts';

/**
 * A two-phase sink that a user writes. The order of calls of one subtask, between two barriers:
 * `write`* then `prepare` (at the barrier) then `persist` (in the background, before the manifest) then, once the
 * checkpoint is complete, `commit`. An aborted checkpoint commits nothing: its committables are carried into the next.
 */
export interface Sink<T> {
  readonly name: string;
  /**
   * Called once per start, before any writer opens, with the committables of the checkpoint that is restored: commits them, and discards
   * what was never part of a checkpoint. Absent: each of them is committed.
   */
  recover?(committables: readonly JsonValue[], context: SinkContext): void | Promise<void>;
  /** Opens a writer for one subtask. */
  open(context: SinkContext): SinkWriter<T> | Promise<SinkWriter<T>>;
  /**
   * Makes prepared data durable (fsync), in the background. Must not touch the writer. When it failed, or its checkpoint was aborted, it
   * may be called again for the same committable before that is committed with a later checkpoint; also beside a call that has not ended.
   */
  persist?(committable: JsonValue, context: SinkContext): void | Promise<void>;
  /** Makes prepared data visible. Idempotent: it may be called again after a crash, also when it had succeeded. */
  commit(committable: JsonValue, context: SinkContext): void | Promise<void>;
}

export interface SinkContext {
  readonly jobId: string;
  readonly jobName: string;
  readonly uid: string;
  /** That writes, or that prepared what is persisted or committed; -1 at a start, when what all had prepared is recovered. */
  readonly subtask: number;
  readonly parallelism: number;
  readonly attempt: number;
}

export interface SinkWriter<T> {
  write(value: T, timestampMs: number): void;
  /** End of a turn: hand buffered bytes to the operating system if that bounds memory. */
  flush?(): void | Promise<void>;
  /**
   * Barrier of checkpoint `checkpointId`: everything written so far belongs to it, everything later does not. Returns a
   * committable, or `null` when nothing was written. Must be quick (no fsync): processing stands still.
   */
  prepare(checkpointId: number): JsonValue | null | Promise<JsonValue | null>;
  /**
   * Called once for each checkpoint that was prepared, when it is complete and committed, or was aborted: then its committable goes
   * into the next one. Not for savepoints on the way.
   */
  onCheckpoint?(outcome: CheckpointOutcome): void;
  /** The job has finished or was stopped. Not called when it is cancelled or fails: its threads are ended then. */
  close(): void | Promise<void>;
}

/** Files; in-progress parts are invisible, a completed checkpoint makes them visible under their final name. */
export interface FileSinkSpec {
  readonly kind: 'files';
  readonly format: 'lines' | 'jsonl' | 'csv';
  readonly directory: string;
  readonly schema: Schema | null;
  readonly csv: { readonly delimiter: string; readonly header: boolean } | undefined;
  /** A part is closed when it is larger, also in the middle of an epoch. */
  readonly maxPartBytes: number;
}

/** To the handle's `collected` array: exactly the records of completed checkpoints, then those of the end. */
export interface CollectSinkSpec {
  readonly kind: 'collect';
}
/** To standard output, a line a record; at least once. */
export interface PrintSinkSpec {
  readonly kind: 'print';
}
/** Calls a function for each record, in the worker; at least once. */
export interface ForEachSinkSpec {
  readonly kind: 'forEach';
  readonly fn: (value: never) => void;
}
/** Counts and drops: for benchmarks. */
export interface DiscardSinkSpec {
  readonly kind: 'discard';
}
export interface CustomSinkSpec {
  readonly kind: 'custom';
  readonly sink: Sink<never>;
}

export type SinkSpec = FileSinkSpec | CollectSinkSpec | PrintSinkSpec | ForEachSinkSpec | DiscardSinkSpec | CustomSinkSpec;
