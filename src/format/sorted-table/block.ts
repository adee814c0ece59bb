/**
 * Body of a data block, format 1: entries by columns, so that keys or values of one length cost no byte of length each.
 *
 * | offset | size | type | field       | meaning                                                        |
 * |-------:|-----:|------|-------------|----------------------------------------------------------------|
 * |      0 |    4 | u32  | entries     | at least 1                                                     |
 * |      4 |    4 | u32  | tombstones  | at most `entries`                                              |
 * |      8 |    4 | u32  | keyLength   | length of every key when keyWidth is 0, else 0                 |
 * |     12 |    4 | u32  | valueLength | length of every value when valueWidth is 0, else 0             |
 * |     16 |    1 | u8   | keyWidth    | bytes of each number in the column of key lengths: 0, 1, 2, 4  |
 * |     17 |    1 | u8   | valueWidth  | likewise for value lengths                                     |
 * |     18 |    6 | -    | reserved    | 0                                                              |
 *
 * Then these columns, each filled with zero bytes to a multiple of 8:
 *
 * | column        | bytes                         | meaning                                                  |
 * |---------------|-------------------------------|----------------------------------------------------------|
 * | hashes        | 4 x entries                   | u32, ascending                                           |
 * | tombstones    | entries / 8, rounded up       | one bit each, lowest bit first; absent when there are none |
 * | key lengths   | keyWidth x entries            | absent when keyWidth is 0                                |
 * | value lengths | valueWidth x live entries     | absent when valueWidth is 0                              |
 * | keys          | sum of the key lengths        | without padding in between                               |
 * | values        | sum of the value lengths      | of live entries only                                     |
 *
 * Entries are sorted by hash and, where hashes are equal, by key bytes; no key occurs twice. A block is closed before
 * the entry that would take it beyond 64 KiB, so a larger block has a single entry.
 */
import { assert } from '../assert.ts';
import { compareBytes, copyBytes } from '../copy-bytes.ts';
import type { EntryBatch } from '../entry-batch.ts';
import { align8, Memory } from '../memory.ts';
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './layout.ts';

const ENTRIES = 0;
const TOMBSTONES = ENTRIES + 4;
const KEY_LENGTH = TOMBSTONES + 4;
const VALUE_LENGTH = KEY_LENGTH + 4;
const KEY_WIDTH = VALUE_LENGTH + 4;
const VALUE_WIDTH = KEY_WIDTH + 1;
export const BLOCK_HEADER_BYTES = VALUE_WIDTH + 7;
assert(BLOCK_HEADER_BYTES === 24, 'layout constants must agree with the table above');

export const BLOCK_TARGET_BYTES = 64 * 1024;
/** Each entry has a hash of 4 bytes, so this many fill any block. */
const MAX_ENTRIES = BLOCK_TARGET_BYTES / 4;
const TOMBSTONE = -1;
/** Largest body of a block of more than one entry: the target, and both columns of lengths at their widest. */
const MAX_SHARED_BODY_BYTES = BLOCK_TARGET_BYTES + MAX_ENTRIES * 8 + 4096;

/** Collects sorted entries and encodes them as one block body. Reused for all blocks of a table. */
export class BlockBuilder {
  readonly #hashes = new Uint32Array(MAX_ENTRIES);
  readonly #keyLengths = new Uint32Array(MAX_ENTRIES);
  /** -1 for a tombstone. */
  readonly #valueLengths = new Int32Array(MAX_ENTRIES);
  #keys = Memory.local(BLOCK_TARGET_BYTES);
  #values = Memory.local(BLOCK_TARGET_BYTES);
  #body = Memory.local(2 * BLOCK_TARGET_BYTES);
  #entries = 0;
  #tombstones = 0;
  #keyBytes = 0;
  #valueBytes = 0;
  #shortestKey = 0;
  #longestKey = 0;
  #shortestValue = 0;
  #longestValue = 0;
  #lastKeyAt = 0;

  get entries(): number {
    return this.#entries;
  }

  get tombstones(): number {
    return this.#tombstones;
  }

  get firstHash(): number {
    return this.#hashes[0];
  }

  get lastHash(): number {
    return this.#hashes[this.#entries - 1];
  }

  /** Memory of the key bytes; the last key is at `lastKeyAt`, the first at 0. */
  get keys(): Memory {
    return this.#keys;
  }

  get firstKeyLength(): number {
    return this.#keyLengths[0];
  }

  get lastKeyAt(): number {
    return this.#lastKeyAt;
  }

  get lastKeyLength(): number {
    return this.#keyLengths[this.#entries - 1];
  }

  /** Must the block be closed before an entry of these lengths is added? */
  isFullFor(keyLength: number, valueLength: number): boolean {
    return (
      this.#entries * 4 + this.#keyBytes + this.#valueBytes + 4 + keyLength + valueLength > BLOCK_TARGET_BYTES &&
      this.#entries > 0
    );
  }

  /**
   * Runs once per entry.
   *
   * @param valueLength  -1 for a tombstone
   */
  add(
    hash: number,
    keyFrom: Memory,
    keyAt: number,
    keyLength: number,
    valueFrom: Memory,
    valueAt: number,
    valueLength: number,
  ): void {
    const i = this.#entries;
    const keyTo = this.#keyBytes;
    if (keyTo + keyLength > this.#keys.byteLength) this.#keys = grown(this.#keys, keyTo, keyTo + keyLength);
    copyBytes(keyFrom, keyAt, this.#keys, keyTo, keyLength);
    if (i === 0) {
      this.#shortestKey = keyLength;
      this.#longestKey = keyLength;
    } else {
      const previous = this.#hashes[i - 1];
      assert(
        hash > previous ||
          (hash === previous &&
            compareBytes(this.#keys, this.#lastKeyAt, this.#keyLengths[i - 1], this.#keys, keyTo, keyLength) < 0),
        'entries must come sorted by (hash, key), each key once',
      );
      if (keyLength < this.#shortestKey) this.#shortestKey = keyLength;
      if (keyLength > this.#longestKey) this.#longestKey = keyLength;
    }
    this.#hashes[i] = hash;
    this.#keyLengths[i] = keyLength;
    this.#valueLengths[i] = valueLength;
    this.#lastKeyAt = keyTo;
    this.#keyBytes = keyTo + keyLength;
    this.#entries = i + 1;
    if (valueLength === TOMBSTONE) this.#tombstones++;
    else this.#addValue(valueFrom, valueAt, valueLength);
  }

  /**
   * Adds entries of a batch, from `from` on, until the block is full. Returns how many; the first one is added to an
   * empty block in any case.
   */
  addBatch(batch: EntryBatch, from: number): number {
    const { memory, keyLength, valueLength, hashes, keyWords, valueWords } = batch;
    const each = 4 + keyLength + valueLength;
    const used = this.#entries * 4 + this.#keyBytes + this.#valueBytes;
    const fitting = Math.floor((BLOCK_TARGET_BYTES - used) / each);
    const to = Math.min(batch.count, from + fitting);
    if (to - from < 2 || this.#entries === 0 || !isAscending(hashes, from, to)) {
      if (this.isFullFor(keyLength, valueLength)) return 0;
      this.add(hashes[from], memory, keyWords[from] * 4, keyLength, memory, valueWords[from] * 4, valueLength);
      return 1;
    }
    assert(hashes[from] >= this.lastHash, 'entries must come sorted by hash');
    if (hashes[from] === this.lastHash) {
      this.add(hashes[from], memory, keyWords[from] * 4, keyLength, memory, valueWords[from] * 4, valueLength);
      return 1;
    }
    // The columns have room: a block that takes more than one entry has at most BLOCK_TARGET_BYTES of keys and values.
    const first = this.#entries;
    this.#hashes.set(hashes.subarray(from, to), first);
    this.#keyLengths.fill(keyLength, first, first + to - from);
    this.#valueLengths.fill(valueLength, first, first + to - from);
    copyWords(memory.i32, keyWords, keyLength >>> 2, from, to, this.#keys, this.#keyBytes);
    copyWords(memory.i32, valueWords, valueLength >>> 2, from, to, this.#values, this.#valueBytes);
    this.#noteLengths(keyLength, valueLength);
    this.#keyBytes += (to - from) * keyLength;
    this.#valueBytes += (to - from) * valueLength;
    this.#lastKeyAt = this.#keyBytes - keyLength;
    this.#entries += to - from;
    return to - from;
  }

  #noteLengths(keyLength: number, valueLength: number): void {
    if (keyLength < this.#shortestKey) this.#shortestKey = keyLength;
    if (keyLength > this.#longestKey) this.#longestKey = keyLength;
    const isFirstValue = this.#entries === this.#tombstones;
    if (isFirstValue || valueLength < this.#shortestValue) this.#shortestValue = valueLength;
    if (isFirstValue || valueLength > this.#longestValue) this.#longestValue = valueLength;
  }

  #addValue(from: Memory, at: number, length: number): void {
    const to = this.#valueBytes;
    if (to + length > this.#values.byteLength) this.#values = grown(this.#values, to, to + length);
    copyBytes(from, at, this.#values, to, length);
    if (this.#entries - this.#tombstones === 1) {
      this.#shortestValue = length;
      this.#longestValue = length;
    } else {
      if (length < this.#shortestValue) this.#shortestValue = length;
      if (length > this.#longestValue) this.#longestValue = length;
    }
    this.#valueBytes = to + length;
  }

  /** The body of the block, over memory that the next `encode` reuses. The builder is empty afterwards. */
  encode(): Buffer {
    assert(this.#entries > 0, 'a block has entries');
    const live = this.#entries - this.#tombstones;
    const keyWidth = widthOf(this.#shortestKey, this.#longestKey);
    const valueWidth = live === 0 ? 0 : widthOf(this.#shortestValue, this.#longestValue);
    const hashesAt = BLOCK_HEADER_BYTES;
    const tombstonesAt = hashesAt + align8(this.#entries * 4);
    const keyLengthsAt = tombstonesAt + (this.#tombstones === 0 ? 0 : align8((this.#entries + 7) >>> 3));
    const valueLengthsAt = keyLengthsAt + align8(keyWidth * this.#entries);
    const keysAt = valueLengthsAt + align8(valueWidth * live);
    const valuesAt = keysAt + align8(this.#keyBytes);
    const length = valuesAt + align8(this.#valueBytes);

    if (this.#body.byteLength < length) this.#body = Memory.local(length);
    const { u8, u32, buf } = this.#body;
    u8.fill(0, 0, keysAt);
    u32[ENTRIES >>> 2] = this.#entries;
    u32[TOMBSTONES >>> 2] = this.#tombstones;
    u32[KEY_LENGTH >>> 2] = keyWidth === 0 ? this.#longestKey : 0;
    u32[VALUE_LENGTH >>> 2] = valueWidth === 0 && live > 0 ? this.#longestValue : 0;
    u8[KEY_WIDTH] = keyWidth;
    u8[VALUE_WIDTH] = valueWidth;
    u32.set(this.#hashes.subarray(0, this.#entries), hashesAt >>> 2);
    if (this.#tombstones > 0) this.#encodeTombstones(u8, tombstonesAt);
    if (keyWidth > 0) encodeLengths(u8, keyLengthsAt, keyWidth, this.#keyLengths, this.#entries);
    if (valueWidth > 0) encodeLengths(u8, valueLengthsAt, valueWidth, this.#valueLengths, this.#entries);
    u8.set(this.#keys.u8.subarray(0, this.#keyBytes), keysAt);
    u8.fill(0, keysAt + this.#keyBytes, valuesAt);
    u8.set(this.#values.u8.subarray(0, this.#valueBytes), valuesAt);
    u8.fill(0, valuesAt + this.#valueBytes, length);
    this.#clear();
    return buf.subarray(0, length);
  }

  #encodeTombstones(u8: Uint8Array, at: number): void {
    for (let i = 0; i < this.#entries; i++) if (this.#valueLengths[i] === TOMBSTONE) u8[at + (i >>> 3)] |= 1 << (i & 7);
  }

  #clear(): void {
    this.#entries = 0;
    this.#tombstones = 0;
    this.#keyBytes = 0;
    this.#valueBytes = 0;
    this.#lastKeyAt = 0;
    // One value of 64 MiB must not pin that much for the rest of the table.
    if (this.#values.byteLength > 16 * BLOCK_TARGET_BYTES) this.#values = Memory.local(BLOCK_TARGET_BYTES);
  }
}

/** Columns of an encoded block, checked against its length. Reused by a cursor for all blocks it reads. */
export class BlockColumns {
  entries = 0;
  tombstones = 0;
  keyLength = 0;
  valueLength = 0;
  keyWidth = 0;
  valueWidth = 0;
  /** Byte offsets of the columns in the body. */
  tombstonesAt = 0;
  keyLengthsAt = 0;
  valueLengthsAt = 0;
  keysAt = 0;
  /**
   * Length of each key and value; filled only where the width is not 0. A tombstone has value length 0.
   */
  keyLengths = new Uint32Array(0);
  valueLengths = new Uint32Array(0);
  valuesAt = 0;

  /**
   * Reads the header and the columns of lengths of a body of `length` bytes at byte 0 of `memory`.
   *
   * @returns what is wrong with it, or null
   */
  decode(memory: Memory, length: number): string | null {
    const { u8, u32 } = memory;
    if (length < BLOCK_HEADER_BYTES) return `a block of ${length} bytes is shorter than its header`;
    this.entries = u32[ENTRIES >>> 2];
    this.tombstones = u32[TOMBSTONES >>> 2];
    this.keyLength = u32[KEY_LENGTH >>> 2];
    this.valueLength = u32[VALUE_LENGTH >>> 2];
    this.keyWidth = u8[KEY_WIDTH];
    this.valueWidth = u8[VALUE_WIDTH];
    if (this.entries > 1 && length > MAX_SHARED_BODY_BYTES)
      return `a block of ${length} bytes has ${this.entries} entries instead of one`;
    if (this.entries === 0 || this.entries > length / 4) return `${this.entries} entries in a block of ${length} bytes`;
    if (this.tombstones > this.entries) return `${this.tombstones} tombstones among ${this.entries} entries`;
    if (!isWidth(this.keyWidth) || !isWidth(this.valueWidth)) return `lengths of ${this.keyWidth} and ${this.valueWidth} bytes`;
    for (let i = VALUE_WIDTH + 1; i < BLOCK_HEADER_BYTES; i++) if (u8[i] !== 0) return 'reserved bytes of a block are not zero';

    const live = this.entries - this.tombstones;
    this.tombstonesAt = BLOCK_HEADER_BYTES + align8(this.entries * 4);
    this.keyLengthsAt = this.tombstonesAt + (this.tombstones === 0 ? 0 : align8((this.entries + 7) >>> 3));
    this.valueLengthsAt = this.keyLengthsAt + align8(this.keyWidth * this.entries);
    this.keysAt = this.valueLengthsAt + align8(this.valueWidth * live);
    if (this.keysAt > length) return `columns of ${this.keysAt} bytes in a block of ${length}`;
    if (this.tombstones > 0 && this.#countTombstones(u8) !== this.tombstones)
      return `the block does not have the ${this.tombstones} tombstones it says`;

    if (this.keyLength > MAX_KEY_BYTES) return `keys of ${this.keyLength} bytes, at most ${MAX_KEY_BYTES} are allowed`;
    if (this.valueLength > MAX_VALUE_BYTES) return `values of ${this.valueLength} bytes, at most ${MAX_VALUE_BYTES} are allowed`;
    const keyBytes = this.keyWidth === 0 ? this.keyLength * this.entries : this.#decodeKeyLengths(u8);
    const valueBytes = this.valueWidth === 0 ? this.valueLength * live : this.#decodeValueLengths(u8);
    this.valuesAt = this.keysAt + align8(keyBytes);
    const expected = this.valuesAt + align8(valueBytes);
    return expected === length
      ? null
      : `keys of ${keyBytes} and values of ${valueBytes} bytes need a block of ${expected} bytes, it has ${length}`;
  }

  isTombstone(u8: Uint8Array, i: number): boolean {
    return this.tombstones > 0 && (u8[this.tombstonesAt + (i >>> 3)] & (1 << (i & 7))) !== 0;
  }

  #countTombstones(u8: Uint8Array): number {
    let count = 0;
    for (let i = 0; i < this.entries; i++) count += (u8[this.tombstonesAt + (i >>> 3)] >>> (i & 7)) & 1;
    return count;
  }

  #decodeKeyLengths(u8: Uint8Array): number {
    if (this.keyLengths.length < this.entries) this.keyLengths = new Uint32Array(Math.max(this.entries, 1024));
    let sum = 0;
    for (let i = 0, at = this.keyLengthsAt; i < this.entries; i++, at += this.keyWidth) {
      const length = readLength(u8, at, this.keyWidth);
      this.keyLengths[i] = length;
      sum += length;
    }
    return sum;
  }

  #decodeValueLengths(u8: Uint8Array): number {
    if (this.valueLengths.length < this.entries) this.valueLengths = new Uint32Array(Math.max(this.entries, 1024));
    let sum = 0;
    for (let i = 0, at = this.valueLengthsAt; i < this.entries; i++) {
      let length = 0;
      if (!this.isTombstone(u8, i)) {
        length = readLength(u8, at, this.valueWidth);
        at += this.valueWidth;
      }
      this.valueLengths[i] = length;
      sum += length;
    }
    return sum;
  }
}

function isAscending(hashes: Uint32Array, from: number, to: number): boolean {
  for (let i = from + 1; i < to; i++) if (hashes[i] <= hashes[i - 1]) return false;
  return true;
}

/** From here on a native copy (60 to 80 ns for the call and the view) beats a loop. */
const NATIVE_COPY_WORDS = 64;

/** Copies `length` words from each place to consecutive places from byte `at` on, which need not be a multiple of 4. */
function copyWords(
  from: Int32Array,
  places: Uint32Array,
  length: number,
  first: number,
  end: number,
  to: Memory,
  at: number,
): void {
  if ((at & 3) !== 0) {
    const { u8 } = to;
    let target = at;
    for (let i = first; i < end; i++) {
      for (let w = 0; w < length; w++, target += 4) {
        const word = from[(places[i] + w) >>> 0];
        u8[target] = word;
        u8[target + 1] = word >>> 8;
        u8[target + 2] = word >>> 16;
        u8[target + 3] = word >>> 24;
      }
    }
    return;
  }
  const target = to.i32;
  let word = at >>> 2;
  if (length === 1) for (let i = first; i < end; i++) target[word++] = from[places[i]];
  else if (length === 2) {
    for (let i = first; i < end; i++) {
      const place = places[i];
      target[word] = from[place];
      target[word + 1] = from[(place + 1) >>> 0];
      word += 2;
    }
  } else if (length < NATIVE_COPY_WORDS) copyRounds(from, places, length, first, end, target, word);
  else {
    for (let i = first; i < end; i++, word += length) target.set(from.subarray(places[i], places[i] + length), word);
  }
}

/** Eight words a round: 92 bytes take 30 ns, 42 word by word. */
function copyRounds(
  from: Int32Array,
  places: Uint32Array,
  length: number,
  first: number,
  end: number,
  target: Int32Array,
  at: number,
): void {
  let word = at;
  for (let i = first; i < end; i++) {
    let place = places[i];
    const stop = word + length;
    for (; word + 8 <= stop; word += 8, place += 8) {
      target[word] = from[place >>> 0];
      target[word + 1] = from[(place + 1) >>> 0];
      target[word + 2] = from[(place + 2) >>> 0];
      target[word + 3] = from[(place + 3) >>> 0];
      target[word + 4] = from[(place + 4) >>> 0];
      target[word + 5] = from[(place + 5) >>> 0];
      target[word + 6] = from[(place + 6) >>> 0];
      target[word + 7] = from[(place + 7) >>> 0];
    }
    for (; word < stop; word++, place++) target[word] = from[place >>> 0];
  }
}

function grown(memory: Memory, used: number, needed: number): Memory {
  const larger = Memory.local(Math.max(needed, memory.byteLength * 2));
  larger.u8.set(memory.u8.subarray(0, used));
  return larger;
}

function widthOf(shortest: number, longest: number): number {
  if (shortest === longest) return 0;
  if (longest <= 0xff) return 1;
  return longest <= 0xffff ? 2 : 4;
}

function isWidth(width: number): boolean {
  return width === 0 || width === 1 || width === 2 || width === 4;
}

/** Writes the lengths that are not negative. */
function encodeLengths(u8: Uint8Array, at: number, width: number, lengths: Uint32Array | Int32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const length = lengths[i];
    if (length < 0) continue;
    for (let byte = 0; byte < width; byte++) u8[at++] = length >>> (8 * byte);
  }
}

function readLength(u8: Uint8Array, at: number, width: number): number {
  if (width === 1) return u8[at];
  if (width === 2) return u8[at] | (u8[at + 1] << 8);
  return (u8[at] | (u8[at + 1] << 8) | (u8[at + 2] << 16) | (u8[at + 3] << 24)) >>> 0;
}
