/** Keys of the state benchmarks: safe integers, as rows have them (an f64 each), and random orders of them. */
import { Memory } from '../../dist/format/memory.js';

/**
 * `count` different keys, scattered over 2^52, none of them 0.
 *
 * @returns memory with a key in each 8 bytes
 */
export function longKeys(count) {
  const memory = Memory.local(count * 8);
  // An odd factor below 2^31 keeps products of a 20-bit number exact, and different ones different.
  for (let i = 0; i < count; i++) memory.f64[i] = (i + 1) * 2_147_483_629;
  return memory;
}

/**
 * Keys as they come in with records: one after another, in a random order.
 *
 * @param range  of the keys, the first so many
 * @returns memory with a key in each 8 bytes
 */
export function streamOf(keys, length, range, seed) {
  const order = randomOrder(length, range, seed);
  const stream = Memory.local(length * 8);
  for (let i = 0; i < length; i++) stream.f64[i] = keys.f64[order[i]];
  return stream;
}

/** `length` random numbers below `range`; the same ones for a seed. */
export function randomOrder(length, range, seed) {
  const order = new Uint32Array(length);
  let x = (seed + 1) * 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    order[i] = (x >>> 0) % range;
  }
  return order;
}
