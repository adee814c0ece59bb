/**
 * Accumulators of the built-in aggregates in the state log, updated in place; `job/accumulator-layout.ts` says which doubles they are.
 */

// The loops below run once per record and slot. `at[i]` is the f64 index of the accumulator of the i-th record of a chunk;
// several may be the same, so each loop must go through the records in order. Measured over 2^20
// keys of one i32: 60 ns a record for counting, nearly all of it cache misses, and 5 ns for each slot more.

/** Counts records; `fresh[i]` is 1 when the i-th is the first of its key. */
export function countRecords(f64: Float64Array, at: Uint32Array, from: number, to: number, fresh: Uint8Array): void {
  for (let i = from; i < to; i++) {
    const index = at[i];
    const before = f64[index];
    fresh[i] = before === 0 ? 1 : 0;
    f64[index] = before + 1;
  }
}

/** Adds counts of partial results; `fresh[i]` is 1 when the i-th is the first of its key. */
export function addCounts(
  f64: Float64Array,
  at: Uint32Array,
  from: number,
  to: number,
  fresh: Uint8Array,
  counts: Float64Array,
): void {
  for (let i = from; i < to; i++) {
    const index = at[i];
    const before = f64[index];
    fresh[i] = before === 0 ? 1 : 0;
    f64[index] = before + counts[i];
  }
}

export function addValues(
  f64: Float64Array,
  at: Uint32Array,
  from: number,
  to: number,
  slot: number,
  values: Float64Array,
): void {
  for (let i = from; i < to; i++) f64[at[i] + slot] += values[i];
}

export function keepLeast(
  f64: Float64Array,
  at: Uint32Array,
  from: number,
  to: number,
  slot: number,
  values: Float64Array,
  fresh: Uint8Array,
): void {
  for (let i = from; i < to; i++) {
    const index = at[i] + slot;
    f64[index] = fresh[i] === 1 ? values[i] : Math.min(f64[index], values[i]);
  }
}

export function keepLargest(
  f64: Float64Array,
  at: Uint32Array,
  from: number,
  to: number,
  slot: number,
  values: Float64Array,
  fresh: Uint8Array,
): void {
  for (let i = from; i < to; i++) {
    const index = at[i] + slot;
    f64[index] = fresh[i] === 1 ? values[i] : Math.max(f64[index], values[i]);
  }
}
