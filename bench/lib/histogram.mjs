/**
 * A histogram of latencies whose buckets grow with the value: each octave of microseconds has `PER_OCTAVE` of them, so a quantile is
 * right to 1.6 %, and to record a value allocates nothing. The idea is that of HdrHistogram (Gil Tene).
 */

const PER_OCTAVE = 64;
/** From 1 microsecond to 2^32 of them, more than an hour. */
const OCTAVES = 32;

export class LatencyHistogram {
  #counts = new Float64Array(PER_OCTAVE * OCTAVES);
  count = 0;
  maxMs = 0;

  /** Runs once per record. Less than a microsecond counts as one. */
  record(latencyMs) {
    const us = latencyMs > 0.001 ? latencyMs * 1000 : 1;
    const octave = Math.min(31 - Math.clz32(us), OCTAVES - 1);
    const within = Math.min(((us / 2 ** octave - 1) * PER_OCTAVE) | 0, PER_OCTAVE - 1);
    this.#counts[octave * PER_OCTAVE + within]++;
    this.count++;
    if (latencyMs > this.maxMs) this.maxMs = latencyMs;
  }

  /** The upper end, in milliseconds, of the bucket in which the value of this rank lies. @param share  0 to 1 */
  quantileMs(share) {
    const rank = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      seen += this.#counts[i];
      if (seen >= rank) return Math.min(upperMs(i), this.maxMs);
    }
    return this.maxMs;
  }

  /** Buckets that are not empty, as [upper end in ms, count]. */
  buckets() {
    return [...this.#counts].map((count, i) => [upperMs(i), count]).filter(([, count]) => count > 0);
  }

  /** Plain data, for `add`. */
  toJSON() {
    return { maxMs: this.maxMs, counts: [...this.#counts.entries()].filter(([, count]) => count > 0) };
  }

  /** Adds what another histogram's `toJSON` gave. */
  add({ maxMs, counts }) {
    for (const [i, count] of counts) {
      this.#counts[i] += count;
      this.count += count;
    }
    this.maxMs = Math.max(this.maxMs, maxMs);
  }
}

function upperMs(bucket) {
  return (2 ** Math.floor(bucket / PER_OCTAVE) * (1 + ((bucket % PER_OCTAVE) + 1) / PER_OCTAVE)) / 1000;
}
