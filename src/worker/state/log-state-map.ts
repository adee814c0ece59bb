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
import { copyBytes } from '../../format/copy-bytes.ts';
import type { TidemarkError } from '../../format/errors.ts';
import { Memory } from '../../format/memory.ts';
import { findMutable, touch } from './batch.ts';
import { StateCleaner } from './cleaner.ts';
import {
  COMPLETED,
  CURRENT_EPOCH,
  IN_USE,
  INDEX_MASK,
  INDEX_MODE,
  LIVE_UNITS,
  NEXT_MASK,
  SEARCH_WANTED,
  SIZE,
} from './control-layout.ts';
import { GIVEN, type IndexTable } from './index-table.ts';
import {
  copyUnits,
  DEAD,
  EPOCH,
  HASH,
  headUnits,
  isTombstoneMeta,
  KEY,
  keyLengthOf,
  keyWordOf,
  MAX_KEY_BYTES,
  MAX_SHORT_VALUE_BYTES,
  MAX_VALUE_BYTES,
  META,
  metaOf,
  PREVIOUS,
  recordUnits,
  SUPERSEDED,
  storedValueLength,
  unitsOf,
  valueUnit,
  withoutTombstone,
  withTombstone,
  wordOf,
  writeHead,
  writeHeadLike,
  zeroUnits,
} from './record-layout.ts';
import { checkLengths, memoryLimitReached } from './state-errors.ts';
import { rollBack } from './rollback.ts';
import { OPEN } from './segment-table.ts';
import type { StateMap, StateMapHandles, StateMapOptions } from './state-map.ts';
import { reserveStateMemory, StateMemory } from './state-memory.ts';

export { pinReader, unpinReader } from './reader-pins.ts';

/** Segments that entries leave free: one for tombstones, so that a full map can be made emptier, and one for the cleaner. */
const ENTRY_RESERVE = 2;
const TOMBSTONE_RESERVE = 1;
/** Keys whose index slots and records are touched together. 64 to 256 are equally fast. */
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
  created = false;

  readonly #map: StateMemory;
  readonly #cleaner: StateCleaner;
  readonly #label: string;
  readonly #ctl: Int32Array;
  readonly #log: Int32Array;
  readonly #index: IndexTable;
  readonly #slots: Int32Array;
  /** What touching memory read: written so that the reads are not optimised away. */
  #touched = 0;
  /** One key of `upsertWords`, for the general path. */
  readonly #key = Memory.local(8);

  constructor(handles: StateMapHandles, label: string) {
    this.#map = new StateMemory(handles);
    this.#cleaner = new StateCleaner(this.#map);
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

  get usedBytes(): number {
    return this.#ctl[IN_USE] * this.#map.segments.units * 8;
  }

  get liveBytes(): number {
    return this.#ctl[LIVE_UNITS] * 8;
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
    if (isMutable && log[address * 2 + META] === metaOf(length, valueLength) && valueLength <= MAX_SHORT_VALUE_BYTES) {
      this.created = false;
      return address;
    }
    return this.#write(slot, indexHash, address, hash, from, at, length, valueLength);
  }

  isMutable(address: number, valueLength: number): boolean {
    return this.#log[address * 2 + EPOCH] === this.#ctl[CURRENT_EPOCH] && storedValueLength(this.#log, address) === valueLength;
  }

  delete(hash: number, from: Memory, at: number, length: number): boolean {
    const slot = this.#index.search(this.#indexHash(hash, from, at, length), from.i32, wordOf(at), length);
    const address = this.#slots[slot * 2 + 1];
    if (address === 0 || isTombstoneMeta(this.#log[address * 2 + META])) return false;
    if (this.#bury(slot, address)) return true;
    this.#openTail(recordUnits(length, 0), TOMBSTONE_RESERVE);
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
    return this.#log[address * 2 + HASH] >>> 0;
  }

  prefetch(hashes: Uint32Array, count: number): number {
    return touch(this.#index, this.#log, hashes, count);
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
    const key = this.#key;
    const isShort = valueLength <= MAX_SHORT_VALUE_BYTES;
    const meta = metaOf(words * 4, valueLength);
    for (let from = 0; from < count; from += BATCH) {
      const to = Math.min(from + BATCH, count);
      if (this.#index.growing) this.#index.grow(HOMES_PER_BATCH);
      if (isShort && ctl[INDEX_MODE] === GIVEN && !this.#index.growing) {
        this.#touched ^= findMutable(this.#map, meta, hashes, keys, words, from, to, addresses);
      } else addresses.fill(0, from, to);
      for (let i = from; i < to; i++) {
        if (addresses[i] !== 0) continue;
        key.u32[0] = keys[i * words];
        if (words === 2) key.u32[1] = keys[i * 2 + 1];
        addresses[i] = this.upsert(hashes[i], key, 0, words * 4, valueLength);
      }
    }
  }

  mark(nextEpoch: number): void {
    const { tail, cleanTail } = this.#map;
    assert(nextEpoch > this.#ctl[CURRENT_EPOCH], 'epochs grow');
    tail.publish();
    cleanTail.publish();
    this.#ctl[CURRENT_EPOCH] = nextEpoch;
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
    const ctl = this.#ctl;
    const log = this.#log;
    const index = this.#index;
    const { segments, cleanTail } = this.#map;
    checkLengths(keyLength, valueLength, this.#label);
    const units = recordUnits(keyLength, valueLength);
    const epoch = ctl[CURRENT_EPOCH] - 1;
    const address = cleanTail.take(units);
    if (address === 0) {
      if (!cleanTail.open(units, ENTRY_RESERVE, epoch, epoch)) throw this.#limitError(units);
      this.load(hash, from, keyAt, keyLength, valueFrom, valueAt, valueLength);
      return;
    }
    segments.widenEpochs(cleanTail.segment, epoch);
    writeHead(log, address, hash, 0, epoch, metaOf(keyLength, valueLength), valueLength, from.i32, wordOf(keyAt));
    const value = valueUnit(log, address);
    if ((valueLength & 7) !== 0) zeroUnits(log, value + (valueLength >>> 3), 1);
    copyBytes(valueFrom, valueAt, this.memory, value * 8, valueLength);
    let indexHash = index.hashOfRecord(address);
    let slot = emptySlot(this.#slots, index.home(indexHash));
    if (index.isFlooded(indexHash, slot)) {
      index.rekey();
      indexHash = index.hashOfRecord(address);
      slot = emptySlot(this.#slots, index.home(indexHash));
    }
    index.fill(slot, indexHash, address);
    this.#count(units, 1);
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
    const address =
      found === 0 ? this.#insert(slot, indexHash, hash, from, at, length, valueLength) : this.#update(slot, found, valueLength);
    if (address !== 0) return address;
    // There was no room in the open segment, or no good slot. Making some changes what was found, so begin anew.
    if (found === 0 && this.#index.isFlooded(indexHash, slot)) this.#index.rekey();
    else this.#openTail(recordUnits(length, valueLength), ENTRY_RESERVE);
    return this.upsert(hash, from, at, length, valueLength);
  }

  /** Adds a key that is absent. Returns 0, having changed nothing, when there is no room or the slot is too far from its home. */
  #insert(slot: number, indexHash: number, hash: number, from: Memory, at: number, length: number, valueLength: number): number {
    const log = this.#log;
    const index = this.#index;
    const { tail } = this.#map;
    checkLengths(length, valueLength, this.#label);
    if (index.isFlooded(indexHash, slot)) return 0;
    const units = recordUnits(length, valueLength);
    const address = tail.take(units);
    if (address === 0) return 0;
    writeHead(log, address, hash, 0, this.#ctl[CURRENT_EPOCH], metaOf(length, valueLength), valueLength, from.i32, wordOf(at));
    this.#zeroValue(address, 0, units);
    index.fill(slot, indexHash, address);
    this.#count(units, 1);
    this.created = true;
    return address;
  }

  /** Makes the newest version of a key mutable and as long as wanted. Returns 0, having changed nothing, when there is no room. */
  #update(slot: number, address: number, valueLength: number): number {
    const ctl = this.#ctl;
    const log = this.#log;
    const word = address * 2;
    const meta = log[word + META];
    const epoch = ctl[CURRENT_EPOCH];
    const isOfEpoch = log[word + EPOCH] === epoch;
    if (isOfEpoch && storedValueLength(log, address) === valueLength) {
      this.created = isTombstoneMeta(meta);
      if (this.created) this.#revive(address);
      return address;
    }
    return this.#copy(slot, address, valueLength, isOfEpoch);
  }

  /** Turns a tombstone that was written in place, in this epoch, into an entry again. */
  #revive(address: number): void {
    const log = this.#log;
    const units = unitsOf(log, address);
    log[address * 2 + META] = withoutTombstone(log[address * 2 + META]);
    this.#zeroValue(address, 0, units);
    this.#map.segments.unretire(address, units);
    this.#count(units, 1);
  }

  /** Copies the newest version of a key to the tail, with a value of another length perhaps. */
  #copy(slot: number, address: number, valueLength: number, isOfEpoch: boolean): number {
    const log = this.#log;
    const { segments, tail } = this.#map;
    const word = address * 2;
    const meta = log[word + META];
    const keyLength = keyLengthOf(meta);
    checkLengths(keyLength, valueLength, this.#label);
    const units = recordUnits(keyLength, valueLength);
    const copy = tail.take(units);
    if (copy === 0) return 0;

    const epoch = this.#ctl[CURRENT_EPOCH];
    const wasTombstone = isTombstoneMeta(meta);
    // A version of this epoch is of no use to anyone any more: the copy takes its place in the chain.
    const previous = isOfEpoch ? log[word + PREVIOUS] : address;
    writeHeadLike(log, copy, address, previous, epoch, metaOf(keyLength, valueLength), valueLength);
    const kept = wasTombstone ? 0 : Math.min(storedValueLength(log, address), valueLength);
    copyUnits(log, valueUnit(log, address), valueUnit(log, copy), (kept + 7) >>> 3);
    this.#zeroValue(copy, kept, units);

    const oldUnits = unitsOf(log, address);
    Atomics.store(log, word + SUPERSEDED, isOfEpoch ? DEAD : epoch);
    if (!wasTombstone) {
      if (isOfEpoch) segments.bury(address, oldUnits);
      else segments.retire(address, oldUnits, epoch);
      this.#count(oldUnits, -1);
    }
    this.#slots[slot * 2 + 1] = copy;
    this.#count(units, 1);
    this.created = wasTombstone;
    return copy;
  }

  /** Zeroes the value of a record of `units` units from byte `from` on, padding included. */
  #zeroValue(address: number, from: number, units: number): void {
    const value = valueUnit(this.#log, address);
    const whole = value + ((from + 7) >>> 3);
    zeroUnits(this.#log, whole, address + units - whole);
    if ((from & 7) !== 0) this.memory.u8.fill(0, value * 8 + from, whole * 8);
  }

  /** Deletes the newest version of a key. False, having changed nothing, when there is no room for a tombstone. */
  #bury(slot: number, address: number): boolean {
    const log = this.#log;
    const { segments, tail } = this.#map;
    const word = address * 2;
    const meta = log[word + META];
    const units = unitsOf(log, address);
    const epoch = this.#ctl[CURRENT_EPOCH];
    if (log[word + EPOCH] !== epoch) {
      const keyLength = keyLengthOf(meta);
      const tombstone = tail.take(recordUnits(keyLength, 0));
      if (tombstone === 0) return false;
      writeHeadLike(log, tombstone, address, address, epoch, withTombstone(metaOf(keyLength, 0)), 0);
      Atomics.store(log, word + SUPERSEDED, epoch);
      segments.retire(address, units, epoch);
      segments.retire(tombstone, recordUnits(keyLength, 0), epoch);
      segments.noteTombstone(tombstone);
      this.#slots[slot * 2 + 1] = tombstone;
    } else if (log[word + PREVIOUS] !== 0) {
      log[word + META] = withTombstone(meta);
      segments.retire(address, units, epoch);
      segments.noteTombstone(address);
    } else {
      // No epoch that has ended knows this key.
      this.#index.remove(slot);
      Atomics.store(log, word + SUPERSEDED, DEAD);
      segments.bury(address, units);
    }
    this.#count(units, -1);
    return true;
  }

  #count(units: number, sign: 1 | -1): void {
    this.#ctl[SIZE] += sign;
    this.#ctl[LIVE_UNITS] += sign * units;
  }

  /** Opens a segment with room for `units` units, emptying others if there is none. */
  #openTail(units: number, reserve: number): void {
    const epoch = this.#ctl[CURRENT_EPOCH];
    while (!this.#map.tail.open(units, reserve, epoch, OPEN)) if (!this.#cleaner.emptyOne()) throw this.#limitError(units);
  }

  #limitError(units: number): TidemarkError {
    const { usedBytes, liveBytes, size } = this;
    const limitBytes = this.#map.segments.count * this.#map.segments.units * 8;
    return memoryLimitReached({ label: this.#label, neededBytes: units * 8, usedBytes, liveBytes, limitBytes, entries: size });
  }
}

function emptySlot(slots: Int32Array, home: number): number {
  let slot = home;
  while (slots[slot * 2 + 1] !== 0) slot++;
  return slot;
}
