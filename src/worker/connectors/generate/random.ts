/**
 * Random numbers as a function of (seed, index, draw): any record can be made again from its index alone, in any order and
 * thread. The mixing function is Chris Wellons's `lowbias32` (public domain), twice, with the seed in between.
 */
import type { Random } from '../../../job/source.ts';

const TWO_32 = 4294967296;

/** A well-mixed unsigned 32-bit number. Runs once per random field of a record: 2 ns. */
export function randomWord(seed: number, index: number, draw: number): number {
  const low = Math.imul(index >>> 0, 0x9e3779b1) ^ Math.imul(draw, 0x85ebca77);
  const high = index >= TWO_32 ? Math.imul((index / TWO_32) >>> 0, 0xc2b2ae3d) : 0;
  return mix(mix(low ^ high) ^ seed) >>> 0;
}

/** In [0, 1), 53 random bits: all the values that a double can tell apart evenly. Takes two draws. */
export function randomFloat(seed: number, index: number, draw: number): number {
  const high = randomWord(seed, index, draw) >>> 5;
  const low = randomWord(seed, index, draw + 1) >>> 6;
  return (high * 67108864 + low) / 9007199254740992;
}

/** In [min, max), integers. One draw for ranges up to 2^32, two above. */
export function randomInteger(seed: number, index: number, draw: number, min: number, max: number): number {
  const range = max - min;
  if (range <= TWO_32) return min + Math.floor((randomWord(seed, index, draw) / TWO_32) * range);
  return min + Math.floor(randomFloat(seed, index, draw) * range);
}

/** Seed of one stream of numbers: of a field, by its name, so that fields do not repeat each other. */
export function streamSeed(seed: number, name: string): number {
  let h = mix((seed >>> 0) ^ Math.imul(Math.floor(seed / TWO_32) | 0, 0x85ebca6b));
  for (let i = 0; i < name.length; i++) h = mix(h ^ Math.imul(name.charCodeAt(i) + 1, 0x9e3779b1));
  return h;
}

/** What a `make` function gets: one object for all records of a reader, set to each record's index. */
export class IndexedRandom implements Random {
  readonly #seed: number;
  #index = 0;
  #draw = 0;

  constructor(seed: number) {
    this.#seed = streamSeed(seed, '');
  }

  reset(index: number): void {
    this.#index = index;
    this.#draw = 0;
  }

  float(): number {
    const value = randomFloat(this.#seed, this.#index, this.#draw);
    this.#draw += 2;
    return value;
  }

  int(min: number, max: number): number {
    const value = randomInteger(this.#seed, this.#index, this.#draw, min, max);
    this.#draw += 2;
    return value;
  }
}

function mix(x: number): number {
  let h = x ^ (x >>> 16);
  h = Math.imul(h, 0x21f0aaad);
  h ^= h >>> 15;
  h = Math.imul(h, 0x735a2d97);
  return h ^ (h >>> 15);
}
