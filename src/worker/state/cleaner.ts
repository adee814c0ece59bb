/**
 * The cleaner gives memory back: it moves what is still needed out of sparse segments and frees them. Moved records go to segments
 * of their own and keep their epoch, so the next delta does not contain them.
 *
 * Which segment: the one with the smallest live share (greedy, as in log-structured file systems; Rosenblum and Ousterhout 1992), while
 * garbage is more than MAX_GARBAGE_SHARE of what is used. Under uniform random updates a used share of 78 % means victims that are
 * about 60 % live, so 1.5 records are moved for each record overwritten. Measured at the worst, 5 % of the keys between two marks,
 * all at random: memory is 1.4 to 1.63 times (key + value + 16) an entry, and cleaning is 36 % of the CPU time (`bench state --only memory`).
 *
 * Invariants:
 * - A record moves only if no reader can meet it twice or not at all: its epoch is complete, or nobody is pinned, or it belongs to
 *   the current epoch, which no reader looks at. While a full scan is pinned nothing moves.
 * - What points to a moved record (the index, or the newer version's `previous`) is changed with it.
 * - A record of the current epoch moves only between operations, never inside one: callers hold addresses of such records.
 */
import { assert } from '../../format/assert.ts';
import { BURIED_UNITS, COMPLETED, CURRENT_EPOCH, FULL_PINS, PINS, SEARCH_WANTED, VICTIM, VICTIM_AT } from './control-layout.ts';
import {
  copyUnits,
  DEAD,
  EPOCH,
  isGarbage,
  isTombstoneMeta,
  keyEquals,
  keyLengthOf,
  keyWordOf,
  META,
  PREVIOUS,
  SUPERSEDED,
  unitsOf,
} from './record-layout.ts';
import type { StateMemory } from './state-memory.ts';

/** Share of the used units that may be garbage before segments are cleaned. */
const MAX_GARBAGE_SHARE = 0.22;
/** A segment with a larger live share is not worth moving, not even under pressure. */
const MAX_LIVE_SHARE = 0.9;
/** Records looked at together: their index slots are touched in one loop, so that the cache misses overlap, and the clock is read. */
const BATCH = 64;

/** 'idle': between operations, any record may move. 'urgent': inside an operation that found no room. */
export type CleaningMode = 'idle' | 'urgent';

export class StateCleaner {
  readonly #map: StateMemory;
  readonly #addresses = new Int32Array(BATCH);
  readonly #hashes = new Int32Array(BATCH);

  constructor(map: StateMemory) {
    this.#map = map;
  }

  /** Cleans until `deadlineMs` (performance.now()). True when there is more to do. */
  run(deadlineMs: number): boolean {
    const { ctl, segments, cleanTail } = this.#map;
    if (Atomics.load(ctl, FULL_PINS) !== 0) return false;
    segments.releaseQuarantine();
    let more = true;
    do {
      const victim = this.#victim('idle');
      if (victim < 0) {
        more = false;
        break;
      }
      if (!this.#moveBatch(victim, 'idle')) {
        more = false;
        break;
      }
    } while (performance.now() < deadlineMs);
    cleanTail.publish();
    return more;
  }

  /** Frees what is all garbage, and empties one segment, at once. False when that led to nothing. */
  emptyOne(): boolean {
    const { ctl, segments, cleanTail } = this.#map;
    if (Atomics.load(ctl, FULL_PINS) !== 0) return false;
    const freeBefore = segments.freeCount;
    segments.releaseQuarantine();
    ctl[SEARCH_WANTED] = 1;
    const victim = this.#victim('urgent');
    if (victim < 0) return segments.freeCount > freeBefore;
    let moved = true;
    while (moved && ctl[VICTIM] !== 0) moved = this.#moveBatch(victim, 'urgent');
    cleanTail.publish();
    return moved;
  }

  /** Forgets the segment being emptied: what remains in it is as good as before. */
  reset(): void {
    this.#map.ctl[VICTIM] = 0;
    this.#map.ctl[SEARCH_WANTED] = 1;
  }

  /** The segment to empty, or -1. */
  #victim(mode: CleaningMode): number {
    const { ctl, segments } = this.#map;
    if (ctl[VICTIM] !== 0) {
      const victim = ctl[VICTIM] - 1;
      if (this.#mayEmpty(victim, mode)) return victim;
      this.reset();
    }
    if (ctl[SEARCH_WANTED] === 0) return -1;
    const victim = this.#choose(mode);
    if (victim < 0) {
      // An urgent search passes over segments that an idle one may empty.
      if (mode === 'idle') {
        ctl[SEARCH_WANTED] = 0;
        ctl[BURIED_UNITS] = 0;
      }
      return -1;
    }
    ctl[VICTIM] = victim + 1;
    ctl[VICTIM_AT] = segments.startOf(victim);
    return victim;
  }

  #mayEmpty(head: number, mode: CleaningMode): boolean {
    const { ctl, segments, tail, cleanTail } = this.#map;
    if (head === tail.segment || head === cleanTail.segment) return false;
    const last = segments.lastEpoch(head);
    if (last <= ctl[COMPLETED]) return true;
    const current = ctl[CURRENT_EPOCH];
    if (mode === 'urgent') return last < current && Atomics.load(ctl, PINS) === 0;
    return segments.firstEpoch(head) === current || Atomics.load(ctl, PINS) === 0;
  }

  /** Looks at all segments (5 ns each), frees those that are all garbage, and returns the best of the others if it should be emptied. */
  #choose(mode: CleaningMode): number {
    const { segments } = this.#map;
    const { highWater } = segments;
    let best = -1;
    let bestLiveShare = MAX_LIVE_SHARE;
    let garbage = 0;
    let used = 0;
    for (let head = 0; head < highWater; head++) {
      if (!segments.isHead(head)) continue;
      const usedHere = this.#map.endOf(head) - segments.startOf(head);
      used += usedHere;
      if (!this.#mayEmpty(head, mode)) continue;
      const garbageHere = segments.garbageOf(head);
      assert(garbageHere <= usedHere, 'garbage is counted once');
      if (garbageHere === usedHere && !segments.mayHoldTombstones(head)) {
        segments.free(head);
        continue;
      }
      garbage += garbageHere;
      const liveShare = (usedHere - garbageHere) / segments.capacityOf(head);
      if (garbageHere > 0 && liveShare < bestLiveShare) {
        best = head;
        bestLiveShare = liveShare;
      }
    }
    if (best < 0 || mode === 'urgent' || bestLiveShare === 0) return best;
    return garbage > Math.max(used * MAX_GARBAGE_SHARE, segments.units / 2) ? best : -1;
  }

  /** Moves the next records of the victim; frees it after the last one. False when there is no room to move them to. */
  #moveBatch(victim: number, mode: CleaningMode): boolean {
    const { ctl, log, segments, index } = this.#map;
    const addresses = this.#addresses;
    const hashes = this.#hashes;
    const completed = ctl[COMPLETED];
    const end = segments.endOf(victim);
    let at = ctl[VICTIM_AT];
    let count = 0;
    let touched = 0;
    // Long stretches of garbage count too, so that a batch stays short.
    for (let seen = 0; at < end && seen < BATCH; seen++) {
      if (!isGarbage(log[at * 2 + SUPERSEDED], completed)) {
        const hash = index.hashOfRecord(at);
        addresses[count] = at;
        hashes[count] = hash;
        touched ^= index.slots[index.home(hash) * 2];
        count++;
      }
      at += unitsOf(log, at);
    }
    keep(touched);
    for (let i = 0; i < count; i++) {
      if (this.#move(addresses[i], hashes[i], mode)) continue;
      ctl[VICTIM_AT] = addresses[i];
      return false;
    }
    ctl[VICTIM_AT] = at;
    if (at >= end) {
      segments.free(victim);
      ctl[VICTIM] = 0;
    }
    return true;
  }

  /** Moves one record, or drops it when it is a tombstone that a completed checkpoint includes. False when there is no room. */
  #move(address: number, hash: number, mode: CleaningMode): boolean {
    const { ctl, log, segments, index, cleanTail } = this.#map;
    const word = address * 2;
    const epoch = log[word + EPOCH];
    const superseded = log[word + SUPERSEDED];
    const isTombstone = isTombstoneMeta(log[word + META]);
    if (isTombstone && epoch <= ctl[COMPLETED]) {
      if (superseded === 0) index.remove(this.#slotOf(hash, address));
      else this.#redirect(hash, address, 0);
      Atomics.store(log, word + SUPERSEDED, DEAD);
      return true;
    }
    assert(mode === 'idle' || epoch !== ctl[CURRENT_EPOCH], 'no record of the current epoch moves inside an operation');
    const units = unitsOf(log, address);
    const target = this.#take(units, epoch);
    if (target === 0) return false;
    copyUnits(log, address, target, units);
    segments.widenEpochs(cleanTail.segment, epoch);
    if (superseded === 0) index.slots[this.#slotOf(hash, address) * 2 + 1] = target;
    else this.#redirect(hash, address, target);
    Atomics.store(log, word + SUPERSEDED, DEAD);
    if (isTombstone) {
      segments.retire(target, units, epoch);
      segments.noteTombstone(target);
    } else if (superseded !== 0) segments.retire(target, units, superseded);
    else segments.bury(address, units);
    return true;
  }

  #take(units: number, epoch: number): number {
    const { cleanTail } = this.#map;
    const address = cleanTail.take(units);
    if (address !== 0) return address;
    return cleanTail.open(units, 0, epoch, epoch) ? cleanTail.take(units) : 0;
  }

  #slotOf(hash: number, address: number): number {
    const slot = this.#map.index.slotOf(hash, address);
    assert(slot >= 0, 'the index points at every newest version');
    return slot;
  }

  /** Makes the version after `address` point at `target` instead. Readers may be following it: Atomics. */
  #redirect(hash: number, address: number, target: number): void {
    const { log, index } = this.#map;
    const { slots } = index;
    const meta = log[address * 2 + META];
    const keyWord = keyWordOf(address, meta);
    const keyLength = keyLengthOf(meta);
    for (let slot = index.home(hash); ; slot++) {
      let newer = slots[slot * 2 + 1];
      assert(newer !== 0, 'the index points at the newest version of every chain');
      if (slots[slot * 2] !== hash || !keyEquals(log, newer, log, keyWord, keyLength)) continue;
      while (log[newer * 2 + PREVIOUS] !== address) {
        newer = log[newer * 2 + PREVIOUS];
        assert(newer !== 0, 'a version that is needed is in its chain');
      }
      Atomics.store(log, newer * 2 + PREVIOUS, target);
      return;
    }
  }
}

/** Keeps a loop that only touches memory from being optimised away. */
let kept = 0;
function keep(value: number): void {
  kept ^= value;
  if (kept === 0x5eed5eed) kept = 0;
}
