/**
 * The segments of the log: which are in use, what they hold, how much of it is garbage. A segment is a fixed number of units;
 * a record larger than that takes a *run* of contiguous segments, which the table treats as one large segment under the number of
 * its first one (the *head*).
 *
 * | word | field        | R | meaning                                                                                |
 * |-----:|--------------|---|----------------------------------------------------------------------------------------|
 * |    0 | state        | R | FREE, HEAD, BODY (of a run) or QUARANTINED                                             |
 * |    1 | head         |   | head of the run that this segment belongs to                                           |
 * |    2 | span         |   | segments in the run (head only, as all that follows)                                   |
 * |    3 | firstEpoch   | R | no record is of an older epoch                                                         |
 * |    4 | lastEpoch    | R | no record is of a newer epoch; OPEN while it is the tail                               |
 * |    5 | end          | R | unit after the last record as of the last mark; Atomics: publishes the records before it |
 * |    6 | garbage      |   | units of records that are garbage for good                                             |
 * |    7 | retired      |   | units of records that were superseded in epoch retiredEpoch: garbage when it is complete |
 * |    8 | retiredEpoch |   |                                                                                        |
 * |    9 | older        |   | units superseded in epochs up to olderEpoch                                            |
 * |   10 | olderEpoch   |   |                                                                                        |
 * |   11 | tombstones   |   | records that are or were tombstones: then the index may point here although all is garbage |
 *
 * Invariants: every unit of a segment is garbage at most once; a FREE segment has end = start, so that a reader with an old view of the
 * table finds nothing in it; segments are never reused while a reader is pinned.
 */
import { assert } from '../../format/assert.ts';
import {
  BURIED_UNITS,
  COMPLETED,
  HIGH_WATER,
  IN_USE,
  LOWEST_FREE,
  ORIGIN,
  PINS,
  QUARANTINED,
  SEARCH_WANTED,
  SEGMENT_COUNT,
  SEGMENT_SHIFT,
  SEGMENT_WORDS,
  SEGMENTS,
} from './control-layout.ts';

const STATE = SEGMENTS;
const HEAD_OF = SEGMENTS + 1;
const SPAN = SEGMENTS + 2;
const FIRST_EPOCH = SEGMENTS + 3;
const LAST_EPOCH = SEGMENTS + 4;
const END = SEGMENTS + 5;
const GARBAGE = SEGMENTS + 6;
const RETIRED = SEGMENTS + 7;
const RETIRED_EPOCH = SEGMENTS + 8;
const OLDER = SEGMENTS + 9;
const OLDER_EPOCH = SEGMENTS + 10;
const TOMBSTONES = SEGMENTS + 11;

const FREE = 0;
const HEAD = 1;
const BODY = 2;
const QUARANTINE = 3;

/** `lastEpoch` of the tail, which goes on being written. */
export const OPEN = 0x7fffffff;

export class SegmentTable {
  readonly ctl: Int32Array;
  readonly shift: number;
  readonly count: number;
  readonly #origin: number;

  constructor(ctl: Int32Array) {
    this.ctl = ctl;
    this.shift = ctl[SEGMENT_SHIFT];
    this.count = ctl[SEGMENT_COUNT];
    this.#origin = ctl[ORIGIN];
  }

  get units(): number {
    return 2 ** this.shift;
  }

  get freeCount(): number {
    return this.count - this.ctl[IN_USE];
  }

  get highWater(): number {
    return Atomics.load(this.ctl, HIGH_WATER);
  }

  /** Head of the run that an address lies in. */
  headOf(address: number): number {
    return this.ctl[HEAD_OF + (address >>> this.shift) * SEGMENT_WORDS];
  }

  startOf(head: number): number {
    return (head << this.shift) + this.#origin;
  }

  capacityOf(head: number): number {
    return this.ctl[SPAN + head * SEGMENT_WORDS] << this.shift;
  }

  isHead(segment: number): boolean {
    return Atomics.load(this.ctl, STATE + segment * SEGMENT_WORDS) === HEAD;
  }

  firstEpoch(head: number): number {
    return Atomics.load(this.ctl, FIRST_EPOCH + head * SEGMENT_WORDS);
  }

  lastEpoch(head: number): number {
    return Atomics.load(this.ctl, LAST_EPOCH + head * SEGMENT_WORDS);
  }

  /** Unit after the last published record. For the owner this is exact except in the two open segments. */
  endOf(head: number): number {
    return Atomics.load(this.ctl, END + head * SEGMENT_WORDS);
  }

  mayHoldTombstones(head: number): boolean {
    return this.ctl[TOMBSTONES + head * SEGMENT_WORDS] !== 0;
  }

  /**
   * Takes a run of segments for at least `units` units, leaving `reserve` segments free.
   *
   * @returns its head, or -1 when there is no room
   */
  allocate(units: number, reserve: number, firstEpoch: number, lastEpoch: number): number {
    const { ctl } = this;
    const span = Math.ceil((units + this.#origin) / this.units);
    if (this.freeCount < span + reserve) return -1;
    const head = this.#findFree(span);
    if (head < 0) return -1;
    for (let segment = head + span - 1; segment >= head; segment--) {
      const at = segment * SEGMENT_WORDS;
      ctl[HEAD_OF + at] = head;
      if (segment !== head) ctl[STATE + at] = BODY;
    }
    const at = head * SEGMENT_WORDS;
    ctl[SPAN + at] = span;
    ctl[FIRST_EPOCH + at] = firstEpoch;
    ctl[LAST_EPOCH + at] = lastEpoch;
    ctl[END + at] = this.startOf(head);
    ctl.fill(0, GARBAGE + at, TOMBSTONES + at + 1);
    Atomics.store(ctl, STATE + at, HEAD);
    ctl[IN_USE] += span;
    if (head + span > ctl[HIGH_WATER]) Atomics.store(ctl, HIGH_WATER, head + span);
    return head;
  }

  /** Lowest run of free segments; low ones first, so that memory once committed is used again. */
  #findFree(span: number): number {
    const { ctl, count } = this;
    let from = ctl[LOWEST_FREE];
    while (from < count && ctl[STATE + from * SEGMENT_WORDS] !== FREE) from++;
    ctl[LOWEST_FREE] = from;
    let length = 0;
    for (let segment = from; segment < count; segment++) {
      length = ctl[STATE + segment * SEGMENT_WORDS] === FREE ? length + 1 : 0;
      if (length === span) return segment - span + 1;
    }
    return -1;
  }

  /** Gives a run back: at once, or when the readers that are pinned now have ended. */
  free(head: number): void {
    const { ctl } = this;
    if (Atomics.load(ctl, PINS) === 0) {
      this.#release(head);
      return;
    }
    Atomics.store(ctl, STATE + head * SEGMENT_WORDS, QUARANTINE);
    ctl[QUARANTINED]++;
  }

  /** Frees what waits for readers, if all of them have ended. */
  releaseQuarantine(): void {
    const { ctl } = this;
    if (ctl[QUARANTINED] === 0 || Atomics.load(ctl, PINS) !== 0) return;
    const { highWater } = this;
    for (let segment = 0; segment < highWater; segment++)
      if (ctl[STATE + segment * SEGMENT_WORDS] === QUARANTINE) this.#release(segment);
    ctl[QUARANTINED] = 0;
  }

  #release(head: number): void {
    const { ctl } = this;
    const span = ctl[SPAN + head * SEGMENT_WORDS];
    Atomics.store(ctl, END + head * SEGMENT_WORDS, this.startOf(head));
    for (let segment = head; segment < head + span; segment++) Atomics.store(ctl, STATE + segment * SEGMENT_WORDS, FREE);
    ctl[IN_USE] -= span;
    if (head < ctl[LOWEST_FREE]) ctl[LOWEST_FREE] = head;
  }

  /** Makes the records below `end` visible to readers. */
  publish(head: number, end: number): void {
    Atomics.store(this.ctl, END + head * SEGMENT_WORDS, end);
  }

  setLastEpoch(head: number, epoch: number): void {
    Atomics.store(this.ctl, LAST_EPOCH + head * SEGMENT_WORDS, epoch);
  }

  /** A record of this epoch was added to a segment of moved records. */
  widenEpochs(head: number, epoch: number): void {
    const { ctl } = this;
    const at = head * SEGMENT_WORDS;
    if (epoch < ctl[FIRST_EPOCH + at]) Atomics.store(ctl, FIRST_EPOCH + at, epoch);
    if (epoch > ctl[LAST_EPOCH + at]) Atomics.store(ctl, LAST_EPOCH + at, epoch);
  }

  /** Units at `address` become garbage when `epoch` is complete. */
  retire(address: number, units: number, epoch: number): void {
    const { ctl } = this;
    const at = this.headOf(address) * SEGMENT_WORDS;
    if (epoch > ctl[RETIRED_EPOCH + at]) this.#shiftRetired(at, epoch);
    // An older epoch than the newest one seen is counted with that: garbage is recognised late, never early.
    ctl[RETIRED + at] += units;
  }

  #shiftRetired(at: number, epoch: number): void {
    const { ctl } = this;
    if (ctl[OLDER_EPOCH + at] <= ctl[COMPLETED]) {
      ctl[GARBAGE + at] += ctl[OLDER + at];
      ctl[OLDER + at] = 0;
    }
    ctl[OLDER + at] += ctl[RETIRED + at];
    ctl[OLDER_EPOCH + at] = ctl[RETIRED_EPOCH + at];
    ctl[RETIRED + at] = 0;
    ctl[RETIRED_EPOCH + at] = epoch;
  }

  /** Takes back a `retire` whose epoch is not complete. */
  unretire(address: number, units: number): void {
    const { ctl } = this;
    const at = this.headOf(address) * SEGMENT_WORDS;
    const recent = Math.min(ctl[RETIRED + at], units);
    ctl[RETIRED + at] -= recent;
    ctl[OLDER + at] -= units - recent;
    assert(ctl[OLDER + at] >= 0, 'only retired units are taken back');
  }

  /** Epochs after `epoch` were undone: what was retired in them and not taken back is garbage when `epoch` is complete. */
  forgetEpochsAfter(head: number, epoch: number): void {
    const { ctl } = this;
    const at = head * SEGMENT_WORDS;
    if (ctl[RETIRED_EPOCH + at] <= epoch) return;
    ctl[OLDER + at] += ctl[RETIRED + at];
    ctl[OLDER_EPOCH + at] = epoch;
    ctl[RETIRED + at] = 0;
    ctl[RETIRED_EPOCH + at] = epoch;
  }

  /** Units at `address` are garbage now. */
  bury(address: number, units: number): void {
    const { ctl } = this;
    ctl[GARBAGE + this.headOf(address) * SEGMENT_WORDS] += units;
    ctl[BURIED_UNITS] += units;
    if (ctl[BURIED_UNITS] > this.units) ctl[SEARCH_WANTED] = 1;
  }

  noteTombstone(address: number): void {
    this.ctl[TOMBSTONES + this.headOf(address) * SEGMENT_WORDS]++;
  }

  /** Units of a run that are certainly garbage now. */
  garbageOf(head: number): number {
    const { ctl } = this;
    const at = head * SEGMENT_WORDS;
    const completed = ctl[COMPLETED];
    if (ctl[RETIRED_EPOCH + at] <= completed) return ctl[GARBAGE + at] + ctl[OLDER + at] + ctl[RETIRED + at];
    if (ctl[OLDER_EPOCH + at] <= completed) return ctl[GARBAGE + at] + ctl[OLDER + at];
    return ctl[GARBAGE + at];
  }

  /** Units of records in a run that is not open. */
  usedOf(head: number): number {
    return this.endOf(head) - this.startOf(head);
  }
}
