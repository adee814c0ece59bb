/**
 * The keyed state map: a fold-over log in shared memory (after FASTER; Chandramouli et al., SIGMOD 2018), with a hash index.
 *
 *     index                    log
 *     hash, address ------->   [hash previous epoch superseded meta | key | value]  newest version, mutable in its epoch
 *                                     |
 *                                     v
 *                              [hash previous epoch superseded meta | key | value]  older version, frozen
 *
 * A record is mutable while its epoch is the map's; `mark` begins the next epoch, and with that everything is frozen: an update
 * then copies the record to the tail of the log. So the records of an epoch are the entries that changed in it, with their final values,
 * and another thread can write them to a file (`DeltaReader`) while this one goes on.
 *
 * Threading: one thread at a time holds the lease of a map and calls the methods of this class. All that it changes stands in the shared
 * buffers, nothing in this object, so an object opened earlier in another thread is up to date as soon as that thread holds
 * the lease. Handing the lease over is the caller's: the old holder must end with a releasing Atomics operation (or a message) and
 * the new one begin with the acquiring one. A holder that dies in the middle of an operation leaves memory that is not to be trusted.
 *
 * Addresses: what `find` returns is valid until the next call that may change the map; what `upsert` returns, the address of a record of the
 * current epoch, until the next `mark`, `clean` or `rollback`, or until the same key gets a value of another length or is deleted.
 *
 * Invariants:
 * - The index points at the newest version of each key, tombstones included, and at nothing else.
 * - Per key and epoch at most one record is not dead; `previous` leads through older and older epochs, and is valid for as long as the
 *   record's own epoch is newer than the last completed one.
 * - `size` and `liveUnits` count the newest versions that are no tombstones.
 * - An operation that fails for lack of room has changed nothing.
 *
 * Layouts: record-layout.ts, control-layout.ts, segment-table.ts, index-table.ts.
 */
import { assert } from '../../format/assert.ts';
import { NATIVE_COPY_BYTES } from '../../format/copy-bytes.ts';
import type { EntryBatch } from '../../format/entry-batch.ts';
import type { TidemarkError } from '../../format/errors.ts';
import { Memory } from '../../format/memory.ts';
import { findNewest, findNewestOfKeys, touch, touchHomes } from './batch.ts';
import { StateCleaner } from './cleaner.ts';
import {
  CHANGED_UNITS,
  COMPLETED,
  CURRENT_EPOCH,
  IN_USE,
  INDEX_MODE,
  LIVE_UNITS,
  SEARCH_WANTED,
  SIZE,
} from './control-layout.ts';
import { GIVEN, type IndexTable } from './index-table.ts';
import {
  EPOCH,
  isTombstoneMeta,
  keyHashOf,
  keyLengthOf,
  keyWordOf,
  MAX_SHORT_VALUE_BYTES,
  META,
  metaOf,
  recordUnits,
  SUPERSEDED,
  storedValueLength,
  unitsOf,
  valueUnit,
  wordOf,
} from './record-layout.ts';
import { RecordWriter } from './record-writer.ts';
import { rollBack } from './rollback.ts';
import { OPEN } from './segment-table.ts';
import { memoryLimitReached } from './state-errors.ts';
import type { StateMap, StateMapHandles, StateMapOptions } from './state-map.ts';
import { reserveStateMemory, StateMemory } from './state-memory.ts';

export { pinReader, unpinReader } from './reader-pins.ts';

/** Segments that entries leave free: one for tombstones, so that a full map can be made emptier, and one for the cleaner. */
const ENTRY_RESERVE = 2;
const TOMBSTONE_RESERVE = 1;
/** Keys whose index slots and records are touched together. 16 to 256 are equally fast. */
const BATCH = 128;
/** Homes of a growing index that a batch moves first: 30 microseconds. */
const HOMES_PER_BATCH = 4096;

/**
 * Creates a map. Its memory is reserved, not committed, so a high limit costs nothing.
 *
 * @throws TidemarkError ERR_STATE_MEMORY_LIMIT when the machine refuses even a small reservation
 */
export function createStateMap(options: StateMapOptions): StateMap {
  return new LogStateMap(reserveStateMemory(options), options.label);
}

/** Opens a map that another thread created or opened. A few microseconds; needs no lease. */
export function openStateMap(handles: StateMapHandles, options: Pick<StateMapOptions, 'label'>): StateMap {
  return new LogStateMap(handles, options.label);
}

class LogStateMap implements StateMap {
  readonly memory: Memory;

  readonly #map: StateMemory;
  readonly #cleaner: StateCleaner;
  readonly #writer: RecordWriter;
  readonly #label: string;
  readonly #ctl: Int32Array;
  readonly #log: Int32Array;
  readonly #index: IndexTable;
  readonly #slots: Int32Array;
  /** What touching memory read: kept, so that the reads are not optimised away. */
  touched = 0;
  /** One key of `upsertWords`, for the general path. */
  readonly #key = Memory.local(8);
  /** Addresses of `prefetch`. */
  readonly #scratch = new Uint32Array(BATCH);

  constructor(handles: StateMapHandles, label: string) {
    this.#map = new StateMemory(handles);
    this.#cleaner = new StateCleaner(this.#map);
    this.#writer = new RecordWriter(this.#map, label);
    this.#label = label;
    this.memory = this.#map.memory;
    this.#ctl = this.#map.ctl;
    this.#log = this.#map.log;
    this.#index = this.#map.index;
    this.#slots = this.#index.slots;
  }

  get size(): number {
    return this.#ctl[SIZE];
  }

  get created(): boolean {
    return this.#writer.created;
  }

  get usedBytes(): number {
    return this.#ctl[IN_USE] * this.#map.segments.units * 8;
  }

  get liveBytes(): number {
    return this.#ctl[LIVE_UNITS] * 8;
  }

  get changedBytes(): number {
    return this.#ctl[CHANGED_UNITS] * 8;
  }

  get epoch(): number {
    return this.#ctl[CURRENT_EPOCH];
  }

  get completed(): number {
    return this.#ctl[COMPLETED];
  }

  handles(): StateMapHandles {
    return this.#map.handles;
  }

  find(hash: number, from: Memory, at: number, length: number): number {
    const slot = this.#index.search(this.#indexHash(hash, from, at, length), from.i32, wordOf(at), length);
    const address = this.#slots[slot * 2 + 1];
    return address !== 0 && isTombstoneMeta(this.#log[address * 2 + META]) ? 0 : address;
  }

  upsert(hash: number, from: Memory, at: number, length: number, valueLength: number): number {
    const log = this.#log;
    const indexHash = this.#indexHash(hash, from, at, length);
    const slot = this.#index.search(indexHash, from.i32, wordOf(at), length);
    const address = this.#slots[slot * 2 + 1];
    const isMutable = address !== 0 && log[address * 2 + EPOCH] === this.#ctl[CURRENT_EPOCH];
    if (
      isMutable &&
      log[address * 2 + META] === metaOf(length, valueLength, this.#map.derivesHash) &&
      valueLength <= MAX_SHORT_VALUE_BYTES
    ) {
      this.#writer.created = false;
      return address;
    }
    return this.#write(slot, indexHash, address, hash, from, at, length, valueLength);
  }

  isNewest(address: number): boolean {
    return this.#log[address * 2 + SUPERSEDED] === 0 && !isTombstoneMeta(this.#log[address * 2 + META]);
  }

  isMutable(address: number, valueLength: number): boolean {
    return this.#log[address * 2 + EPOCH] === this.#ctl[CURRENT_EPOCH] && storedValueLength(this.#log, address) === valueLength;
  }

  delete(hash: number, from: Memory, at: number, length: number): boolean {
    const slot = this.#index.search(this.#indexHash(hash, from, at, length), from.i32, wordOf(at), length);
    const address = this.#slots[slot * 2 + 1];
    if (address === 0 || isTombstoneMeta(this.#log[address * 2 + META])) return false;
    if (this.#writer.remove(slot, address)) return true;
    this.#openTail(this.#unitsOf(length, 0), TOMBSTONE_RESERVE);
    return this.delete(hash, from, at, length);
  }

  valueAt(address: number): number {
    return valueUnit(this.#log, address) * 8;
  }

  valueLength(address: number): number {
    return storedValueLength(this.#log, address);
  }

  keyAt(address: number): number {
    return keyWordOf(address, this.#log[address * 2 + META]) * 4;
  }

  keyLength(address: number): number {
    return keyLengthOf(this.#log[address * 2 + META]);
  }

  hashAt(address: number): number {
    return keyHashOf(this.#log, address) >>> 0;
  }

  prefetch(hashes: Uint32Array, count: number): number {
    let touched = 0;
    for (let from = 0; from < count; from += BATCH) {
      touched ^= touch(this.#map, hashes, from, Math.min(from + BATCH, count), this.#scratch);
    }
    return touched;
  }

  locateWords(hashes: Uint32Array, keys: Uint32Array, words: 1 | 2, count: number, addresses: Uint32Array): void {
    if (this.#ctl[INDEX_MODE] !== GIVEN) {
      addresses.fill(0, 0, count);
      return;
    }
    const meta = metaOf(words * 4, 0, this.#map.derivesHash);
    for (let from = 0; from < count; from += BATCH) {
      const to = Math.min(from + BATCH, count);
      this.touched ^= findNewest(this.#map, meta, ~MAX_SHORT_VALUE_BYTES, hashes, keys, words, from, to, addresses);
    }
  }

  locateKeys(
    hashes: Uint32Array,
    from: Memory,
    keyAt: Uint32Array,
    lengths: Uint32Array,
    count: number,
    addresses: Uint32Array,
  ): void {
    if (this.#ctl[INDEX_MODE] !== GIVEN) {
      addresses.fill(0, 0, count);
      return;
    }
    for (let start = 0; start < count; start += BATCH) {
      const end = Math.min(start + BATCH, count);
      this.touched ^= findNewestOfKeys(this.#map, -1, hashes, from, keyAt, lengths, start, end, addresses);
    }
  }

  upsertWords(
    hashes: Uint32Array,
    keys: Uint32Array,
    words: 1 | 2,
    count: number,
    valueLength: number,
    addresses: Uint32Array,
  ): void {
    const ctl = this.#ctl;
    const log = this.#log;
    const key = this.#key;
    const epoch = ctl[CURRENT_EPOCH];
    const isShort = valueLength <= MAX_SHORT_VALUE_BYTES;
    const meta = metaOf(words * 4, valueLength, this.#map.derivesHash);
    for (let from = 0; from < count; from += BATCH) {
      const to = Math.min(from + BATCH, count);
      if (this.#index.growing) this.#index.grow(HOMES_PER_BATCH);
      if (isShort && ctl[INDEX_MODE] === GIVEN) {
        this.touched ^= findNewest(this.#map, meta, -1, hashes, keys, words, from, to, addresses);
      } else addresses.fill(0, from, to);
      for (let i = from; i < to; i++) {
        const address = addresses[i];
        if (address !== 0) {
          if (log[(address << 1) + EPOCH] === epoch) continue;
          addresses[i] = this.#writer.copyForward(hashes[i] | 0, address);
          if (addresses[i] !== 0) continue;
        }
        key.u32[0] = keys[i * words];
        if (words === 2) key.u32[1] = keys[i * 2 + 1];
        addresses[i] = this.upsert(hashes[i], key, 0, words * 4, valueLength);
      }
    }
  }

  upsertKeys(
    hashes: Uint32Array,
    from: Memory,
    keyAt: Uint32Array,
    lengths: Uint32Array,
    count: number,
    valueLength: number,
    addresses: Uint32Array,
  ): void {
    const ctl = this.#ctl;
    const log = this.#log;
    const epoch = ctl[CURRENT_EPOCH];
    const isShort = valueLength <= MAX_SHORT_VALUE_BYTES;
    for (let start = 0; start < count; start += BATCH) {
      const end = Math.min(start + BATCH, count);
      if (this.#index.growing) this.#index.grow(HOMES_PER_BATCH);
      if (isShort && ctl[INDEX_MODE] === GIVEN) {
        this.touched ^= findNewestOfKeys(this.#map, valueLength, hashes, from, keyAt, lengths, start, end, addresses);
      } else addresses.fill(0, start, end);
      for (let i = start; i < end; i++) {
        const address = addresses[i];
        if (address !== 0) {
          if (log[(address << 1) + EPOCH] === epoch) continue;
          addresses[i] = this.#writer.copyForward(hashes[i] | 0, address);
          if (addresses[i] !== 0) continue;
        }
        addresses[i] = this.upsert(hashes[i], from, keyAt[i], lengths[i], valueLength);
      }
    }
  }

  mark(nextEpoch: number): void {
    const { tail, cleanTail } = this.#map;
    assert(nextEpoch > this.#ctl[CURRENT_EPOCH], 'epochs grow');
    tail.publish();
    cleanTail.publish();
    this.#ctl[CURRENT_EPOCH] = nextEpoch;
    this.#ctl[CHANGED_UNITS] = 0;
  }

  complete(epoch: number): void {
    const ctl = this.#ctl;
    assert(epoch < ctl[CURRENT_EPOCH], 'only an epoch that has ended can be complete');
    if (epoch <= ctl[COMPLETED]) return;
    ctl[COMPLETED] = epoch;
    ctl[SEARCH_WANTED] = 1;
  }

  rollback(epoch: number): void {
    this.#cleaner.reset();
    rollBack(this.#map, epoch);
  }

  clean(budgetMs: number): boolean {
    const index = this.#index;
    const deadlineMs = performance.now() + budgetMs;
    while (index.growing) {
      index.grow(HOMES_PER_BATCH);
      if (performance.now() >= deadlineMs) return true;
    }
    return this.#cleaner.run(deadlineMs);
  }

  addresses(): Uint32Array {
    const log = this.#log;
    const { segments } = this.#map;
    const result = new Uint32Array(this.size);
    const { highWater } = segments;
    let count = 0;
    for (let head = 0; head < highWater; head++) {
      if (!segments.isHead(head)) continue;
      const end = this.#map.endOf(head);
      for (let at = segments.startOf(head); at < end; at += unitsOf(log, at)) {
        if (log[at * 2 + SUPERSEDED] === 0 && !isTombstoneMeta(log[at * 2 + META])) result[count++] = at;
      }
    }
    assert(count === result.length, 'every live entry has one newest version');
    return result;
  }

  load(
    hash: number,
    from: Memory,
    keyAt: number,
    keyLength: number,
    valueFrom: Memory,
    valueAt: number,
    valueLength: number,
  ): void {
    this.#index.add(hash, this.place(hash, from, keyAt, keyLength, valueFrom, valueAt, valueLength));
  }

  place(
    hash: number,
    from: Memory,
    keyAt: number,
    keyLength: number,
    valueFrom: Memory,
    valueAt: number,
    valueLength: number,
  ): number {
    const address = this.#writer.place(hash, from, keyAt, keyLength, valueFrom, valueAt, valueLength);
    if (address !== 0) return address;
    this.#openCleanTail(this.#unitsOf(keyLength, valueLength));
    return this.#writer.place(hash, from, keyAt, keyLength, valueFrom, valueAt, valueLength);
  }

  placeBatch(batch: EntryBatch, addresses: Uint32Array): void {
    const { memory, count, keyLength, valueLength, hashes, keyWords, valueWords } = batch;
    if (valueLength >= NATIVE_COPY_BYTES) {
      for (let i = 0; i < count; i++)
        addresses[i] = this.place(hashes[i], memory, keyWords[i] * 4, keyLength, memory, valueWords[i] * 4, valueLength);
      return;
    }
    for (let done = 0; done < count; ) {
      const placed = this.#writer.placeBatch(batch, done, addresses);
      if (placed === 0) this.#openCleanTail(this.#unitsOf(keyLength, valueLength));
      done += placed;
    }
  }

  addPlaced(hashes: Uint32Array, addresses: Uint32Array, count: number): void {
    for (let from = 0; from < count; from += BATCH) {
      const to = Math.min(from + BATCH, count);
      this.touched ^= touchHomes(this.#map, hashes, from, to);
      for (let i = from; i < to; i++) this.#index.add(hashes[i], addresses[i]);
    }
  }

  #unitsOf(keyLength: number, valueLength: number): number {
    return recordUnits(metaOf(keyLength, valueLength, this.#map.derivesHash), valueLength);
  }

  #indexHash(hash: number, from: Memory, at: number, length: number): number {
    return this.#ctl[INDEX_MODE] === GIVEN ? hash | 0 : this.#index.hashOf(hash, from, at, length);
  }

  /** What `upsert` does when the newest version of the key, at `found` if there is one, cannot be written as it is. */
  #write(
    slot: number,
    indexHash: number,
    found: number,
    hash: number,
    from: Memory,
    at: number,
    length: number,
    valueLength: number,
  ): number {
    const writer = this.#writer;
    const address =
      found === 0 ? writer.insert(slot, indexHash, hash, from, at, length, valueLength) : writer.update(slot, found, valueLength);
    if (address !== 0) return address;
    // There was no room in the open segment, or no good slot. Making some changes what was found, so begin anew.
    if (found === 0 && this.#index.isFlooded(indexHash, slot)) this.#index.rekey();
    else this.#openTail(this.#unitsOf(length, valueLength), ENTRY_RESERVE);
    return this.upsert(hash, from, at, length, valueLength);
  }

  /** Opens a segment with room for `units` units, emptying others if there is none. */
  #openTail(units: number, reserve: number): void {
    const epoch = this.#ctl[CURRENT_EPOCH];
    while (!this.#map.tail.open(units, reserve, epoch, OPEN)) if (!this.#cleaner.emptyOne()) throw this.#limitError(units);
  }

  /** Opens a segment for entries that are loaded. */
  #openCleanTail(units: number): void {
    const epoch = this.#ctl[CURRENT_EPOCH] - 1;
    if (!this.#map.cleanTail.open(units, ENTRY_RESERVE, epoch, epoch)) throw this.#limitError(units);
  }

  #limitError(units: number): TidemarkError {
    const { usedBytes, liveBytes, size } = this;
    const limitBytes = this.#map.segments.count * this.#map.segments.units * 8;
    return memoryLimitReached({ label: this.#label, neededBytes: units * 8, usedBytes, liveBytes, limitBytes, entries: size });
  }
}
