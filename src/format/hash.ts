/**
 * The key hash: 32 bits over the encoded key, with a fixed seed. It decides the key group, the order inside sorted
 * tables and the slot in the state index, so it is part of the file format (docs/formats.md) and never changes.
 *
 * MurmurHash3_x86_32 (Austin Appleby, public domain), seed 0x7135_0a4d. In plain JavaScript it costs 2 ns for a 4-byte
 * key and about 1 ns for each further 4 bytes; xxhash-wasm needs 37 ns for the call and the copy into its memory.
 */
import type { Memory } from './memory.ts';

export const KEY_HASH_SEED = 0x71350a4d;

/**
 * Hash of `length` key bytes. Runs once per record at most.
 *
 * @param at      byte offset of the key in `memory`, a multiple of 4; the last word is padded with zero bytes
 * @param length  bytes of the key, without padding
 * @returns       unsigned 32-bit hash
 */
export function hashKey(memory: Memory, at: number, length: number): number {
  const { u32 } = memory;
  let h = KEY_HASH_SEED;
  let word = at <= 0x7fffffff ? at >>> 2 : at / 4;
  const lastWord = word + (length >>> 2);
  for (; word < lastWord; word++) h = mixWord(h, u32[word]);
  const rest = length & 3;
  if (rest !== 0) {
    let k = u32[word] & (0xffffffff >>> (32 - rest * 8));
    k = Math.imul(k, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
  }
  return finish(h ^ length);
}

/** The same hash of a key of exactly one 32-bit word. */
export function hashKeyOfWord(word: number): number {
  return finish(mixWord(KEY_HASH_SEED, word) ^ 4);
}

/** The same hash of a key of exactly two 32-bit words (a double, a safe integer, a timestamp). */
export function hashKeyOfTwoWords(low: number, high: number): number {
  return finish(mixWord(mixWord(KEY_HASH_SEED, low), high) ^ 8);
}

function mixWord(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  h ^= Math.imul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}

function finish(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
