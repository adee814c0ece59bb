/**
 * The states that were met, each as 64 bits of a hash, and how each was reached: from which one, by which of its steps.
 *
 * Two states with one hash would be taken for one, and what follows the second not be looked at. Of n states some two have one with a
 * probability of n^2 / 2^65: for a million, one in 37 million.
 */
const FIRST_SEED = 0x9747b28c;
const SECOND_SEED = 0x3c6ef372;

export class StateTable {
  /** Open addressing: number of the state plus one; 0 is free. Never more than half full. */
  #slots = new Uint32Array(1 << 12);
  #hashes = new Uint32Array(1 << 12);
  #from = new Uint32Array(1 << 11);
  #step = new Uint16Array(1 << 11);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * @param from  number of the state before
   * @param step  which of its steps led here
   * @returns     number of the state, counted from 0; -1: it was there
   */
  add(key: Int32Array, from: number, step: number): number {
    const low = hash(key, FIRST_SEED);
    const high = hash(key, SECOND_SEED);
    const slot = this.#find(low, high);
    if (this.#slots[slot] !== 0) return -1;
    const state = this.#size++;
    if (state === this.#from.length) this.#grow();
    this.#hashes[2 * state] = low;
    this.#hashes[2 * state + 1] = high;
    this.#from[state] = from;
    this.#step[state] = step;
    this.#slots[this.#find(low, high)] = state + 1;
    return state;
  }

  /** The steps from the first state to this one. */
  pathTo(state: number): number[] {
    const path: number[] = [];
    for (let at = state; at !== 0; at = this.#from[at]) path.unshift(this.#step[at]);
    return path;
  }

  #find(low: number, high: number): number {
    const mask = this.#slots.length - 1;
    let slot = low & mask;
    for (;;) {
      const state = this.#slots[slot] - 1;
      if (state < 0 || (this.#hashes[2 * state] === low && this.#hashes[2 * state + 1] === high)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const { length } = this.#from;
    this.#hashes = grown(this.#hashes, new Uint32Array(4 * length));
    this.#from = grown(this.#from, new Uint32Array(2 * length));
    this.#step = grown(this.#step, new Uint16Array(2 * length));
    this.#slots = new Uint32Array(4 * length);
    for (let state = 0; state < length; state++)
      this.#slots[this.#find(this.#hashes[2 * state], this.#hashes[2 * state + 1])] = state + 1;
  }
}

function grown<T extends Uint16Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** MurmurHash3, 32 bits, of some words. */
function hash(words: Int32Array, seed: number): number {
  let h = seed;
  for (const word of words) {
    let k = Math.imul(word, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64;
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
