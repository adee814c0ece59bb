/**
 * Which map keys a user key has: the directory of a map state. Reads and updates of existing map entries never touch it;
 * adding and removing one touches one bucket of about eight keys.
 *
 * Buckets are those of linear hashing: with n keys there are `ceil(n / 8)` of them, a key lies in the one that its hash
 * says, and one key more or less splits or joins at most one bucket. Number and content of the buckets depend on the set
 * of keys only, not on the order in which they came and went, so equal maps have equal digests; a linked list through the
 * entries, which would be simpler, has not this property.
 *
 * An entry is a bucket; its sub key (see `composite-key.ts`) is the word 0 (DIRECTORY) and the bucket's number. An empty
 * bucket has no entry, except that bucket 0 is there as long as the map has keys. Value:
 *
 * | offset | size | type | field    | meaning                                                                        |
 * |-------:|-----:|------|----------|--------------------------------------------------------------------------------|
 * |      0 |    4 | u32  | count    | keys of the whole map in bucket 0; 0 in the others                             |
 * |      4 |    4 | u32  | used     | bytes of keys in this bucket                                                   |
 * |      8 | used | -    | keys     | in order of their bytes: u32 length, the encoded key, zero bytes to a multiple |
 * |        |      |      |          | of 4                                                                           |
 * |     .. |    - | -    | room     | zero bytes to a multiple of 32                                                 |
 *
 * Source: W. Litwin, Linear Hashing: a new tool for file and table addressing, VLDB 1980.
 */
import { assert } from '../../../format/assert.ts';
import type { KeyRef } from '../../../format/codec.ts';
import { compareBytes, copyBytes } from '../../../format/copy-bytes.ts';
import { hashKey } from '../../../format/hash.ts';
import type { Memory } from '../../../format/memory.ts';
import type { StateMap } from '../state-map.ts';
import type { CompositeKey } from './composite-key.ts';
import { RowScratch } from './row-scratch.ts';

/** First word of the sub keys of buckets. */
export const DIRECTORY = 0;
const HEADER_BYTES = 8;
const KEYS_PER_BUCKET = 8;
const ROOM_BYTES = 32;

/** Encoded keys, copied out of the state log. Given back with `release`, its memory is used again: making some costs as much as ten entries. */
export interface KeyList {
  readonly scratch: RowScratch;
  readonly memory: Memory;
  /** Byte offset of the length of each key, in order of the keys' bytes; the key follows its length. */
  readonly at: Uint32Array;
}

/** Packed keys of one bucket, in scratch memory. */
class Bucket {
  readonly scratch = new RowScratch();
  used = 0;
}

export class MapDirectory {
  readonly #map: StateMap;
  readonly #key: CompositeKey;
  readonly #old = new Bucket();
  readonly #left = new Bucket();
  readonly #right = new Bucket();
  /** For `list`: as many as lists were in use at once. */
  readonly #free: RowScratch[] = [];

  constructor(map: StateMap, key: CompositeKey) {
    this.#map = map;
    this.#key = key;
  }

  /** Keys of the current user key. */
  get count(): number {
    const address = this.#find(0);
    return address === 0 ? 0 : this.#map.memory.u32[this.#map.valueAt(address) / 4];
  }

  /** Adds a key that is not there. */
  add(key: KeyRef): void {
    const { count } = this;
    const buckets = bucketCount(count + 1);
    if (count > 0 && buckets > bucketCount(count)) this.#split(buckets - 1, count);
    const bucket = bucketOf(key.hash, buckets);
    this.#read(bucket, this.#old);
    insertKey(this.#old, key, this.#left);
    if (bucket === 0) this.#write(0, this.#left, count + 1);
    else {
      this.#write(bucket, this.#left, 0);
      this.#setCount(count + 1);
    }
  }

  /** Removes a key that is there. */
  remove(key: KeyRef): void {
    const { count } = this;
    const buckets = bucketCount(count);
    const bucket = bucketOf(key.hash, buckets);
    this.#read(bucket, this.#old);
    removeKey(this.#old, key, this.#left);
    this.#write(bucket, this.#left, bucket === 0 ? count - 1 : 0);
    if (bucket !== 0) this.#setCount(count - 1);
    if (count > 1 && bucketCount(count - 1) < buckets) this.#join(buckets - 1, count - 1);
  }

  /** Copies all keys of the current user key. */
  list(): KeyList {
    const { count } = this;
    const buckets = count === 0 ? 0 : bucketCount(count);
    const content = this.#free.pop() ?? new RowScratch();
    const at = new Uint32Array(count);
    let filled = 0;
    let keys = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      this.#read(bucket, this.#old);
      const { used, scratch } = this.#old;
      const memory = content.reserve(filled + used);
      copyBytes(scratch.memory, 0, memory, filled, used);
      for (let entry = filled; entry < filled + used; entry += entryBytes(memory, entry)) at[keys++] = entry;
      filled += used;
    }
    assert(keys === count, 'a map directory has as many keys as it counts');
    const { memory } = content;
    sortEntries(memory, at);
    return { scratch: content, memory, at };
  }

  release(list: KeyList): void {
    this.#free.push(list.scratch);
  }

  /** Removes the directory; the caller removes the entries. */
  clear(): void {
    for (let bucket = bucketCount(this.count) - 1; bucket >= 0; bucket--) {
      this.#key.words(DIRECTORY, bucket);
      this.#key.delete(this.#map);
    }
  }

  /** Makes bucket `added` (the last one) out of the keys of the bucket that it splits. */
  #split(added: number, count: number): void {
    const source = buddyOf(added);
    this.#read(source, this.#old);
    const { used, scratch } = this.#old;
    const { memory } = scratch;
    this.#left.used = 0;
    this.#right.used = 0;
    for (let at = 0; at < used; at += entryBytes(memory, at)) {
      const hash = hashKey(memory, at + 4, memory.u32[at >>> 2]);
      appendEntry(bucketOf(hash, added + 1) === source ? this.#left : this.#right, memory, at);
    }
    this.#write(source, this.#left, source === 0 ? count : 0);
    this.#write(added, this.#right, 0);
  }

  /** Gives the keys of bucket `removed` (the last one) back to the bucket that it was split from. */
  #join(removed: number, count: number): void {
    const target = buddyOf(removed);
    this.#read(removed, this.#right);
    this.#read(target, this.#old);
    mergeKeys(this.#old, this.#right, this.#left);
    this.#write(target, this.#left, target === 0 ? count : 0);
    this.#right.used = 0;
    this.#write(removed, this.#right, 0);
  }

  #find(bucket: number): number {
    this.#key.words(DIRECTORY, bucket);
    return this.#key.find(this.#map);
  }

  #read(bucket: number, to: Bucket): void {
    const address = this.#find(bucket);
    to.used = 0;
    if (address === 0) return;
    const { memory } = this.#map;
    const at = this.#map.valueAt(address);
    to.used = memory.u32[at / 4 + 1];
    copyBytes(memory, at + HEADER_BYTES, to.scratch.reserve(to.used), 0, to.used);
  }

  #write(bucket: number, from: Bucket, count: number): void {
    this.#key.words(DIRECTORY, bucket);
    if (from.used === 0 && count === 0) {
      this.#key.delete(this.#map);
      return;
    }
    const length = Math.ceil((HEADER_BYTES + from.used) / ROOM_BYTES) * ROOM_BYTES;
    const address = this.#key.upsert(this.#map, length);
    const { memory } = this.#map;
    const at = this.#map.valueAt(address);
    memory.u32[at / 4] = count;
    memory.u32[at / 4 + 1] = from.used;
    copyBytes(from.scratch.memory, 0, memory, at + HEADER_BYTES, from.used);
    memory.u32.fill(0, (at + HEADER_BYTES + from.used) / 4, (at + length) / 4);
  }

  #setCount(count: number): void {
    const found = this.#find(0);
    // Bucket 0 may have lost its last key while others have some, and it is there all the same, for the count.
    assert(found !== 0, 'bucket 0 is there as long as the map has keys');
    const address = this.#key.upsert(this.#map, this.#map.valueLength(found));
    this.#map.memory.u32[this.#map.valueAt(address) / 4] = count;
  }
}

/** Buckets of a directory with `count` keys. */
function bucketCount(count: number): number {
  return Math.max(1, Math.ceil(count / KEYS_PER_BUCKET));
}

/** Bucket of a key hash among `buckets`. */
function bucketOf(hash: number, buckets: number): number {
  const low = highestBit(buckets);
  const bucket = hash & (2 * low - 1);
  return bucket < buckets ? bucket : hash & (low - 1);
}

/** The bucket that `bucket` was split from. */
function buddyOf(bucket: number): number {
  return bucket - highestBit(bucket);
}

function highestBit(n: number): number {
  return 1 << (31 - Math.clz32(n));
}

/** Bytes of the packed key at `at`: its length word, its bytes and their padding. */
function entryBytes(memory: Memory, at: number): number {
  return 4 + ((memory.u32[at >>> 2] + 3) & ~3);
}

function compareEntries(a: Memory, aAt: number, b: Memory, bAt: number): number {
  return compareBytes(a, aAt + 4, a.u32[aAt >>> 2], b, bAt + 4, b.u32[bAt >>> 2]);
}

/** From here on `sort` beats insertion; it costs a call for each comparison. */
const NATIVE_SORT_ENTRIES = 64;

function sortEntries(memory: Memory, at: Uint32Array): void {
  if (at.length >= NATIVE_SORT_ENTRIES) {
    at.sort((a, b) => compareEntries(memory, a, memory, b));
    return;
  }
  for (let i = 1; i < at.length; i++) {
    const entry = at[i];
    let hole = i;
    for (; hole > 0 && compareEntries(memory, at[hole - 1], memory, entry) > 0; hole--) at[hole] = at[hole - 1];
    at[hole] = entry;
  }
}

function appendEntry(to: Bucket, from: Memory, at: number): void {
  const bytes = entryBytes(from, at);
  copyBytes(from, at, to.scratch.reserve(to.used + bytes), to.used, bytes);
  to.used += bytes;
}

function appendKey(to: Bucket, key: KeyRef): void {
  const bytes = 4 + ((key.length + 3) & ~3);
  const memory = to.scratch.reserve(to.used + bytes);
  memory.u32[(to.used + bytes) / 4 - 1] = 0;
  memory.u32[to.used / 4] = key.length;
  copyBytes(key.memory, key.at, memory, to.used + 4, key.length);
  to.used += bytes;
}

/** `from` and the key, in order, to `to`. */
function insertKey(from: Bucket, key: KeyRef, to: Bucket): void {
  const { memory } = from.scratch;
  to.used = 0;
  let at = 0;
  for (; at < from.used; at += entryBytes(memory, at)) {
    if (compareBytes(memory, at + 4, memory.u32[at >>> 2], key.memory, key.at, key.length) > 0) break;
    appendEntry(to, memory, at);
  }
  appendKey(to, key);
  for (; at < from.used; at += entryBytes(memory, at)) appendEntry(to, memory, at);
}

function removeKey(from: Bucket, key: KeyRef, to: Bucket): void {
  const { memory } = from.scratch;
  to.used = 0;
  for (let at = 0; at < from.used; at += entryBytes(memory, at)) {
    if (compareBytes(memory, at + 4, memory.u32[at >>> 2], key.memory, key.at, key.length) !== 0) appendEntry(to, memory, at);
  }
}

function mergeKeys(a: Bucket, b: Bucket, to: Bucket): void {
  to.used = 0;
  let at = 0;
  let bAt = 0;
  while (at < a.used || bAt < b.used) {
    if (bAt >= b.used || (at < a.used && compareEntries(a.scratch.memory, at, b.scratch.memory, bAt) < 0)) {
      appendEntry(to, a.scratch.memory, at);
      at += entryBytes(a.scratch.memory, at);
    } else {
      appendEntry(to, b.scratch.memory, bAt);
      bAt += entryBytes(b.scratch.memory, bAt);
    }
  }
}
