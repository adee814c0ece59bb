/**
 * Sources: where records enter. A source has splits (units of reading, each read by one subtask at a time) and a
 * position in each, which is all that a checkpoint keeps of it; so a source must be able to read a split again from any
 * position that it reported.
 */
import type { JsonValue } from '../format/json.ts';
import type { Schema } from '../format/schema.ts';
import type { SinkSpec } from './sink.ts';
import type { AnyType, Type } from './types.ts';

/** A unit of reading. `id` is unique in the source and stable over restarts; `data` says what to read. */
export interface Split {
  readonly id: string;
  readonly data: JsonValue;
}

/** Where reading goes on: any JSON value. `null` is the beginning. */
export type Position = JsonValue;

/**
 * A source that a user writes.
 *
 * @example docs/sources-and-sinks.md, "A source of your own"
 */
export interface Source<T> {
  /** Name for messages and metrics. */
  readonly name: string;
  /** Does it end? A job with only bounded sources finishes. */
  readonly bounded: boolean;
  /** Type of its records, as `t.record({ n: t.int })`, or the schema of one; without it they travel in the general codec. */
  readonly schema?: Type<T> | AnyType<T> | Schema | undefined;
  /**
   * All splits, in the order in which they should be read. Called once per start of the job, in a worker. Splits of a
   * bounded source are handed out one after another to whichever subtask is free; those of an unbounded one are dealt
   * out once, split i to subtask i modulo the parallelism.
   */
  splits(context: SourceContext): readonly Split[] | Promise<readonly Split[]>;
  /** Opens a split at a position that a reader of this source reported earlier, or at its beginning (`null`). */
  open(split: Split, position: Position, context: SourceContext): SplitReader<T> | Promise<SplitReader<T>>;
}

export interface SourceContext {
  readonly parallelism: number;
  readonly subtask: number;
  /** Job arguments: what follows the job file on the command line. */
  readonly args: readonly string[];
}

/** Reads one split. Used by one thread at a time; may be closed and opened again elsewhere at `position()`. */
export interface SplitReader<T> {
  /**
   * Emits up to `limit` records. Synchronous or a promise. Returns:
   * - `'more'`: there may be more at once; call again
   * - `'end'`: the split is read to its end
   * - a number: nothing now; ask again after so many milliseconds
   * It may emit fewer than `limit`, and must return after about a millisecond of work or when `out.full` is true.
   */
  read(limit: number, out: RecordOutput<T>): ReadResult | Promise<ReadResult>;
  /** Position after the last emitted record: reading from there emits exactly the records that follow. Cheap. */
  position(): Position;
  /** For messages: "file:line" or the like of the record last emitted. */
  location?(): string;
  /** Share of the split that is read, 0 to 1, where it is known. */
  progress?(): number;
  /**
   * Is what it reads now a backlog: old input that it catches up with? While a reader of any source says so, periodic checkpoints come as
   * `execution.checkpointing.interval-during-backlog` says. Asked after each turn, so cheap.
   */
  backlog?(): boolean;
  /** The split has been read, or the job was stopped. Not called when the job is cancelled or fails: its threads are ended then. */
  close(): void | Promise<void>;
}

export type ReadResult = 'more' | 'end' | number;

export interface RecordOutput<T> {
  /** @param timestampMs  event time of the record, in ms since 1970; -Infinity or absent when it has none */
  emit(value: T, timestampMs?: number): void;
  /** True once `limit` records were emitted or downstream has no room: return from `read` soon. */
  readonly full: boolean;
  /**
   * Reports an input record that cannot be decoded. What happens is the source's `onError`: the job fails, the record is
   * skipped and counted, or it goes to the dead-letter sink.
   * @param where  "file:line"
   */
  malformed(raw: string, reason: string, where: string): void;
}

/** What to do with an input record that cannot be decoded. */
export type OnError = 'fail' | 'skip' | { readonly deadLetter: SinkSpec };

/** A record as the dead-letter sink gets it. */
export interface MalformedRecord {
  readonly raw: string;
  readonly reason: string;
  readonly where: string;
}

/** Files, line by line or record by record; built in, read by `worker/connectors/file-source.ts`. */
export interface FileSourceSpec {
  readonly kind: 'files';
  readonly format: 'lines' | 'jsonl' | 'csv';
  /** Globs or paths, relative to the working directory. */
  readonly patterns: readonly string[];
  readonly schema: Schema | null;
  readonly onError: OnError;
  /** Bytes of a byte-range split of an uncompressed file. */
  readonly splitBytes: number;
  readonly csv: { readonly delimiter: string; readonly header: boolean } | undefined;
  /** `lines` with `withPath`: emits `{ path, line, text }` instead of the text. */
  readonly withPath: boolean;
  /** `whole`: for `files.whole`, one record `{ path, text }` for each file. */
  readonly whole: boolean;
  readonly maxRecordBytes: number;
}

/** How one field of a generated record comes to be: computed in binary, without an object per record. */
export type FieldGenerator =
  | { readonly kind: 'index' }
  /** Uniform integer in [min, max). */
  | { readonly kind: 'int'; readonly min: number; readonly max: number }
  /** Uniform number in [min, max). */
  | { readonly kind: 'float'; readonly min: number; readonly max: number }
  /** Zipf-distributed integer in [0, n) with exponent s, smallest most often. */
  | { readonly kind: 'zipf'; readonly n: number; readonly exponent: number }
  | { readonly kind: 'constant'; readonly value: JsonValue }
  /** `prefix` followed by an integer of `of`. */
  | { readonly kind: 'label'; readonly prefix: string; readonly of: FieldGenerator };

/** Records made from their index; deterministic for a seed, so any record can be made again. */
export interface GenerateSourceSpec {
  readonly kind: 'generate';
  readonly seed: number;
  /** Number of records; Infinity is unbounded. */
  readonly count: number;
  /** Records per second over all subtasks; Infinity is unlimited. */
  readonly ratePerSecond: number;
  readonly schema: Schema | null;
  /** Either a function of (index, random) or a generator for every field of the schema. */
  readonly make: ((index: number, random: Random) => unknown) | undefined;
  readonly fields: Readonly<Record<string, FieldGenerator>> | undefined;
}

/** Random numbers that depend only on the seed and the record's index. */
export interface Random {
  /** In [0, 1). */
  float(): number;
  /** Integer in [min, max). */
  int(min: number, max: number): number;
}

export interface CollectionSourceSpec {
  readonly kind: 'collection';
  readonly values: readonly unknown[];
  readonly schema: Schema | null;
}

export interface CustomSourceSpec {
  readonly kind: 'custom';
  readonly source: Source<unknown>;
  readonly schema: Schema | null;
  readonly onError: OnError;
}

export type SourceSpec = FileSourceSpec | GenerateSourceSpec | CollectionSourceSpec | CustomSourceSpec;
