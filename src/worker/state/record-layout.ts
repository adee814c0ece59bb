/**
 * A record of the state log. All words are of 32 bits in the byte order of the machine; addresses are in units of 8 bytes, so
 * that the index of a word, address * 2, is a small integer up to 8 GiB. Every record begins at a multiple of 8.
 *
 * | word | field      | meaning                                                                    | written by                |
 * |-----:|------------|----------------------------------------------------------------------------|---------------------------|
 * |    0 | hash       | the hash that the caller gave: order and key group                         | once                      |
 * |    1 | previous   | address of the version before this one, 0 = none                           | owner; cleaner, rollback  |
 * |    2 | epoch      | epoch in which the record was written                                      | once                      |
 * |    3 | superseded | 0 = newest version, e = replaced in epoch e, -1 = dead: of no use to anyone | owner                     |
 * |    4 | meta       | bit 31 long, bit 30 tombstone, bits 13-29 key length, bits 0-12 value length | owner, in its epoch       |
 * |    5 | key        | key, padded with zero bytes to a multiple of 4                             | once                      |
 * |   .. | value      | from the next multiple of 8 on, padded likewise                            | owner, in its epoch       |
 *
 * A value longer than 8191 bytes makes the record *long*: word 5 is the value length then and the key begins at word 6.
 * Twenty bytes of header are deliberate: with a key of 4 bytes and a value of 8, the commonest state of all (a count by number), the
 * record is 32 bytes (`ALIGNED_UNITS`) and never straddles a cache line.
 *
 * Limits: keys 65536 bytes, values 64 MiB.
 */
import { assert } from '../../format/assert.ts';

export const HASH = 0;
export const PREVIOUS = 1;
export const EPOCH = 2;
export const SUPERSEDED = 3;
export const META = 4;
export const KEY = 5;
/** Word of the value length in a long record. */
const LONG_VALUE_LENGTH = 5;

/** `superseded` of a record that no reader, no rollback and no index entry needs. */
export const DEAD = -1;

export const MAX_KEY_BYTES = 65536;
export const MAX_VALUE_BYTES = 64 * 1024 * 1024;
/** Longest value whose length fits in `meta`. */
export const MAX_SHORT_VALUE_BYTES = 8191;

/** Units of the records that lie in one cache line, if all records of the map are of this size or less. */
export const ALIGNED_UNITS = 4;

const TOMBSTONE = 1 << 30;
const KEY_LENGTH_SHIFT = 13;
const KEY_LENGTH_MASK = 0x1ffff;
assert(MAX_KEY_BYTES <= KEY_LENGTH_MASK && MAX_SHORT_VALUE_BYTES === (1 << KEY_LENGTH_SHIFT) - 1, 'lengths fit their bits');

/** Meta word of a record that is no tombstone. A long one needs its value length in word 5 too. */
export function metaOf(keyLength: number, valueLength: number): number {
  return valueLength <= MAX_SHORT_VALUE_BYTES
    ? (keyLength << KEY_LENGTH_SHIFT) | valueLength
    : (keyLength << KEY_LENGTH_SHIFT) | (1 << 31);
}

/** 1 for a long record, else 0: what the key's place and the header's size depend on. */
function longOf(meta: number): number {
  return meta >>> 31;
}

export function keyLengthOf(meta: number): number {
  return (meta >>> KEY_LENGTH_SHIFT) & KEY_LENGTH_MASK;
}

/** Word index of the key of the record at `address`. */
export function keyWordOf(address: number, meta: number): number {
  return address * 2 + KEY + longOf(meta);
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
export function headUnits(keyLength: number, long: number): number {
  return (KEY + 1 + long + ((keyLength + 3) >>> 2)) >>> 1;
}

/** Units of a whole record. */
export function recordUnits(keyLength: number, valueLength: number): number {
  return headUnits(keyLength, valueLength <= MAX_SHORT_VALUE_BYTES ? 0 : 1) + ((valueLength + 7) >>> 3);
}

/** Bytes of the value area, those of a tombstone that was written in place included. */
export function storedValueLength(log: Int32Array, address: number): number {
  const meta = log[address * 2 + META];
  return meta < 0 ? log[address * 2 + LONG_VALUE_LENGTH] : meta & MAX_SHORT_VALUE_BYTES;
}

export function unitsOf(log: Int32Array, address: number): number {
  const meta = log[address * 2 + META];
  return headUnits(keyLengthOf(meta), longOf(meta)) + ((storedValueLength(log, address) + 7) >>> 3);
}

/** Address (in units, not of a record) where the value begins. */
export function valueUnit(log: Int32Array, address: number): number {
  const meta = log[address * 2 + META];
  return address + headUnits(keyLengthOf(meta), longOf(meta));
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
  log[at + HASH] = hash;
  log[at + PREVIOUS] = previous;
  log[at + EPOCH] = epoch;
  log[at + SUPERSEDED] = 0;
  log[at + META] = meta;
  if (meta < 0) log[at + LONG_VALUE_LENGTH] = valueLength;
  const keyWord = keyWordOf(address, meta);
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
  writeHead(log, address, log[source * 2 + HASH], previous, epoch, meta, valueLength, log, word);
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
