/**
 * What an operator is inside a turn. Operators of one stage are chained: each hands its output to the next by a call.
 * There are two paths through a chain: records as JavaScript values, and rows as bytes. An operator that can take rows
 * says so with `rows`; a converter stands before one that cannot.
 */
import type { CheckpointOutcome } from '../job/checkpoint-outcome.ts';
import type { Codec, RowKey } from '../format/codec.ts';
import type { JsonValue } from '../format/json.ts';
import type { Memory } from '../format/memory.ts';

/**
 * A run of framed rows in memory, as they lie in a channel slot:
 *
 * | offset | size | type | field     | meaning                                                        |
 * |-------:|-----:|------|-----------|----------------------------------------------------------------|
 * |      0 |    4 | u32  | length    | bytes of the whole frame, a multiple of 8                      |
 * |      4 |    4 | u32  | keyHash   | hash of the key; 0 on channels that are not keyed              |
 * |      8 |    8 | f64  | timestamp | event time in ms; -Infinity when the record has none           |
 * |     16 |    - | row  | row       | the row in the channel's codec                                 |
 * |     .. |    4 | u32  | keyLength | only when the key is a function's result: bytes of the key     |
 * |     .. |    4 | u32  | rowBytes  | likewise: bytes of the row                                     |
 * |     .. |    - | key  | key       | likewise: the encoded key, padded with zero bytes to 8         |
 *
 * With a function key, `keyLength`, `rowBytes` and the key come before the row (at offset 16), so that both are found
 * without reading the row: the row then begins at 24 + align8(keyLength).
 */
export interface Rows {
  memory: Memory;
  /** Byte offset of the first frame. */
  from: number;
  /** Byte offset after the last frame. */
  to: number;
  count: number;
}

export const FRAME_HEADER_BYTES = 16;

/** Takes what an operator emits. */
export interface Output {
  emit(value: unknown, timestampMs: number): void;
  /** Present when the receiver takes rows of this operator's output codec. */
  emitRows?(rows: Rows): void;
  /** No room downstream: finish the current record and return. */
  readonly full: boolean;
}

/** What an operator may know about where it runs. */
export interface OperatorContext {
  readonly uid: string;
  readonly name: string;
  readonly subtask: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly jobId: string;
  readonly jobName: string;
  readonly attempt: number;
  readonly args: readonly string[];
  /** Watermark of the subtask's input, event time in ms. */
  watermarkMs(): number;
}

/** How the records of a chain's input are encoded and keyed; `null` parts where they are not. */
export interface InputShape {
  readonly codec: Codec;
  /** Key inside the row, for `keyBy` on fields. */
  readonly rowKey: RowKey | null;
  /** The key stands in the frame (see `Rows`), for `keyBy` on a function. */
  readonly keyInFrame: boolean;
}

export interface Operator {
  /** Takes one record. For keyed operators at the head of a chain only `rows` is called. */
  record(value: unknown, timestampMs: number): void;
  /** Takes rows; absent when the operator only takes values. Must stop early, and report how far it came, when `out.full`. */
  rows?(rows: Rows, limitFrames: number): RowsTaken;
  /**
   * Called in turns after the last input, until it returns true. Emits what remains (results at the end), stopping
   * when `out.full` or when `deadline` (performance.now()) is reached.
   */
  end?(deadlineMs: number): boolean;
  /** The turn ends: write buffered output, leave everything in shared memory. */
  endTurn?(): void;
  /** Barrier: operator state as JSON (small), recorded in the manifest under (uid, name). */
  snapshot?(checkpointId: number): OperatorSnapshot | null;
  /** A checkpoint that the operator took part in has ended. */
  onCheckpoint?(outcome: CheckpointOutcome): void;
  close?(): void;
}

/** How far `rows` came: frames taken and byte offset of the next one. Reused object. */
export interface RowsTaken {
  frames: number;
  next: number;
}

/** State of one operator of one subtask that is not keyed: lists of JSON values per state name. */
export interface OperatorSnapshot {
  readonly [stateName: string]: readonly JsonValue[];
}
