/** Walks framed rows (layout in `operator.ts`): where each row lies, and its key. */
import { assert } from '../../format/assert.ts';
import type { Codec, KeyCodec } from '../../format/codec.ts';
import { align8, type Memory } from '../../format/memory.ts';
import { FRAME_HEADER_BYTES, type InputShape, type Rows } from '../operator.ts';
import type { CurrentKey } from '../state/handles/current-key.ts';

/** Input of a keyed operator. */
export interface KeyedInputShape extends InputShape {
  readonly keyCodec: KeyCodec;
}

/** Rows looked at together: their keys' cache lines are fetched before the first is processed. */
export const CHUNK_ROWS = 128;

/** Byte offset of the row in a frame whose key travels with it. */
export function rowAfterKey(memory: Memory, frameAt: number): number {
  return frameAt + FRAME_HEADER_BYTES + 8 + align8(memory.u32[(frameAt + FRAME_HEADER_BYTES) >>> 2]);
}

export class KeyedInput {
  readonly codec: Codec;
  readonly keyCodec: KeyCodec;
  readonly shape: KeyedInputShape;
  /** Bytes of every key when it lies at a fixed place of the row, else 0. */
  readonly fixedKeyBytes: number;
  /** Where: byte offset in the row. */
  readonly fixedKeyOffset: number;
  readonly #keyInFrame: boolean;
  /** Where the row says where its key is (`RowKey.itemOffset`), -1 when it does not. */
  readonly #itemOffset: number;

  constructor(shape: KeyedInputShape) {
    assert(shape.keyInFrame || shape.rowKey !== null, 'a keyed operator gets its key in the row or in the frame');
    this.shape = shape;
    this.codec = shape.codec;
    this.keyCodec = shape.keyCodec;
    this.#keyInFrame = shape.keyInFrame;
    this.#itemOffset = shape.keyInFrame ? -1 : (shape.rowKey?.itemOffset ?? -1);
    this.fixedKeyBytes = shape.keyInFrame ? 0 : 4 * (shape.rowKey?.wordCount ?? 0);
    this.fixedKeyOffset = shape.rowKey?.fixedOffset ?? -1;
  }

  /** Byte offset of the row of the frame at `at`. */
  rowAt(memory: Memory, at: number): number {
    return this.#keyInFrame ? rowAfterKey(memory, at) : at + FRAME_HEADER_BYTES;
  }

  /**
   * Moves `key` to that of the frame at `at`. Runs once per record.
   *
   * @param located  address of the key's entry in `key.locatedIn`, if known
   * @returns        byte offset of the row
   */
  locate(memory: Memory, at: number, key: CurrentKey, located = 0): number {
    const { ref } = key;
    const { u32 } = memory;
    let rowAt = at + FRAME_HEADER_BYTES;
    if (this.fixedKeyBytes !== 0) {
      ref.memory = memory;
      ref.at = rowAt + this.fixedKeyOffset;
      ref.length = this.fixedKeyBytes;
      ref.hash = u32[(at >>> 2) + 1];
    } else if (this.#keyInFrame) {
      ref.memory = memory;
      ref.at = rowAt + 8;
      ref.length = u32[rowAt >>> 2];
      ref.hash = u32[(at >>> 2) + 1];
      rowAt = rowAfterKey(memory, at);
    } else if (this.#itemOffset >= 0) {
      const word = (rowAt + this.#itemOffset) >>> 2;
      ref.memory = memory;
      ref.at = rowAt + u32[word];
      ref.length = u32[word + 1];
      ref.hash = u32[(at >>> 2) + 1];
    } else {
      this.shape.rowKey?.locate(memory, rowAt, ref);
    }
    key.moved(located);
    return rowAt;
  }

  /**
   * Where the keys of frames lie, when they have no fixed length: byte offsets and lengths. False when they do not lie
   * anywhere as they are (several fields, optional ones) and must be put together by `locate`.
   */
  placeKeys(memory: Memory, frames: Uint32Array, count: number, keyAt: Uint32Array, lengths: Uint32Array): boolean {
    const { u32 } = memory;
    if (this.#keyInFrame) {
      for (let i = 0; i < count; i++) {
        const rowAt = frames[i] + FRAME_HEADER_BYTES;
        keyAt[i] = rowAt + 8;
        lengths[i] = u32[rowAt >>> 2];
      }
      return true;
    }
    const offset = this.#itemOffset;
    if (offset < 0) return false;
    for (let i = 0; i < count; i++) {
      const rowAt = frames[i] + FRAME_HEADER_BYTES;
      const word = (rowAt + offset) >>> 2;
      keyAt[i] = rowAt + u32[word];
      lengths[i] = u32[word + 1];
    }
    return true;
  }
}

/** Copies the keys of frames, of one or two words at a fixed place of the row. */
export function gatherKeys(
  u32: Uint32Array,
  frames: Uint32Array,
  keyOffset: number,
  words: 1 | 2,
  count: number,
  keys: Uint32Array,
): void {
  const offset = (FRAME_HEADER_BYTES + keyOffset) >>> 2;
  if (words === 1) {
    for (let i = 0; i < count; i++) keys[i] = u32[(frames[i] >>> 2) + offset];
    return;
  }
  for (let i = 0; i < count; i++) {
    const word = (frames[i] >>> 2) + offset;
    keys[2 * i] = u32[word];
    keys[2 * i + 1] = u32[word + 1];
  }
}

/**
 * Byte offsets and key hashes of up to CHUNK_ROWS frames.
 *
 * @returns how many; `frames[count]` is the byte offset after the last
 */
export function gatherFrames(rows: Rows, from: number, limit: number, frames: Uint32Array, hashes: Uint32Array): number {
  const { u32 } = rows.memory;
  const most = limit < CHUNK_ROWS ? limit : CHUNK_ROWS;
  let at = from;
  let count = 0;
  while (count < most && at < rows.to) {
    frames[count] = at;
    hashes[count] = u32[(at >>> 2) + 1];
    at += u32[at >>> 2];
    count++;
  }
  frames[count] = at;
  return count;
}
