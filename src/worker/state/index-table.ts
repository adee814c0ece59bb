/**
 * The index of a state map: from a key's hash to the address of its newest record.
 *
 * Open addressing with linear probing over pairs (hash, address) of 32-bit words; address 0 is an empty slot. The home of a hash is
 * given by its *low* bits: the high ones are equal in all keys of a subtask, which owns a contiguous range of hashes.
 *
 * The table lies in one SharedArrayBuffer that is reserved at its largest size and committed as it is touched, so it grows in place and no
 * thread ever holds an outdated one. The homes [0, n) are followed by an overflow area, so runs do not wrap:
 *
 *     0            split              n                        2n
 *     |-- 2n homes --|---- n homes ----|-- images of [0, split) --| overflow |
 *
 * Growth from n to 2n homes goes run by run from the left, some at each insertion, and the slots stay one line all the time: a run
 * is taken out and put back, each entry at its home under the larger mask. Invariant: all slots between the home of
 * an entry and the entry are occupied. It holds under either mask, so homes below and above `split` need no separation.
 *
 * What is hashed (`indexMode`):
 * - GIVEN: the hash that the caller passes.
 * - WHOLE_KEY: `hashKey` of all key bytes, for composite keys, which share the given hash of their first part.
 * - KEYED: a keyed hash of all key bytes. The table changes to it when an entry would lie FLOOD_SLOTS from its home. At a load of 5/8
 *   that does not happen by chance (the longest run in 2^24 slots is about 200) but only when keys were chosen to collide.
 */
import { randomFillSync } from 'node:crypto';

import { assert } from '../../format/assert.ts';
import { hashKey } from '../../format/hash.ts';
import type { Memory } from '../../format/memory.ts';
import { INDEX_COUNT, INDEX_MASK, INDEX_MODE, MAX_SLOTS, NEXT_MASK, SEED0, SEED1, SPLIT } from './control-layout.ts';
import { keyedHash } from './index-hash.ts';
import { keyEquals, keyHashOf, keyLengthOf, keyWordOf, META, wordOf } from './record-layout.ts';

export const GIVEN = 0;
export const WHOLE_KEY = 1;
const KEYED = 2;

/** Slots between an entry and its home at which the keys are taken for an attack. */
export const FLOOD_SLOTS = 1024;
/** Slots after the last home. More than FLOOD_SLOTS, since growth may for a moment put entries further away than insertion does. */
const OVERFLOW_SLOTS = 4 * FLOOD_SLOTS;
/** The table grows beyond 5/8: unsuccessful searches look at 4 slots there, half a cache line. */
const MAX_LOAD = 5 / 8;
/** Homes moved at each insertion while the table grows. At least 1 / MAX_LOAD, so that growth ends before the next begins. */
const HOMES_PER_INSERT = 8;
/** Tables up to here grow in one go: 20 microseconds. */
const SMALL_SLOTS = 4096;

/** Homes for a number of entries: a power of two, at least 64. */
export function slotsFor(entries: number): number {
  let slots = 64;
  while (slots * MAX_LOAD < entries) slots *= 2;
  return slots;
}

export function indexBytes(maxSlots: number): number {
  return (maxSlots + OVERFLOW_SLOTS) * 8;
}

/** One run on its way to the larger table; runs are tens of slots long. */
let scratch = new Int32Array(512);

export class IndexTable {
  readonly ctl: Int32Array;
  readonly slots: Int32Array;
  readonly memory: Memory;

  constructor(ctl: Int32Array, slots: Int32Array, memory: Memory) {
    this.ctl = ctl;
    this.slots = slots;
    this.memory = memory;
  }

  /** First slot to look at for an index hash. */
  home(hash: number): number {
    const { ctl } = this;
    const home = hash & ctl[INDEX_MASK];
    return home < ctl[SPLIT] ? hash & ctl[NEXT_MASK] : home;
  }

  get growing(): boolean {
    return this.ctl[NEXT_MASK] !== this.ctl[INDEX_MASK];
  }

  /** Index hash of a key, signed. `hash` is the one that the caller of the map gave. */
  hashOf(hash: number, from: Memory, at: number, length: number): number {
    const { ctl } = this;
    const mode = ctl[INDEX_MODE];
    if (mode === GIVEN) return hash | 0;
    if (mode === WHOLE_KEY) return hashKey(from, at, length) | 0;
    return keyedHash(from.i32, wordOf(at), length, ctl[SEED0], ctl[SEED1]);
  }

  /** Index hash of the key of a record, signed. */
  hashOfRecord(address: number): number {
    const { i32 } = this.memory;
    const meta = i32[address * 2 + META];
    return this.hashOf(keyHashOf(i32, address), this.memory, keyWordOf(address, meta) * 4, keyLengthOf(meta));
  }

  /**
   * Slot of a key, or the empty slot where it belongs. Runs once per record.
   *
   * @param words  where the key lies, from `word` on, padded with zero bytes to a multiple of 4
   */
  search(hash: number, words: Int32Array, word: number, length: number): number {
    const { slots } = this;
    const log = this.memory.i32;
    for (let at = this.home(hash) * 2; ; at += 2) {
      const address = slots[at + 1];
      if (address === 0 || (slots[at] === hash && keyEquals(log, address, words, word, length))) return at >>> 1;
    }
  }

  /** Slot whose entry is exactly this record, or -1. */
  slotOf(hash: number, address: number): number {
    const { slots } = this;
    for (let slot = this.home(hash); ; slot++) {
      const found = slots[slot * 2 + 1];
      if (found === address) return slot;
      if (found === 0) return -1;
    }
  }

  /** Is a slot too far from the home of a hash for an entry to be put there? Then `rekey` and search again. */
  isFlooded(hash: number, slot: number): boolean {
    return slot - this.home(hash) > FLOOD_SLOTS && this.ctl[INDEX_MODE] !== KEYED;
  }

  /** Fills an empty slot that the search for the key ended at. */
  fill(slot: number, hash: number, address: number): void {
    const { ctl, slots } = this;
    slots[slot * 2] = hash;
    slots[slot * 2 + 1] = address;
    const count = ++ctl[INDEX_COUNT];
    if (ctl[NEXT_MASK] !== ctl[INDEX_MASK]) this.grow(HOMES_PER_INSERT);
    else if (count > (ctl[INDEX_MASK] + 1) * MAX_LOAD) this.#beginGrowth();
  }

  /** Adds a record whose key is known to be absent. `given` is the hash that the caller of the map gave. */
  add(given: number, address: number): void {
    const hash = this.ctl[INDEX_MODE] === GIVEN ? given | 0 : this.hashOfRecord(address);
    const slot = this.#emptySlot(hash);
    if (!this.isFlooded(hash, slot)) {
      this.fill(slot, hash, address);
      return;
    }
    this.rekey();
    this.add(given, address);
  }

  #emptySlot(hash: number): number {
    const { slots } = this;
    let slot = this.home(hash);
    while (slots[slot * 2 + 1] !== 0) slot++;
    return slot;
  }

  /** Empties a slot and closes the gap. */
  remove(slot: number): void {
    const { ctl, slots } = this;
    let hole = slot;
    for (let next = slot + 1; slots[next * 2 + 1] !== 0; next++) {
      if (this.home(slots[next * 2]) > hole) continue;
      slots[hole * 2] = slots[next * 2];
      slots[hole * 2 + 1] = slots[next * 2 + 1];
      hole = next;
    }
    slots[hole * 2] = 0;
    slots[hole * 2 + 1] = 0;
    ctl[INDEX_COUNT]--;
  }

  #beginGrowth(): void {
    const { ctl } = this;
    const slots = (ctl[INDEX_MASK] + 1) * 2;
    // At its largest the table is sized for as many of the smallest records as the log can hold: it just gets fuller.
    if (slots > ctl[MAX_SLOTS]) return;
    ctl[NEXT_MASK] = slots - 1;
    if (slots <= SMALL_SLOTS) this.grow(slots);
  }

  /** Moves the next `homes` homes, and the rest of the last run, to the larger table. About 10 ns for each. */
  grow(homes: number): void {
    const { ctl, slots } = this;
    const count = ctl[INDEX_MASK] + 1;
    const until = Math.min(ctl[SPLIT] + homes, count);
    let split = ctl[SPLIT];
    while (split < until) {
      let end = split;
      while (slots[end * 2 + 1] !== 0) end++;
      if (end > split) this.#moveRun(split, end);
      // No entry has its home at an empty slot, so that one counts as moved.
      split = end + 1;
    }
    if (split < count) {
      ctl[SPLIT] = split;
      return;
    }
    ctl[INDEX_MASK] = ctl[NEXT_MASK];
    ctl[SPLIT] = 0;
  }

  /** Takes out the entries of the slots [from, to), which end a run, and puts them back with homes up to `to` under the next mask. */
  #moveRun(from: number, to: number): void {
    const { ctl, slots } = this;
    const words = (to - from) * 2;
    if (words > scratch.length) scratch = new Int32Array(words * 2);
    for (let i = 0; i < words; i++) {
      scratch[i] = slots[from * 2 + i];
      slots[from * 2 + i] = 0;
    }
    ctl[SPLIT] = to + 1;
    for (let i = 0; i < words; i += 2) this.#putBack(scratch[i], scratch[i + 1]);
  }

  #putBack(hash: number, address: number): void {
    const { slots } = this;
    const slot = this.#emptySlot(hash);
    assert(slot * 2 < slots.length, 'a run ends within the overflow area');
    slots[slot * 2] = hash;
    slots[slot * 2 + 1] = address;
  }

  /**
   * Places all entries anew under a keyed hash, at once: about 200 ns for each. Happens once in the life of a map, and only to maps that meet keys
   * chosen to collide.
   */
  rekey(): void {
    const { ctl, slots } = this;
    if (this.growing) this.grow(ctl[INDEX_MASK] + 1);
    const used = (ctl[INDEX_MASK] + 1 + OVERFLOW_SLOTS) * 2;
    const addresses = new Int32Array(ctl[INDEX_COUNT]);
    let count = 0;
    for (let i = 1; i < used; i += 2) if (slots[i] !== 0) addresses[count++] = slots[i];
    slots.fill(0, 0, used);
    const seed = randomFillSync(new Int32Array(2));
    ctl[SEED0] = seed[0];
    ctl[SEED1] = seed[1];
    ctl[INDEX_MODE] = KEYED;
    for (const address of addresses) this.#putBack(this.hashOfRecord(address), address);
  }
}
