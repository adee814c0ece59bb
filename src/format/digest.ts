/**
 * The state digest: 128 bits that name the logical content of one keyed state, whatever the order in which it came
 * about.
 *
 * Each live entry has a hash, MurmurHash3_x86_128 (Austin Appleby, public domain) with seed 0x7135_0a4d, of this
 * string:
 *
 * | bytes        | content                                       |
 * |--------------|-----------------------------------------------|
 * | 4            | key length, u32 little-endian                 |
 * | 4            | value length, u32 little-endian               |
 * | key length   | key, then zero bytes to a multiple of 4       |
 * | value length | value, then zero bytes to a multiple of 4     |
 * | 0 to 12      | zero bytes to a multiple of 16                |
 *
 * The four 32-bit results h1, h2, h3, h4 are two 64-bit numbers, h2:h1 and h4:h3. The digest is the sum of the first
 * ones and the sum of the second ones, each modulo 2^64, so entries are added and subtracted in any order, and digests
 * of disjoint parts add up. In hex: 16 digits of the first sum, then 16 of the second. An empty state is all zeros.
 *
 * It proves equality against mistakes, not against a forger. About 50 ns for an entry of 12 to 24 bytes, 30 in a batch, and 0.6 ns for
 * each further byte.
 */
import { assert } from './assert.ts';
import { EntryBatch } from './entry-batch.ts';
import { KEY_HASH_SEED } from './hash.ts';
import { Memory, wordOf } from './memory.ts';

const DIGEST_PATTERN = /^[0-9a-f]{32}$/;

export class StateDigest {
  /** First sum (low, high), second sum (low, high). */
  readonly #sums = new Int32Array(4);

  /**
   * Adds a live entry. Runs once per changed record. `keyAt` and `valueAt` are multiples of 4; what stands in memory
   * between the end of a key or value and the next multiple of 4 does not matter.
   */
  add(keyMemory: Memory, keyAt: number, keyLength: number, valueMemory: Memory, valueAt: number, valueLength: number): void {
    accumulate(this.#sums, false, keyMemory, keyAt, keyLength, valueMemory, valueAt, valueLength);
  }

  /** Takes an entry away that was added before, here or in a digest that this one was built from. */
  subtract(keyMemory: Memory, keyAt: number, keyLength: number, valueMemory: Memory, valueAt: number, valueLength: number): void {
    accumulate(this.#sums, true, keyMemory, keyAt, keyLength, valueMemory, valueAt, valueLength);
  }

  /** Adds all entries of a batch. */
  addBatch(batch: EntryBatch): void {
    accumulateBatch(this.#sums, false, batch);
  }

  /** Takes all entries of a batch away. */
  subtractBatch(batch: EntryBatch): void {
    accumulateBatch(this.#sums, true, batch);
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
    return [high0, low0, high1, low1].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
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

/**
 * Adds a 64-bit number to the sum at `at`. Words are signed: an unsigned one above 2^31 would be a heap number in a
 * call.
 */
function addTo(sums: Int32Array, at: number, low: number, high: number): void {
  const sum = (sums[at] + low) | 0;
  const carry = sum >>> 0 < low >>> 0 ? 1 : 0;
  sums[at] = sum;
  sums[at + 1] = (sums[at + 1] + high + carry) | 0;
}

function subtractFrom(sums: Int32Array, at: number, low: number, high: number): void {
  const borrow = sums[at] >>> 0 < low >>> 0 ? 1 : 0;
  sums[at] = (sums[at] - low) | 0;
  sums[at + 1] = (sums[at + 1] - high - borrow) | 0;
}

/**
 * Adds the hash of an entry to the sums, or subtracts it. One function, so that the lanes never leave the registers:
 * passed on through memory they cost 5 ns more for an entry of 12 bytes, and gathering the words in one place first a
 * third more for long ones.
 */
function accumulate(
  sums: Int32Array,
  negative: boolean,
  keyMemory: Memory,
  keyAt: number,
  keyLength: number,
  valueMemory: Memory,
  valueAt: number,
  valueLength: number,
): void {
  const keys = keyMemory.i32;
  const values = valueMemory.i32;
  const keyWord = wordOf(keyAt);
  const valueWord = wordOf(valueAt);
  const keyWords = (keyLength + 3) >>> 2;
  const valueWords = (valueLength + 3) >>> 2;
  const keyMask = lastWordMask(keyLength);
  const valueMask = lastWordMask(valueLength);
  const words = 2 + keyWords + valueWords;
  if (words > ONE_ROUND && words <= TWO_ROUNDS) {
    gatherWords(keys, keyWord, keyWords, keyMask, 0);
    gatherWords(values, valueWord, valueWords, valueMask, keyWords);
    one.keyLength = keyLength;
    one.valueLength = valueLength;
    one.valueWords[0] = keyWords;
    accumulateBatch(sums, negative, one);
    return;
  }
  let h1 = KEY_HASH_SEED;
  let h2 = KEY_HASH_SEED;
  let h3 = KEY_HASH_SEED;
  let h4 = KEY_HASH_SEED;
  const content = words - 2;
  for (let i = -2; i < content; i += 4) {
    let w1: number;
    let w2: number;
    let w3: number;
    let w4: number;
    // Most rounds of a long value have nothing else in them: 100 bytes take 87 ns instead of 98.
    if (i >= keyWords && i + 4 < content) {
      const word = valueWord + i - keyWords;
      w1 = values[word >>> 0];
      w2 = values[(word + 1) >>> 0];
      w3 = values[(word + 2) >>> 0];
      w4 = values[(word + 3) >>> 0];
    } else {
      w1 = i < 0 ? keyLength : contentWord(keys, keyWord, keyWords, keyMask, values, valueWord, valueWords, valueMask, i);
      w2 = i < 0 ? valueLength : contentWord(keys, keyWord, keyWords, keyMask, values, valueWord, valueWords, valueMask, i + 1);
      w3 = contentWord(keys, keyWord, keyWords, keyMask, values, valueWord, valueWords, valueMask, i + 2);
      w4 = contentWord(keys, keyWord, keyWords, keyMask, values, valueWord, valueWords, valueMask, i + 3);
    }
    let k = Math.imul(w1, 0x239b961b);
    h1 ^= Math.imul((k << 15) | (k >>> 17), 0xab0e9789);
    h1 = (((h1 << 19) | (h1 >>> 13)) + h2) | 0;
    h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
    k = Math.imul(w2, 0xab0e9789);
    h2 ^= Math.imul((k << 16) | (k >>> 16), 0x38b34ae5);
    h2 = (((h2 << 17) | (h2 >>> 15)) + h3) | 0;
    h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
    k = Math.imul(w3, 0x38b34ae5);
    h3 ^= Math.imul((k << 17) | (k >>> 15), 0xa1e38b93);
    h3 = (((h3 << 15) | (h3 >>> 17)) + h4) | 0;
    h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0;
    k = Math.imul(w4, 0xa1e38b93);
    h4 ^= Math.imul((k << 18) | (k >>> 14), 0x239b961b);
    h4 = (((h4 << 13) | (h4 >>> 19)) + h1) | 0;
    h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0;
  }
  finish(sums, negative, h1, h2, h3, h4, ((words + 3) & ~3) << 2);
}

/** Words of both lengths, key and value that are hashed in one round, and in two. */
const ONE_ROUND = 4;
const TWO_ROUNDS = 8;
/** A batch of the one entry that `gatherWords` has gathered, its lengths in bytes of any number. */
const one = new EntryBatch(1);
one.memory = Memory.local(4 * (TWO_ROUNDS - 2));
one.count = 1;

function gatherWords(from: Int32Array, word: number, words: number, lastMask: number, at: number): void {
  const { i32 } = one.memory;
  for (let i = 0; i < words; i++) i32[at + i] = from[(word + i) >>> 0];
  if (words > 0) i32[at + words - 1] &= lastMask;
}

/**
 * The same as `accumulate` for all entries of a batch: what their lengths do to the lanes is worked out once, words that are zeros are left out,
 * and the sums stay in registers. 30 ns an entry of (4 B, 8 B), 38 with the lanes of each entry begun anew. Entries of one and of three rounds and
 * more go through the loop of `accumulate`, and those of two rounds that stand alone come here: 45 ns with a copy of their own, 50 so.
 */
function accumulateBatch(sums: Int32Array, negative: boolean, batch: EntryBatch): void {
  const { memory, count, keyLength, valueLength, keyWords, valueWords } = batch;
  const { i32 } = memory;
  const wordsOfKey = (keyLength + 3) >>> 2;
  const wordsOfValue = (valueLength + 3) >>> 2;
  const words = 2 + wordsOfKey + wordsOfValue;
  if (words <= ONE_ROUND || words > TWO_ROUNDS) {
    for (let i = 0; i < count; i++)
      accumulate(sums, negative, memory, keyWords[i] * 4, keyLength, memory, valueWords[i] * 4, valueLength);
    return;
  }
  // Where each word of key and value is found: copied to one place first, an entry takes 4 ns more.
  const from0 = wordsOfKey > 0 ? keyWords : valueWords;
  const at0 = wordsOfKey > 0 ? 0 : 0 - wordsOfKey;
  const from1 = wordsOfKey > 1 ? keyWords : valueWords;
  const at1 = wordsOfKey > 1 ? 1 : 1 - wordsOfKey;
  const from2 = wordsOfKey > 2 ? keyWords : valueWords;
  const at2 = wordsOfKey > 2 ? 2 : 2 - wordsOfKey;
  const from3 = wordsOfKey > 3 ? keyWords : valueWords;
  const at3 = wordsOfKey > 3 ? 3 : 3 - wordsOfKey;
  const from4 = wordsOfKey > 4 ? keyWords : valueWords;
  const at4 = wordsOfKey > 4 ? 4 : 4 - wordsOfKey;
  const from5 = wordsOfKey > 5 ? keyWords : valueWords;
  const at5 = wordsOfKey > 5 ? 5 : 5 - wordsOfKey;
  // What the lengths do to the first two lanes is the same for all.
  let k = Math.imul(keyLength, 0x239b961b);
  let lane = KEY_HASH_SEED ^ Math.imul((k << 15) | (k >>> 17), 0xab0e9789);
  lane = (((lane << 19) | (lane >>> 13)) + KEY_HASH_SEED) | 0;
  const first1 = (Math.imul(lane, 5) + 0x561ccd1b) | 0;
  k = Math.imul(valueLength, 0xab0e9789);
  lane = KEY_HASH_SEED ^ Math.imul((k << 16) | (k >>> 16), 0x38b34ae5);
  lane = (((lane << 17) | (lane >>> 15)) + KEY_HASH_SEED) | 0;
  const first2 = (Math.imul(lane, 5) + 0x0bcaa747) | 0;
  let low0 = 0;
  let high0 = 0;
  let low1 = 0;
  let high1 = 0;
  for (let i = 0; i < count; i++) {
    k = Math.imul(i32[(from0[i] + at0) >>> 0], 0x38b34ae5);
    let h3 = KEY_HASH_SEED ^ Math.imul((k << 17) | (k >>> 15), 0xa1e38b93);
    h3 = (((h3 << 15) | (h3 >>> 17)) + KEY_HASH_SEED) | 0;
    h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0;
    k = Math.imul(i32[(from1[i] + at1) >>> 0], 0xa1e38b93);
    let h4 = KEY_HASH_SEED ^ Math.imul((k << 18) | (k >>> 14), 0x239b961b);
    h4 = (((h4 << 13) | (h4 >>> 19)) + first1) | 0;
    h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0;
    k = Math.imul(i32[(from2[i] + at2) >>> 0], 0x239b961b);
    let h1 = first1 ^ Math.imul((k << 15) | (k >>> 17), 0xab0e9789);
    h1 = (((h1 << 19) | (h1 >>> 13)) + first2) | 0;
    h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
    let h2 = first2;
    // A word of zeros leaves its lane as it is.
    if (words > 5) {
      k = Math.imul(i32[(from3[i] + at3) >>> 0], 0xab0e9789);
      h2 ^= Math.imul((k << 16) | (k >>> 16), 0x38b34ae5);
    }
    h2 = (((h2 << 17) | (h2 >>> 15)) + h3) | 0;
    h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
    if (words > 6) {
      k = Math.imul(i32[(from4[i] + at4) >>> 0], 0x38b34ae5);
      h3 ^= Math.imul((k << 17) | (k >>> 15), 0xa1e38b93);
    }
    h3 = (((h3 << 15) | (h3 >>> 17)) + h4) | 0;
    h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0;
    if (words > 7) {
      k = Math.imul(i32[(from5[i] + at5) >>> 0], 0xa1e38b93);
      h4 ^= Math.imul((k << 18) | (k >>> 14), 0x239b961b);
    }
    h4 = (((h4 << 13) | (h4 >>> 19)) + h1) | 0;
    h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0;
    const bytes = 4 * TWO_ROUNDS;
    h2 ^= bytes;
    h3 ^= bytes;
    h4 ^= bytes;
    h1 = ((h1 ^ bytes) + h2 + h3 + h4) | 0;
    h2 = avalanche((h2 + h1) | 0);
    h3 = avalanche((h3 + h1) | 0);
    h4 = avalanche((h4 + h1) | 0);
    h1 = (avalanche(h1) + h2 + h3 + h4) | 0;
    h3 = (h3 + h1) | 0;
    low0 = (low0 + h1) | 0;
    high0 = (high0 + h2 + h1 + (low0 >>> 0 < h1 >>> 0 ? 1 : 0)) | 0;
    low1 = (low1 + h3) | 0;
    high1 = (high1 + h4 + h1 + (low1 >>> 0 < h3 >>> 0 ? 1 : 0)) | 0;
  }
  if (negative) {
    subtractFrom(sums, 0, low0, high0);
    subtractFrom(sums, 2, low1, high1);
  } else {
    addTo(sums, 0, low0, high0);
    addTo(sums, 2, low1, high1);
  }
}

/** The last step of the hash, and its sum. */
function finish(
  sums: Int32Array,
  negative: boolean,
  lane1: number,
  lane2: number,
  lane3: number,
  lane4: number,
  byteLength: number,
): void {
  let h2 = lane2 ^ byteLength;
  let h3 = lane3 ^ byteLength;
  let h4 = lane4 ^ byteLength;
  let h1 = ((lane1 ^ byteLength) + h2 + h3 + h4) | 0;
  h2 = avalanche((h2 + h1) | 0);
  h3 = avalanche((h3 + h1) | 0);
  h4 = avalanche((h4 + h1) | 0);
  h1 = (avalanche(h1) + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  if (negative) {
    subtractFrom(sums, 0, h1, h2);
    subtractFrom(sums, 2, h3, h4);
  } else {
    addTo(sums, 0, h1, h2);
    addTo(sums, 2, h3, h4);
  }
}

/** Which bytes of the last word of `length` bytes count. */
function lastWordMask(length: number): number {
  return -1 >>> ((-length & 3) << 3);
}

/** Word `i` of key and value, each padded with zero bytes to whole words; zero beyond them. */
function contentWord(
  keys: Int32Array,
  keyWord: number,
  keyWords: number,
  keyMask: number,
  values: Int32Array,
  valueWord: number,
  valueWords: number,
  valueMask: number,
  i: number,
): number {
  if (i < keyWords) {
    const word = keys[(keyWord + i) >>> 0];
    return i === keyWords - 1 ? word & keyMask : word;
  }
  const j = i - keyWords;
  if (j >= valueWords) return 0;
  const word = values[(valueWord + j) >>> 0];
  return j === valueWords - 1 ? word & valueMask : word;
}

function avalanche(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
