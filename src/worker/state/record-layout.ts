/**
 * A record of the state log. All words are of 32 bits in the byte order of the machine; addresses are in units of 8 bytes, so
 * that the index of a word, address * 2, is a small integer up to 8 GiB. Every record begins at a multiple of 8.
 *
 * | word | field      | meaning                                                                    | written by                |
 * |-----:|------------|----------------------------------------------------------------------------|---------------------------|
 * |    0 | previous   | address of the version before this one, 0 = none                           | owner; cleaner, rollback  |
 * |    1 | epoch      | epoch in which the record was written                                      | once                      |
 * |    2 | superseded | 0 = newest version, e = replaced in epoch e, -1 = dead: of no use to anyone | owner                     |
 * |    3 | meta       | bit 31 long, bit 30 tombstone, bits 13-29 key code, bits 0-12 value length | owner, in its epoch       |
 * |    4 | hash       | the hash that the caller gave: order and key group                         | once                      |
 * |    5 | key        | key, padded with zero bytes to a multiple of 4                             | once                      |
 * |   .. | value      | from the next multiple of 8 on, padded likewise                            | owner, in its epoch       |
 *
 * The key code is the key's length, or 65536 + n for a key of n words, n 1 or 2, whose hash is `hashKey` of it: such a record is *bare*,
 * it has no hash, and its key begins at word 4. So with a key of 4 or 8 bytes and a value of 8, the commonest states of all (a count by
 * number, a total by id), a record has 32 bytes (`ALIGNED_UNITS`) and never straddles a cache line. With 40 bytes half of them do: updates in
 * batches took 62 ns instead of 46, and the memory of an entry was a quarter more.
 *
 * A value longer than 8191 bytes makes the record *long*: its length stands in a word of its own between hash and key.
 *
 * Limits: keys 65536 bytes, values 64 MiB.
 */
import { assert } from '../../format/assert.ts';
import type { EntryBatch } from '../../format/entry-batch.ts';
import { hashKeyOfTwoWords, hashKeyOfWord } from '../../format/hash.ts';

export const PREVIOUS = 0;
export const EPOCH = 1;
export const SUPERSEDED = 2;
export const META = 3;
const HASH = 4;
/** Word of the key in a record that is neither bare nor long. */
const KEY = 5;

/** `superseded` of a record that no reader, no rollback and no index entry needs. */
export const DEAD = -1;

export const MAX_KEY_BYTES = 65536;
export const MAX_VALUE_BYTES = 64 * 1024 * 1024;
/** Longest value whose length fits in `meta`. */
export const MAX_SHORT_VALUE_BYTES = 8191;

/** Units of the records that lie in one cache line, if all records of the map are of this size or less. */
export const ALIGNED_UNITS = 4;

const TOMBSTONE = 1 << 30;
const KEY_CODE_SHIFT = 13;
const KEY_CODE_MASK = 0x1ffff;
/** Key codes of bare records are this and the words of the key. */
const BARE = MAX_KEY_BYTES;
assert(BARE + 2 <= KEY_CODE_MASK && MAX_SHORT_VALUE_BYTES === (1 << KEY_CODE_SHIFT) - 1, 'lengths fit their bits');

/**
 * Meta word of a record that is no tombstone. A long one needs its value length in a word of its own too.
 *
 * @param derivesHash  is the hash of the key `hashKey` of it? Then short keys make bare records
 */
export function metaOf(keyLength: number, valueLength: number, derivesHash: boolean): number {
  const code = derivesHash && (keyLength === 4 || keyLength === 8) ? BARE + (keyLength >>> 2) : keyLength;
  return withValueLength(code << KEY_CODE_SHIFT, valueLength);
}

/** Meta word of a record, no tombstone, of the same key with a value of another length. */
export function withValueLength(meta: number, valueLength: number): number {
  return (meta & (KEY_CODE_MASK << KEY_CODE_SHIFT)) | (valueLength <= MAX_SHORT_VALUE_BYTES ? valueLength : 1 << 31);
}

/** 1 for a long record, else 0: what the key's place and the header's size depend on. */
function longOf(meta: number): number {
  return meta >>> 31;
}

/** 1 for a bare record, else 0: likewise. */
function bareOf(meta: number): number {
  return ((meta >>> KEY_CODE_SHIFT) & KEY_CODE_MASK) > BARE ? 1 : 0;
}

export function keyLengthOf(meta: number): number {
  const code = (meta >>> KEY_CODE_SHIFT) & KEY_CODE_MASK;
  return code > BARE ? (code - BARE) * 4 : code;
}

/** Words of a record before its key. */
export function wordsBeforeKey(meta: number): number {
  return KEY - bareOf(meta) + longOf(meta);
}

/** Word index of the key of the record at `address`. */
export function keyWordOf(address: number, meta: number): number {
  return address * 2 + wordsBeforeKey(meta);
}

/** The hash of the key of a record as the caller gave it, signed. */
export function keyHashOf(log: Int32Array, address: number): number {
  const at = address * 2;
  const code = (log[at + META] >>> KEY_CODE_SHIFT) & KEY_CODE_MASK;
  if (code <= BARE) return log[at + HASH];
  const key = at + KEY - 1 + longOf(log[at + META]);
  return (code === BARE + 1 ? hashKeyOfWord(log[key]) : hashKeyOfTwoWords(log[key], log[key + 1])) | 0;
}

export function isTombstoneMeta(meta: number): boolean {
  return (meta & TOMBSTONE) !== 0;
}

/** Is it neither a tombstone nor long? */
export function isShortEntry(meta: number): boolean {
  return meta >= 0 && (meta & TOMBSTONE) === 0;
}

export function withTombstone(meta: number): number {
  return meta | TOMBSTONE;
}

export function withoutTombstone(meta: number): number {
  return meta & ~TOMBSTONE;
}

/** Units before the value, header and key included. */
function headUnits(meta: number): number {
  return (wordsBeforeKey(meta) + ((keyLengthOf(meta) + 3) >>> 2) + 1) >>> 1;
}

/** Units of the smallest record. */
export const FEWEST_UNITS = KEY >>> 1;

/** Units of a whole record. */
export function recordUnits(meta: number, valueLength: number): number {
  return headUnits(meta) + ((valueLength + 7) >>> 3);
}

/** Bytes of the value area, those of a tombstone that was written in place included. */
export function storedValueLength(log: Int32Array, address: number): number {
  const meta = log[address * 2 + META];
  return meta < 0 ? log[address * 2 + wordsBeforeKey(meta) - 1] : meta & MAX_SHORT_VALUE_BYTES;
}

export function unitsOf(log: Int32Array, address: number): number {
  const meta = log[address * 2 + META];
  return recordUnits(meta, storedValueLength(log, address));
}

/** Address (in units, not of a record) where the value begins. */
export function valueUnit(log: Int32Array, address: number): number {
  const meta = log[address * 2 + META];
  return address + headUnits(meta);
}

/** Is a record garbage once epoch `completed` is durable? Dead records (-1) are, newest versions (0) are not. */
export function isGarbage(superseded: number, completed: number): boolean {
  return superseded !== 0 && superseded <= completed;
}

/** Does the record hold this key? `words` and `word` are where the key lies, padded with zero bytes to a multiple of 4. */
export function keyEquals(log: Int32Array, address: number, words: Int32Array, word: number, length: number): boolean {
  const meta = log[address * 2 + META];
  if (keyLengthOf(meta) !== length) return false;
  const at = keyWordOf(address, meta);
  const count = (length + 3) >>> 2;
  for (let i = 0; i < count; i++) if (log[at + i] !== words[word + i]) return false;
  return true;
}

/**
 * Writes header and key, and the value length of a long record; the value area is left as it is.
 *
 * @param meta  from `metaOf`, with or without tombstone
 */
export function writeHead(
  log: Int32Array,
  address: number,
  hash: number,
  previous: number,
  epoch: number,
  meta: number,
  valueLength: number,
  words: Int32Array,
  word: number,
): void {
  const at = address * 2;
  log[at + PREVIOUS] = previous;
  log[at + EPOCH] = epoch;
  log[at + SUPERSEDED] = 0;
  log[at + META] = meta;
  if (bareOf(meta) === 0) log[at + HASH] = hash;
  const keyWord = keyWordOf(address, meta);
  if (meta < 0) log[keyWord - 1] = valueLength;
  const keyLength = keyLengthOf(meta);
  const count = (keyLength + 3) >>> 2;
  for (let i = 0; i < count; i++) log[keyWord + i] = words[word + i];
  // The word between an odd key and the value: written so that recycled memory never shows.
  if (((keyWord + count) & 1) !== 0) log[keyWord + count] = 0;
}

/** The same with hash and key of another record of the log. */
export function writeHeadLike(
  log: Int32Array,
  address: number,
  source: number,
  previous: number,
  epoch: number,
  meta: number,
  valueLength: number,
): void {
  const word = keyWordOf(source, log[source * 2 + META]);
  writeHead(log, address, keyHashOf(log, source), previous, epoch, meta, valueLength, log, word);
}

/**
 * Writes whole records of `epoch` side by side from `address` on: the entries of a batch from `from` to `to`, none of them long.
 *
 * @param meta  of each of them, from `metaOf`
 */
export function writeEntries(
  log: Int32Array,
  address: number,
  epoch: number,
  meta: number,
  batch: EntryBatch,
  from: number,
  to: number,
): void {
  const { hashes, keyWords, valueWords, keyLength, valueLength } = batch;
  const source = batch.memory.i32;
  const isBare = bareOf(meta) === 1;
  const keyAt = wordsBeforeKey(meta);
  const wordsOfKey = keyLength >>> 2;
  const wordsOfValue = valueLength >>> 2;
  const valueAt = headUnits(meta) * 2;
  const words = recordUnits(meta, valueLength) * 2;
  for (let i = from, at = address * 2; i < to; i++, at += words) {
    log[at + PREVIOUS] = 0;
    log[at + EPOCH] = epoch;
    log[at + SUPERSEDED] = 0;
    log[at + META] = meta;
    if (!isBare) log[at + HASH] = hashes[i];
    // Padding first, where there is any: the word before the value, and the last one.
    log[at + valueAt - 1] = 0;
    log[at + words - 1] = 0;
    const key = keyWords[i];
    for (let word = 0; word < wordsOfKey; word++) log[at + keyAt + word] = source[key + word];
    const value = valueWords[i];
    for (let word = 0; word < wordsOfValue; word++) log[at + valueAt + word] = source[value + word];
  }
}

/** From here on `fill` and `copyWithin` beat a loop. */
const NATIVE_WORDS = 64;

export function zeroUnits(log: Int32Array, unit: number, count: number): void {
  const from = unit * 2;
  const to = from + count * 2;
  if (count * 2 >= NATIVE_WORDS) {
    log.fill(0, from, to);
    return;
  }
  for (let i = from; i < to; i++) log[i] = 0;
}

export function copyUnits(log: Int32Array, from: number, to: number, count: number): void {
  const source = from * 2;
  const target = to * 2;
  const words = count * 2;
  if (words >= NATIVE_WORDS) {
    log.copyWithin(target, source, source + words);
    return;
  }
  for (let i = 0; i < words; i++) log[target + i] = log[source + i];
}

/** Word index of a byte offset that is a multiple of 4; small integers stay small integers. */
export function wordOf(at: number): number {
  return at <= 0x7fffffff ? at >>> 2 : at / 4;
}
