/** When the records of a split are due, for a source with a rate. */

/** A split that could not run for longer than this starts its clock again instead of making up for all of it. */
const MAX_BACKLOG_MS = 1000;
/** Shortest wait that is asked for: at high rates several records become due at once, at a thousandth of the turns. */
const MIN_WAIT_MS = 2;

/**
 * Records of all splits together are due at even distances: record `index` at `index / rate` after the start, whichever
 * split it belongs to. The clock starts when the split is opened: a restored job does not race through its downtime.
 */
export class Pace {
  readonly #msPerRecord: number;
  readonly #firstMs: number;
  #startMs: number;
  #taken = 0;

  /**
   * @param ratePerSecond  of the whole source
   * @param first          position of this split among the splits
   * @param stride         number of splits
   * @param nowMs          performance.now()
   */
  constructor(ratePerSecond: number, first: number, stride: number, nowMs: number) {
    this.#msPerRecord = (1000 * stride) / ratePerSecond;
    this.#firstMs = (1000 * first) / ratePerSecond;
    this.#startMs = nowMs;
  }

  /** Records that are due now and not taken. */
  due(nowMs: number): number {
    const elapsedMs = nowMs - this.#startMs - this.#firstMs;
    const lateMs = elapsedMs - this.#taken * this.#msPerRecord;
    if (lateMs > MAX_BACKLOG_MS + this.#msPerRecord) this.#startMs += lateMs - MAX_BACKLOG_MS;
    return Math.max(0, Math.floor(Math.min(lateMs, MAX_BACKLOG_MS + this.#msPerRecord) / this.#msPerRecord) + 1);
  }

  take(count: number): void {
    this.#taken += count;
  }

  /** Milliseconds until something is due. */
  waitMs(nowMs: number): number {
    return Math.max(MIN_WAIT_MS, this.#startMs + this.#firstMs + this.#taken * this.#msPerRecord - nowMs);
  }
}
