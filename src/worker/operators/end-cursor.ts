/**
 * Goes through the keys of a subtask in the order of (key hash, key bytes), once, over any number of turns, and can go on
 * after a restore at another parallelism: what is done is a list of intervals in that order, and an interval is the same
 * whoever owns it.
 *
 * Invariants:
 * - Every key with an entry when `next` first reaches its place is visited once; keys of done intervals never.
 * - Keys are copied out of the log, a window of hashes at a time: the entries may be changed, deleted and moved meanwhile.
 */
import { KeyRef } from '../../format/codec.ts';
import { compareBytes, copyBytes } from '../../format/copy-bytes.ts';
import type { JsonValue } from '../../format/json.ts';
import { Memory } from '../../format/memory.ts';
import type { Output } from '../operator.ts';
import type { CurrentKey } from '../state/handles/current-key.ts';
import { RowScratch } from '../state/handles/row-scratch.ts';
import type { StateMap } from '../state/state-map.ts';

/** A map to look for keys in, and which of its entries stand for a key of the user. */
export interface KeySource {
  readonly map: StateMap;
  /** Null: every entry's key is a user's key. Otherwise the entries that count; the user's key follows its length. */
  readonly isHead: ((map: StateMap, address: number) => boolean) | null;
}

export interface HashRange {
  readonly first: number;
  readonly last: number;
}

/** Keys with `from` <= hash that are not above (`hash`, `key`). `key` is base64; null means all keys of that hash. */
export interface DoneInterval {
  readonly from: number;
  readonly hash: number;
  readonly key: string | null;
}

/** Name of the operator state that holds the done intervals: the restored subtasks each get those of all (`$`: union). */
export const END_STATE = '$end';

/**
 * Entries in a window, about. A window costs a pass over the addresses of all entries, and holds its keys in the heap. With
 * 2^20 keys everything together, sorting to emitted result, takes 1 microsecond a key.
 */
const WINDOW_ENTRIES = 1 << 19;
/** Most entries that the packing of hash and number into one f64 allows: 53 bits less 32 of the hash. */
const MOST_ENTRIES = 1 << 21;
const PREFETCH_KEYS = 128;

/** Keys of a range of hashes, in order. */
interface Window {
  /** Byte offset of each key's length in the copy. */
  readonly offsets: Uint32Array;
  readonly hashes: Uint32Array;
}

export class EndCursor {
  readonly key = new KeyRef(Memory.local(8));
  /** Keeps the engine from dropping the prefetch loop. */
  checksum = 0;
  readonly #sources: readonly KeySource[];
  readonly #range: HashRange;
  #restored: readonly DoneInterval[];
  #started = false;
  #finished = false;
  /** First hash after the window. */
  #windowEnd: number;
  /** Keys of the window, each after a u32 with its length, padded with zero bytes to a multiple of 4. */
  readonly #keys = new RowScratch();
  #window: Window = { offsets: new Uint32Array(0), hashes: new Uint32Array(0) };
  #next = 0;

  constructor(sources: readonly KeySource[], range: HashRange, restored: readonly JsonValue[] = []) {
    this.#sources = sources;
    this.#range = range;
    this.#windowEnd = range.first;
    this.#restored = (restored as unknown as readonly DoneInterval[]).filter(
      ({ from, hash }) => from <= range.last && hash >= range.first,
    );
  }

  /**
   * A record came, so what was said to be the end was not: results leave again for all keys. Happens only when a job that
   * was restored while it ended has got more input.
   */
  reset(): void {
    if (this.#restored.length > 0) this.#restored = [];
  }

  /** Moves `key` to the next key; false when there is none. What was `key` before counts as done. */
  next(): boolean {
    this.#started = true;
    while (this.#next >= this.#window.offsets.length) {
      if (this.#finished || this.#windowEnd > this.#range.last) {
        this.#finished = true;
        return false;
      }
      this.#fill();
    }
    const at = this.#window.offsets[this.#next];
    const { key } = this;
    key.memory = this.#keys.memory;
    key.at = at + 4;
    key.length = key.memory.u32[at >>> 2];
    key.hash = this.#window.hashes[this.#next];
    if (this.#next % PREFETCH_KEYS === 0) this.#prefetch();
    this.#next++;
    return true;
  }

  /** What is done, for a checkpoint; null when nothing is. */
  snapshot(): readonly JsonValue[] | null {
    const { first, last } = this.#range;
    const done: DoneInterval[] = [];
    if (this.#finished) return [{ from: first, hash: last, key: null }];
    if (this.#started) {
      if (this.#next > 0) {
        const { hash, memory, at, length } = this.key;
        done.push({ from: first, hash, key: memory.buf.toString('base64', at, at + length) });
      } else if (this.#windowEnd > first) {
        done.push({ from: first, hash: this.#windowEnd - 1, key: null });
      }
    }
    done.push(...this.#restored);
    return done.length === 0 ? null : (done as unknown as JsonValue[]);
  }

  #fill(): void {
    const from = this.#windowEnd;
    let width = this.#windowWidth(from);
    let found = this.#collect(from, from + width);
    while (found === null) {
      width = Math.ceil(width / 4);
      found = this.#collect(from, from + width);
    }
    this.#windowEnd = from + width;
    this.#next = 0;
    this.#window = found;
  }

  /** Keys come in the order of their hashes, which is no order in memory: without this every lookup would miss the cache alone. */
  #prefetch(): void {
    const hashes = this.#window.hashes.subarray(this.#next, this.#next + PREFETCH_KEYS);
    for (const { map, isHead } of this.#sources) if (isHead === null) this.checksum ^= map.prefetch(hashes, hashes.length);
  }

  /** Hashes are evenly spread, so the number of entries says how many there are in a window. */
  #windowWidth(from: number): number {
    const left = this.#range.last + 1 - from;
    let entries = 0;
    for (const { map } of this.#sources) entries += map.size;
    const windows = Math.ceil(((entries / (this.#range.last + 1 - this.#range.first)) * left) / WINDOW_ENTRIES);
    return Math.ceil(left / Math.max(1, windows));
  }

  /**
   * Sorted keys with a hash in [from, to), without those done; null when there are too many to sort at once. Keys are copied
   * in the order of the log, where the processor reads ahead, and sorted by where they lie in the copy.
   */
  #collect(from: number, to: number): Window | null {
    const hashes: number[] = [];
    const offsets: number[] = [];
    let at = 0;
    for (const { map, isHead } of this.#sources) {
      for (const address of map.addresses()) {
        const hash = map.hashAt(address);
        if (hash < from || hash >= to || (isHead !== null && !isHead(map, address))) continue;
        if (hashes.length === MOST_ENTRIES && to - from > 1) return null;
        hashes.push(hash);
        offsets.push(at);
        const keyAt = map.keyAt(address);
        at =
          isHead === null
            ? this.#copyKey(map.memory, keyAt, map.keyLength(address), at)
            : this.#copyKey(map.memory, keyAt + 4, map.memory.u32[keyAt / 4], at);
      }
    }
    const { memory } = this.#keys;
    const order = orderByHash(hashes);
    const window = { offsets: order.map((i) => offsets[i]), hashes: order.map((i) => hashes[i]) };
    sortTies(memory, window);
    return this.#withoutDone(memory, window);
  }

  /** @returns where the next key goes */
  #copyKey(from: Memory, keyAt: number, length: number, at: number): number {
    const end = at + 4 + ((length + 3) & ~3);
    const { u32 } = this.#keys.reserve(end);
    u32[(end >>> 2) - 1] = 0;
    u32[at >>> 2] = length;
    copyBytes(from, keyAt, this.#keys.memory, at + 4, length);
    return end;
  }

  /** Drops equal keys (of several maps) and those of done intervals. */
  #withoutDone(memory: Memory, { offsets, hashes }: Window): Window {
    const done = this.#restored.map(({ from, hash, key }) => ({
      from,
      hash,
      key: key === null ? null : memoryOf(Buffer.from(key, 'base64')),
    }));
    let kept = 0;
    for (let i = 0; i < offsets.length; i++) {
      const at = offsets[i];
      const hash = hashes[i];
      if (kept > 0 && hashes[kept - 1] === hash && compareKeys(memory, offsets[kept - 1], at) === 0) continue;
      const isDone = done.some(
        (interval) =>
          hash >= interval.from &&
          (hash < interval.hash ||
            (hash === interval.hash &&
              (interval.key === null ||
                compareBytes(memory, at + 4, memory.u32[at >>> 2], interval.key.memory, 0, interval.key.length) <= 0))),
      );
      if (isDone) continue;
      offsets[kept] = at;
      hashes[kept] = hash;
      kept++;
    }
    return { offsets: offsets.subarray(0, kept), hashes: hashes.subarray(0, kept) };
  }
}

/**
 * Visits key after key until none is left, `out` is full or the deadline has come.
 *
 * @param key         moved to each key before `visit`
 * @param deadlineMs  performance.now() at which to stop
 * @returns           true when all keys were visited
 */
export function visitKeys(cursor: EndCursor, key: CurrentKey, out: Output, deadlineMs: number, visit: () => void): boolean {
  for (;;) {
    if (out.full || performance.now() >= deadlineMs) return false;
    if (!cursor.next()) return true;
    const { ref } = key;
    const next = cursor.key;
    ref.memory = next.memory;
    ref.at = next.at;
    ref.length = next.length;
    ref.hash = next.hash;
    key.moved();
    visit();
  }
}

/** Numbers of the hashes in ascending order of hash: one native sort of (hash, number) packed into doubles. */
function orderByHash(hashes: readonly number[]): Uint32Array {
  // More than fit come only from a window of one hash, which needs no sorting.
  if (hashes.length > MOST_ENTRIES) return Uint32Array.from(hashes, (_, i) => i);
  const packed = new Float64Array(hashes.length);
  for (let i = 0; i < hashes.length; i++) packed[i] = hashes[i] * MOST_ENTRIES + i;
  packed.sort();
  const order = new Uint32Array(hashes.length);
  for (let i = 0; i < order.length; i++) order[i] = packed[i] % MOST_ENTRIES;
  return order;
}

/** Orders runs of equal hashes by key bytes. Such runs are short, unless somebody chose the keys. */
function sortTies(memory: Memory, { offsets, hashes }: Window): void {
  for (let start = 0; start < offsets.length; ) {
    let end = start + 1;
    while (end < offsets.length && hashes[end] === hashes[start]) end++;
    if (end - start > 1) offsets.subarray(start, end).sort((a, b) => compareKeys(memory, a, b));
    start = end;
  }
}

function compareKeys(memory: Memory, a: number, b: number): number {
  return compareBytes(memory, a + 4, memory.u32[a >>> 2], memory, b + 4, memory.u32[b >>> 2]);
}

function memoryOf(bytes: Buffer): { readonly memory: Memory; readonly length: number } {
  const memory = Memory.local(bytes.byteLength);
  memory.u8.set(bytes);
  return { memory, length: bytes.byteLength };
}
