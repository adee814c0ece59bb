/**
 * An open segment and the next free unit in it. A map has two: the tail, where new versions go, and the clean tail, for records that
 * the cleaner moves and that a restore loads. Both are words of the control block.
 */
import { type CLEAN_TAIL, CURRENT_EPOCH, type TAIL } from './control-layout.ts';
import { OPEN, type SegmentTable } from './segment-table.ts';

export class LogTail {
  readonly #segments: SegmentTable;
  readonly #ctl: Int32Array;
  readonly #at: typeof TAIL | typeof CLEAN_TAIL;

  constructor(segments: SegmentTable, at: typeof TAIL | typeof CLEAN_TAIL) {
    this.#segments = segments;
    this.#ctl = segments.ctl;
    this.#at = at;
  }

  /** Takes `units` units of the open segment and returns their address, or 0 when it has not that many left. */
  take(units: number): number {
    const ctl = this.#ctl;
    const address = ctl[this.#at];
    const end = address + units;
    if (end > ctl[this.#at + 1]) return 0;
    ctl[this.#at] = end;
    return address;
  }

  /** Units left in the open segment. */
  get room(): number {
    return this.#ctl[this.#at + 1] - this.#ctl[this.#at];
  }

  /** Next free unit. */
  get position(): number {
    return this.#ctl[this.#at];
  }

  /** Head of the open segment, or -1. The next free unit may already lie in the next segment, the last unit does not. */
  get segment(): number {
    const end = this.#ctl[this.#at + 1];
    return end === 0 ? -1 : this.#segments.headOf(end - 1);
  }

  /**
   * Opens a new segment with room for `units` units and seals the former one. When there is no room nothing changes.
   *
   * @param reserve    segments to leave free
   * @param lastEpoch  OPEN for the tail; for the clean tail an epoch, which `widenEpochs` then keeps true
   */
  open(units: number, reserve: number, firstEpoch: number, lastEpoch: number): boolean {
    const segments = this.#segments;
    const head = segments.allocate(units, reserve, firstEpoch, lastEpoch);
    if (head < 0) return false;
    this.#seal();
    this.#ctl[this.#at] = segments.startOf(head);
    this.#ctl[this.#at + 1] = (head << segments.shift) + segments.capacityOf(head);
    return true;
  }

  #seal(): void {
    const head = this.segment;
    if (head < 0) return;
    this.publish();
    if (this.#segments.lastEpoch(head) === OPEN) this.#segments.setLastEpoch(head, this.#ctl[CURRENT_EPOCH]);
  }

  /** Forgets the open segment, which was freed. */
  close(): void {
    this.#ctl[this.#at] = 0;
    this.#ctl[this.#at + 1] = 0;
  }

  /** Makes what was written visible to readers. */
  publish(): void {
    const head = this.segment;
    if (head >= 0) this.#segments.publish(head, this.position);
  }
}
