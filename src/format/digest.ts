/**
 * The state digest: 128 bits that name the logical content of one keyed state, whatever the order in which it came about.
 *
 * Each live entry has a hash, MurmurHash3_x86_128 (Austin Appleby, public domain) with seed 0x7135_0a4d, of this string:
 *
 * | bytes        | content                                       |
 * |--------------|-----------------------------------------------|
 * | 4            | key length, u32 little-endian                 |
 * | 4            | value length, u32 little-endian               |
 * | key length   | key, then zero bytes to a multiple of 4       |
 * | value length | value, then zero bytes to a multiple of 4     |
 * | 0 to 12      | zero bytes to a multiple of 16                |
 *
 * The four 32-bit results h1, h2, h3, h4 are two 64-bit numbers, h2:h1 and h4:h3. The digest is the sum of the first ones and
 * the sum of the second ones, each modulo 2^64, so entries are added and subtracted in any order, and digests of disjoint
 * parts add up. In hex: 16 digits of the first sum, then 16 of the second. An empty state is all zeros.
 *
 * It proves equality against mistakes, not against a forger. 12 ns for a (4 B, 8 B) entry, 13 ns for (8 B, 16 B).
 */
import { assert } from './assert.ts';
import { KEY_HASH_SEED } from './hash.ts';
import { wordOf, type Memory } from './memory.ts';

const DIGEST_PATTERN = /^[0-9a-f]{32}$/;

/** Words are gathered here, so that the mixing loop sees one contiguous string. A multiple of 4. */
const SCRATCH_WORDS = 256;
const scratch = new Int32Array(SCRATCH_WORDS);
/** Hash of the last entry: h1 to h4. */
const lanes = new Int32Array(4);

export class StateDigest {
  /** First sum (low, high), second sum (low, high). */
  readonly #sums = new Uint32Array(4);

  /**
   * Adds a live entry. Runs once per changed record. `keyAt` and `valueAt` are multiples of 4; what stands in memory between the end
   * of a key or value and the next multiple of 4 does not matter.
   */
  add(keyMemory: Memory, keyAt: number, keyLength: number, valueMemory: Memory, valueAt: number, valueLength: number): void {
    hashEntry(keyMemory, keyAt, keyLength, valueMemory, valueAt, valueLength);
    const sums = this.#sums;
    addTo(sums, 0, lanes[0], lanes[1]);
    addTo(sums, 2, lanes[2], lanes[3]);
  }

  /** Takes an entry away that was added before, here or in a digest that this one was built from. */
  subtract(keyMemory: Memory, keyAt: number, keyLength: number, valueMemory: Memory, valueAt: number, valueLength: number): void {
    hashEntry(keyMemory, keyAt, keyLength, valueMemory, valueAt, valueLength);
    const sums = this.#sums;
    subtractFrom(sums, 0, lanes[0], lanes[1]);
    subtractFrom(sums, 2, lanes[2], lanes[3]);
  }

  /** Adds a digest of other entries: another subtask's, or what changed since. */
  plus(other: StateDigest): this {
    addTo(this.#sums, 0, other.#sums[0], other.#sums[1]);
    addTo(this.#sums, 2, other.#sums[2], other.#sums[3]);
    return this;
  }

  equals(other: StateDigest): boolean {
    return this.#sums.every((word, i) => word === other.#sums[i]);
  }

  toHex(): string {
    const [low0, high0, low1, high1] = this.#sums;
    return [high0, low0, high1, low1].map((word) => word.toString(16).padStart(8, '0')).join('');
  }

  /** @param hex  32 lower-case hex digits; text from outside is checked with `isStateDigest` first */
  static fromHex(hex: string): StateDigest {
    assert(isStateDigest(hex), 'a state digest is 32 hex digits');
    const digest = new StateDigest();
    for (let word = 0; word < 4; word++) digest.#sums[word ^ 1] = Number.parseInt(hex.slice(word * 8, word * 8 + 8), 16);
    return digest;
  }
}

export const EMPTY_STATE_DIGEST = '0'.repeat(32);

export function isStateDigest(text: string): boolean {
  return DIGEST_PATTERN.test(text);
}

/** Words are passed as signed integers: an unsigned one above 2^31 would be allocated as a heap number for the call. */
function addTo(sums: Uint32Array, at: number, low: number, high: number): void {
  const sum = sums[at] + (low >>> 0);
  sums[at] = sum;
  sums[at + 1] += sum > 0xffffffff ? high + 1 : high;
}

function subtractFrom(sums: Uint32Array, at: number, low: number, high: number): void {
  const difference = sums[at] - (low >>> 0);
  sums[at] = difference;
  sums[at + 1] -= difference < 0 ? high + 1 : high;
}

/** Leaves the hash of an entry in `lanes`. */
function hashEntry(keyMemory: Memory, keyAt: number, keyLength: number, valueMemory: Memory, valueAt: number, valueLength: number): void {
  lanes[0] = KEY_HASH_SEED;
  lanes[1] = KEY_HASH_SEED;
  lanes[2] = KEY_HASH_SEED;
  lanes[3] = KEY_HASH_SEED;
  scratch[0] = keyLength;
  scratch[1] = valueLength;
  let filled = gather(keyMemory.i32, wordOf(keyAt), keyLength, 2);
  filled = gather(valueMemory.i32, wordOf(valueAt), valueLength, filled);
  while ((filled & 3) !== 0) scratch[filled++] = 0;
  mix(filled, 8 + ((keyLength + 3) & ~3) + ((valueLength + 3) & ~3));
}

/** Appends `length` bytes from `word` on to the scratch, mixing it whenever it is full. Returns how full it is then, at most full - 1. */
function gather(words: Int32Array, word: number, length: number, filled: number): number {
  const whole = length >>> 2;
  for (let i = 0; i < whole; i++) {
    scratch[filled++] = words[(word + i) >>> 0];
    if (filled === SCRATCH_WORDS) {
      mix(SCRATCH_WORDS, 0);
      filled = 0;
    }
  }
  const rest = length & 3;
  if (rest === 0) return filled;
  scratch[filled++] = words[(word + whole) >>> 0] & (0xffffffff >>> (32 - rest * 8));
  if (filled < SCRATCH_WORDS) return filled;
  mix(SCRATCH_WORDS, 0);
  return 0;
}

/**
 * MurmurHash3_x86_128 over `count` words of the scratch, a multiple of 4, from `lanes` to `lanes`. One function, so that the lanes stay in
 * registers for short entries.
 *
 * @param byteLength  0 while more words follow; at the end, the bytes hashed before the padding to a multiple of 16
 */
function mix(count: number, byteLength: number): void {
  let h1 = lanes[0];
  let h2 = lanes[1];
  let h3 = lanes[2];
  let h4 = lanes[3];
  for (let i = 0; i < count; i += 4) {
    let k = Math.imul(scratch[i], 0x239b961b);
    h1 ^= Math.imul((k << 15) | (k >>> 17), 0xab0e9789);
    h1 = (((h1 << 19) | (h1 >>> 13)) + h2) | 0;
    h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
    k = Math.imul(scratch[i + 1], 0xab0e9789);
    h2 ^= Math.imul((k << 16) | (k >>> 16), 0x38b34ae5);
    h2 = (((h2 << 17) | (h2 >>> 15)) + h3) | 0;
    h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
    k = Math.imul(scratch[i + 2], 0x38b34ae5);
    h3 ^= Math.imul((k << 17) | (k >>> 15), 0xa1e38b93);
    h3 = (((h3 << 15) | (h3 >>> 17)) + h4) | 0;
    h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0;
    k = Math.imul(scratch[i + 3], 0xa1e38b93);
    h4 ^= Math.imul((k << 18) | (k >>> 14), 0x239b961b);
    h4 = (((h4 << 13) | (h4 >>> 19)) + h1) | 0;
    h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0;
  }
  if (byteLength > 0) {
    const length = (byteLength + 15) & ~15;
    h2 ^= length;
    h3 ^= length;
    h4 ^= length;
    h1 = ((h1 ^ length) + h2 + h3 + h4) | 0;
    h2 = avalanche((h2 + h1) | 0);
    h3 = avalanche((h3 + h1) | 0);
    h4 = avalanche((h4 + h1) | 0);
    h1 = (avalanche(h1) + h2 + h3 + h4) | 0;
    h2 = (h2 + h1) | 0;
    h3 = (h3 + h1) | 0;
    h4 = (h4 + h1) | 0;
  }
  lanes[0] = h1;
  lanes[1] = h2;
  lanes[2] = h3;
  lanes[3] = h4;
}

function avalanche(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
