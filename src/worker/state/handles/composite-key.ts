/**
 * Keys of entries of which a user key has many (list chunks, map entries, distinct values):
 *
 * | offset | size              | type | field      | meaning                                                    |
 * |-------:|-------------------|------|------------|------------------------------------------------------------|
 * |      0 | 4                 | u32  | userLength | bytes of the user's key, without padding                   |
 * |      4 | align4(userLength)| -    | userKey    | the user's key, padded with zero bytes to a multiple of 4  |
 * |     .. | -                 | -    | subKey     | which of the user key's entries; begins at a multiple of 4 |
 *
 * An entry's hash is that of the user's key, so that in tables all entries of a user key stand together, and move together
 * when the parallelism changes; the map finds them by the hash of the whole key (`StateMapOptions.composite`). Two
 * different (userKey, subKey) never encode alike, since the user key's length comes first.
 */
import { copyBytes } from '../../../format/copy-bytes.ts';
import { Memory } from '../../../format/memory.ts';
import type { StateMap } from '../state-map.ts';
import type { CurrentKey } from './current-key.ts';

const INITIAL_BYTES = 512;

/** Builds the keys of the current key's entries in scratch memory. */
export class CompositeKey {
  memory = Memory.local(INITIAL_BYTES);
  /** Bytes of the key that was built last. */
  length = 0;
  readonly key: CurrentKey;
  #version = -1;
  #subAt = 0;

  constructor(key: CurrentKey) {
    this.key = key;
  }

  /** Hash of the user's key. */
  get hash(): number {
    return this.key.ref.hash;
  }

  /** Sub key of one word. */
  word(word: number): void {
    const at = this.#prefix(4);
    this.memory.u32[at >>> 2] = word;
    this.length = at + 4;
  }

  /** Sub key of two words. */
  words(first: number, second: number): void {
    const at = this.#prefix(8);
    this.memory.u32[at >>> 2] = first;
    this.memory.u32[(at >>> 2) + 1] = second;
    this.length = at + 8;
  }

  /** Sub key of a word and `length` bytes (at a multiple of 4 of `from`). */
  wordAndBytes(word: number, from: Memory, fromAt: number, length: number): void {
    const at = this.#prefix(8 + length);
    const { u32 } = this.memory;
    u32[at >>> 2] = word;
    u32[(at + 4 + length) >>> 2] = 0;
    copyBytes(from, fromAt, this.memory, at + 4, length);
    this.length = at + 4 + length;
  }

  find(map: StateMap): number {
    return map.find(this.hash, this.memory, 0, this.length);
  }

  upsert(map: StateMap, valueLength: number): number {
    return map.upsert(this.hash, this.memory, 0, this.length, valueLength);
  }

  delete(map: StateMap): boolean {
    return map.delete(this.hash, this.memory, 0, this.length);
  }

  /** Writes the user's key once per record and makes room for a sub key; where the sub key begins. */
  #prefix(subBytes: number): number {
    const { ref, version } = this.key;
    if (this.#version !== version) {
      this.#subAt = 4 + ((ref.length + 3) & ~3);
      this.#reserve(this.#subAt);
      const { u32 } = this.memory;
      u32[(this.#subAt >>> 2) - 1] = 0;
      u32[0] = ref.length;
      copyBytes(ref.memory, ref.at, this.memory, 4, ref.length);
      this.#version = version;
    }
    this.#reserve(this.#subAt + subBytes);
    return this.#subAt;
  }

  #reserve(byteLength: number): void {
    if (byteLength + 8 <= this.memory.byteLength) return;
    const grown = Memory.local(2 * byteLength + 8);
    grown.u8.set(this.memory.u8);
    this.memory = grown;
  }
}

/** Length of the user's key in the composite key of an entry; the key itself begins 4 bytes further. */
export function userKeyLength(map: StateMap, address: number): number {
  return map.memory.u32[map.keyAt(address) / 4];
}

/** Is the sub key of an entry exactly these words? */
export function subKeyIs(map: StateMap, address: number, first: number, second: number | null): boolean {
  const at = map.keyAt(address);
  const { u32 } = map.memory;
  const sub = 4 + ((u32[at / 4] + 3) & ~3);
  const length = map.keyLength(address) - sub;
  if (length !== (second === null ? 4 : 8)) return false;
  return u32[(at + sub) / 4] === first && (second === null || u32[(at + sub) / 4 + 1] === second);
}
