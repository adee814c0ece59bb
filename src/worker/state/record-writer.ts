/**
 * Writes records: the three ways in which the newest version of a key changes, and loading.
 *
 *     absent ------ insert ----> version of this epoch --- update: in place, or a copy when the length differs
 *                                   |            ^
 *     frozen version -- update: copy to the tail |
 *        |                          |            |
 *        '-- remove: tombstone      '-- remove: gone, or a tombstone in place when an older epoch knows the key
 *
 * Methods that need room take it first, and return 0 or false, having changed nothing, when the open segment has not enough.
 */
import { assert } from '../../format/assert.ts';
import { copyBytes } from '../../format/copy-bytes.ts';
import type { EntryBatch } from '../../format/entry-batch.ts';
import type { Memory } from '../../format/memory.ts';
import { CHANGED_UNITS, CURRENT_EPOCH, LIVE_UNITS, SIZE } from './control-layout.ts';
import {
  copyUnits,
  DEAD,
  EPOCH,
  isShortEntry,
  isTombstoneMeta,
  keyHashOf,
  keyLengthOf,
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
  withValueLength,
  wordOf,
  writeEntries,
  writeHead,
  writeHeadLike,
  zeroUnits,
} from './record-layout.ts';
import { checkLengths } from './state-errors.ts';
import type { StateMemory } from './state-memory.ts';

export class RecordWriter {
  /** Was the entry that `insert` or `update` returned last absent before? */
  created = false;

  readonly #map: StateMemory;
  readonly #label: string;
  readonly #ctl: Int32Array;
  readonly #log: Int32Array;
  readonly #slots: Int32Array;

  constructor(map: StateMemory, label: string) {
    this.#map = map;
    this.#label = label;
    this.#ctl = map.ctl;
    this.#log = map.log;
    this.#slots = map.index.slots;
  }

  /** Adds a key that is absent. Returns 0, having changed nothing, when there is no room or the slot is too far from its home. */
  insert(slot: number, indexHash: number, hash: number, from: Memory, at: number, length: number, valueLength: number): number {
    const log = this.#log;
    const { index, tail } = this.#map;
    checkLengths(length, valueLength, this.#label);
    if (index.isFlooded(indexHash, slot)) return 0;
    const meta = metaOf(length, valueLength, this.#map.derivesHash);
    const units = recordUnits(meta, valueLength);
    const address = tail.take(units);
    if (address === 0) return 0;
    writeHead(log, address, hash, 0, this.#ctl[CURRENT_EPOCH], meta, valueLength, from.i32, wordOf(at));
    assert(keyHashOf(log, address) === (hash | 0), 'a hash that is not kept is that of the key');
    this.#zeroValue(address, 0, units);
    index.fill(slot, indexHash, address);
    this.#count(units, 1);
    this.#ctl[CHANGED_UNITS] += units;
    this.created = true;
    return address;
  }

  /** Makes the newest version of a key mutable and as long as wanted. Returns 0, having changed nothing, when there is no room. */
  update(slot: number, address: number, valueLength: number): number {
    const ctl = this.#ctl;
    const log = this.#log;
    const word = address * 2;
    const meta = log[word + META];
    const epoch = ctl[CURRENT_EPOCH];
    const isOfEpoch = log[word + EPOCH] === epoch;
    if (storedValueLength(log, address) === valueLength) {
      if (!isOfEpoch && isShortEntry(meta)) {
        this.created = false;
        return this.#forward(slot, address);
      }
      if (isOfEpoch) {
        this.created = isTombstoneMeta(meta);
        if (this.created) this.#revive(address);
        return address;
      }
    }
    return this.#copy(slot, address, valueLength, isOfEpoch);
  }

  /**
   * The common case of `update`: copies a short record of an older epoch to the tail as it is. Returns 0, having changed
   * nothing, when there is no room or the record has been superseded meanwhile (the same key twice in a batch).
   */
  copyForward(indexHash: number, address: number): number {
    if (this.#log[(address << 1) + SUPERSEDED] !== 0) return 0;
    return this.#forward(this.#map.index.slotOf(indexHash, address), address);
  }

  /** Copies the newest version of a key, a short record of an older epoch, to the tail as it is. Returns 0, having changed nothing, when there is no room. */
  #forward(slot: number, address: number): number {
    const ctl = this.#ctl;
    const log = this.#log;
    const from = address << 1;
    const units = unitsOf(log, address);
    const copy = this.#map.tail.take(units);
    if (copy === 0) return 0;
    const epoch = ctl[CURRENT_EPOCH];
    const to = copy << 1;
    for (let word = 0; word < units * 2; word += 2) {
      log[to + word] = log[from + word];
      log[to + word + 1] = log[from + word + 1];
    }
    log[to + PREVIOUS] = address;
    log[to + EPOCH] = epoch;
    // No Atomics: a reader may meet the old value or the new one, and each is right for it.
    log[from + SUPERSEDED] = epoch;
    this.#map.segments.retire(address, units, epoch);
    this.#slots[slot * 2 + 1] = copy;
    ctl[CHANGED_UNITS] += units;
    return copy;
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
    checkLengths(keyLengthOf(meta), valueLength, this.#label);
    const copyMeta = withValueLength(meta, valueLength);
    const units = recordUnits(copyMeta, valueLength);
    const copy = tail.take(units);
    if (copy === 0) return 0;

    const epoch = this.#ctl[CURRENT_EPOCH];
    const wasTombstone = isTombstoneMeta(meta);
    // A version of this epoch is of no use to anyone any more: the copy takes its place in the chain.
    const previous = isOfEpoch ? log[word + PREVIOUS] : address;
    writeHeadLike(log, copy, address, previous, epoch, copyMeta, valueLength);
    const kept = wasTombstone ? 0 : Math.min(storedValueLength(log, address), valueLength);
    copyUnits(log, valueUnit(log, address), valueUnit(log, copy), (kept + 7) >>> 3);
    this.#zeroValue(copy, kept, units);

    const oldUnits = unitsOf(log, address);
    log[word + SUPERSEDED] = isOfEpoch ? DEAD : epoch;
    if (!wasTombstone) {
      if (isOfEpoch) segments.bury(address, oldUnits);
      else segments.retire(address, oldUnits, epoch);
      this.#count(oldUnits, -1);
    }
    this.#slots[slot * 2 + 1] = copy;
    this.#count(units, 1);
    if (!isOfEpoch) this.#ctl[CHANGED_UNITS] += units;
    this.created = wasTombstone;
    return copy;
  }

  /** Zeroes the value of a record of `units` units from byte `from` on, padding included. */
  #zeroValue(address: number, from: number, units: number): void {
    const value = valueUnit(this.#log, address);
    const whole = value + ((from + 7) >>> 3);
    zeroUnits(this.#log, whole, address + units - whole);
    if ((from & 7) !== 0) this.#map.memory.u8.fill(0, value * 8 + from, whole * 8);
  }

  /** Deletes the newest version of a key, which is no tombstone. False, having changed nothing, when there is no room for a tombstone. */
  remove(slot: number, address: number): boolean {
    const log = this.#log;
    const { segments, tail } = this.#map;
    const word = address * 2;
    const meta = log[word + META];
    const units = unitsOf(log, address);
    const epoch = this.#ctl[CURRENT_EPOCH];
    if (log[word + EPOCH] !== epoch) {
      const empty = withValueLength(meta, 0);
      const tombstone = tail.take(recordUnits(empty, 0));
      if (tombstone === 0) return false;
      writeHeadLike(log, tombstone, address, address, epoch, withTombstone(empty), 0);
      log[word + SUPERSEDED] = epoch;
      segments.retire(address, units, epoch);
      segments.retire(tombstone, recordUnits(empty, 0), epoch);
      segments.noteTombstone(tombstone);
      this.#slots[slot * 2 + 1] = tombstone;
    } else if (log[word + PREVIOUS] !== 0) {
      log[word + META] = withTombstone(meta);
      segments.retire(address, units, epoch);
      segments.noteTombstone(address);
    } else {
      // No epoch that has ended knows this key.
      this.#map.index.remove(slot);
      log[word + SUPERSEDED] = DEAD;
      segments.bury(address, units);
    }
    this.#count(units, -1);
    return true;
  }

  /** Writes an entry of the epoch before this one, which the index does not know yet. Returns 0 when there is no room. */
  place(
    hash: number,
    from: Memory,
    keyAt: number,
    keyLength: number,
    valueFrom: Memory,
    valueAt: number,
    valueLength: number,
  ): number {
    const log = this.#log;
    const { memory, segments, cleanTail } = this.#map;
    checkLengths(keyLength, valueLength, this.#label);
    const meta = metaOf(keyLength, valueLength, this.#map.derivesHash);
    const units = recordUnits(meta, valueLength);
    const epoch = this.#ctl[CURRENT_EPOCH] - 1;
    const address = cleanTail.take(units);
    if (address === 0) return 0;
    segments.widenEpochs(cleanTail.segment, epoch);
    writeHead(log, address, hash, 0, epoch, meta, valueLength, from.i32, wordOf(keyAt));
    const value = valueUnit(log, address);
    if ((valueLength & 7) !== 0) zeroUnits(log, value + (valueLength >>> 3), 1);
    copyBytes(valueFrom, valueAt, memory, value * 8, valueLength);
    this.#count(units, 1);
    return address;
  }

  /**
   * The same for entries of a batch from `from` on, as many as there is room for in the open segment, with values of at most
   * 8191 bytes. Returns how many.
   */
  placeBatch(batch: EntryBatch, from: number, addresses: Uint32Array): number {
    const { segments, cleanTail } = this.#map;
    const { keyLength, valueLength } = batch;
    checkLengths(keyLength, valueLength, this.#label);
    const meta = metaOf(keyLength, valueLength, this.#map.derivesHash);
    const units = recordUnits(meta, valueLength);
    const count = Math.min(batch.count - from, Math.floor(cleanTail.room / units));
    if (count === 0) return 0;
    const epoch = this.#ctl[CURRENT_EPOCH] - 1;
    const address = cleanTail.take(count * units);
    segments.widenEpochs(cleanTail.segment, epoch);
    writeEntries(this.#log, address, epoch, meta, batch, from, from + count);
    for (let i = 0; i < count; i++) addresses[from + i] = address + i * units;
    this.#ctl[SIZE] += count;
    this.#ctl[LIVE_UNITS] += count * units;
    return count;
  }

  #count(units: number, sign: 1 | -1): void {
    this.#ctl[SIZE] += sign;
    this.#ctl[LIVE_UNITS] += sign * units;
  }
}
