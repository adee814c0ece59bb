/**
 * What a codec is: values to rows and back. `row-codec.ts` generates one from a schema, `general-codec.ts` serves
 * streams without a schema. A row is self-contained: references inside it are relative to its start, so a row is
 * moved between channels, state and tables by copying its bytes.
 */
import type { Memory } from './memory.ts';
import type { Schema } from './schema.ts';

/** Codec of the rows of one schema, for one thread: it may own scratch memory and is not reentrant. */
export interface Codec<T = unknown> {
  /** Bytes of every row when all rows are equally long (a multiple of 8), else 0. */
  readonly fixedSize: number;
  /** Schema in its JSON form, as recorded in manifests; `null` for the general codec. */
  readonly schema: Schema | null;

  /**
   * Writes `value` as a row at byte offset `at` (a multiple of 8).
   *
   * @param limit  first byte that must not be written
   * @returns bytes written, a multiple of 8 (padding is zero), or -1 when the row does not fit below `limit`
   * @throws  TidemarkError ERR_INVALID_ARG naming the field, when the value does not match the schema
   */
  encode(value: T, to: Memory, at: number, limit: number): number;

  /** Reads the row at `at`. The value owns its memory (strings and bytes are copies). */
  decode(from: Memory, at: number): T;

  /**
   * One reusable object with the fields of the row as getters, for `objectReuse`. `bind` points it at another row.
   * `null` for codecs without fields. The view is valid until the next `bind`.
   */
  view(): { readonly row: T; bind(from: Memory, at: number): void } | null;
}

/** Where the bytes of a key lie: `length` bytes at `at` of `memory`; `at` is a multiple of 4, padding bytes are zero. */
export class KeyRef {
  memory: Memory;
  at = 0;
  length = 0;
  hash = 0;
  constructor(memory: Memory) {
    this.memory = memory;
  }
}

/**
 * Encodes and extracts keys. Two different keys never encode alike: -0 and 0, "1" and 1, 1n and 1, lone surrogates
 * are all distinct; all NaN are one key.
 */
export interface KeyCodec<K = unknown> {
  /** Encodes a key value into own scratch memory and points `out` at it, with its hash. Valid until the next call. */
  encode(key: K, out: KeyRef): void;
  decode(from: Memory, at: number, length: number): K;
  /** Type description, recorded in the manifest: a key whose type changed is refused on restore. */
  readonly type: string;
}

/**
 * Finds the key inside encoded rows of one schema, without decoding them: for `keyBy('field')`.
 * A single field points into the row; several fields are gathered in scratch memory.
 */
export interface RowKey {
  /** Points `out` at the key of the row at `at`, with its hash. Runs once per record. */
  locate(from: Memory, at: number, out: KeyRef): void;
  /**
   * Byte offset inside the row when the key is one 4-byte field (`wordCount` 1) or one 8-byte field (2) of a
   * fixed place, so that loops can hash it inline; -1 otherwise.
   */
  readonly fixedOffset: number;
  readonly wordCount: 0 | 1 | 2;
  /**
   * Byte offset inside the row of the two words (where, how long) of the item that is the key, when that is one string, bytes
   * or bigint field; -1 otherwise.
   */
  readonly itemOffset: number;
}
