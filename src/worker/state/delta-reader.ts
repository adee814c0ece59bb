/**
 * Reads frozen regions of a state map, in any thread, while the owner goes on.
 *
 * What makes that sound: records of epochs that have ended do not change, except for `superseded` and `previous`, of which every
 * value that may be met is right, the one before a change and the one after (an aligned word is never met half-written; Atomics would
 * add nothing but time: V8 calls a function for each); a segment's `end` is published with Atomics at the
 * mark, after the records before it; and no segment is used again while the reader is pinned.
 */
import { compareBytes } from '../../format/copy-bytes.ts';
import type { EntryBatch } from '../../format/entry-batch.ts';
import type { Memory } from '../../format/memory.ts';
import { touchRecords } from './batch.ts';
import { controlWords } from './control-layout.ts';
import { sortByHash } from './radix-sort.ts';
import {
  ALIGNED_UNITS,
  EPOCH,
  isShortEntry,
  isTombstoneMeta,
  keyHashOf,
  keyLengthOf,
  keyWordOf,
  META,
  PREVIOUS,
  storedValueLength,
  SUPERSEDED,
  unitsOf,
  valueUnit,
  wordsBeforeKey,
} from './record-layout.ts';
import { SegmentTable } from './segment-table.ts';
import type { DeltaReader, StateMapHandles } from './state-map.ts';
import { memoryOf } from './state-memory.ts';

/** 32-bit words of a cache line. */
const LINE_WORDS = 16;

/** Opens a reader. The map must be pinned (`pinReader`) from before the end of the turn that marked the region until the reader is done. */
export function openDeltaReader(handles: StateMapHandles): DeltaReader {
  return new LogDeltaReader(handles);
}

class LogDeltaReader implements DeltaReader {
  readonly memory: Memory;
  readonly #log: Int32Array;
  readonly #segments: SegmentTable;
  /** What reading ahead read: written so that the reads are not optimised away. */
  touched = 0;

  constructor(handles: StateMapHandles) {
    this.memory = memoryOf(handles.log);
    this.#log = this.memory.i32;
    this.#segments = new SegmentTable(controlWords(handles.control));
  }

  collect(after: number, upTo: number): Uint32Array {
    const found = new Found();
    this.#scan(after, upTo, true, found);
    return this.#sort(found);
  }

  collectFull(upTo: number): Uint32Array {
    const found = new Found();
    this.#scan(-1, upTo, false, found);
    return this.#sort(found);
  }

  isTombstone(address: number): boolean {
    return isTombstoneMeta(this.#log[address * 2 + META]);
  }

  readAhead(addresses: Uint32Array, from: number, to: number): void {
    this.touched ^= touchRecords(this.#log, META, addresses, from, to);
  }

  previousOf(addresses: Uint32Array, from: number, to: number, epoch: number, previous: Uint32Array): number {
    const log = this.#log;
    for (let i = from; i < to; i++) previous[i - from] = log[addresses[i] * 2 + PREVIOUS];
    this.touched ^= touchRecords(log, META, previous, 0, to - from);
    let count = 0;
    for (let i = from; i < to; i++) {
      const version = this.previous(addresses[i], epoch);
      if (version !== 0) previous[count++] = version;
    }
    return count;
  }

  gather(addresses: Uint32Array, from: number, to: number, batch: EntryBatch): boolean {
    const log = this.#log;
    const meta = log[addresses[from] * 2 + META];
    const keyLength = keyLengthOf(meta);
    const valueLength = storedValueLength(log, addresses[from]);
    if (!isShortEntry(meta) || ((keyLength | valueLength) & 3) !== 0) return false;
    const { hashes, keyWords, valueWords } = batch;
    const valueAfter = valueUnit(log, addresses[from]) - addresses[from];
    const keyAfter = wordsBeforeKey(meta);
    let different = 0;
    for (let i = from; i < to; i++) {
      const address = addresses[i];
      const word = address << 1;
      different |= log[word + META] ^ meta;
      hashes[i - from] = keyHashOf(log, address);
      keyWords[i - from] = word + keyAfter;
      valueWords[i - from] = (address + valueAfter) << 1;
    }
    if (different !== 0) return false;
    this.#touchValues(addresses, from, to, unitsOf(log, addresses[from]));
    batch.memory = this.memory;
    batch.count = to - from;
    batch.keyLength = keyLength;
    batch.valueLength = valueLength;
    return true;
  }

  /** Reads those cache lines of records of one size that `readAhead` did not: entries of 100 bytes take 45 ns less to write. */
  #touchValues(addresses: Uint32Array, from: number, to: number, units: number): void {
    const log = this.#log;
    for (let word = META + LINE_WORDS; word < units * 2; word += LINE_WORDS)
      this.touched ^= touchRecords(log, word, addresses, from, to);
    if (units > ALIGNED_UNITS) this.touched ^= touchRecords(log, units * 2 - 1, addresses, from, to);
  }

  previous(address: number, epoch: number): number {
    const log = this.#log;
    let version = address;
    while (version !== 0 && log[version * 2 + EPOCH] > epoch) version = log[version * 2 + PREVIOUS];
    return version !== 0 && isTombstoneMeta(log[version * 2 + META]) ? 0 : version;
  }

  hashAt(address: number): number {
    return keyHashOf(this.#log, address) >>> 0;
  }

  keyAt(address: number): number {
    return keyWordOf(address, this.#log[address * 2 + META]) * 4;
  }

  keyLength(address: number): number {
    return keyLengthOf(this.#log[address * 2 + META]);
  }

  valueAt(address: number): number {
    return valueUnit(this.#log, address) * 8;
  }

  valueLength(address: number): number {
    return this.isTombstone(address) ? 0 : storedValueLength(this.#log, address);
  }

  /** Finds the records of epochs (after, upTo] that nothing in those epochs superseded. */
  #scan(after: number, upTo: number, tombstones: boolean, found: Found): void {
    const log = this.#log;
    const segments = this.#segments;
    const { highWater } = segments;
    for (let head = 0; head < highWater; head++) {
      if (!segments.isHead(head) || segments.firstEpoch(head) > upTo || segments.lastEpoch(head) <= after) continue;
      const end = segments.endOf(head);
      let units = 0;
      for (let at = segments.startOf(head); at < end; at += units) {
        const word = at << 1;
        units = unitsOf(log, at);
        const epoch = log[word + EPOCH];
        const superseded = log[word + SUPERSEDED];
        if (epoch <= after || epoch > upTo || (superseded !== 0 && superseded <= upTo)) continue;
        if (tombstones || !isTombstoneMeta(log[word + META])) found.push(keyHashOf(log, at), at);
      }
    }
  }

  /** By hash, then by key bytes. */
  #sort(found: Found): Uint32Array {
    const { hashes, addresses } = sortByHash(found.hashes, found.addresses, found.count);
    let from = 0;
    for (let to = 1; to <= found.count; to++) {
      if (to < found.count && hashes[to] === hashes[from]) continue;
      if (to - from > 1) addresses.subarray(from, to).sort((a, b) => this.#compareKeys(a, b));
      from = to;
    }
    return addresses.subarray(0, found.count);
  }

  #compareKeys(a: number, b: number): number {
    return compareBytes(this.memory, this.keyAt(a), this.keyLength(a), this.memory, this.keyAt(b), this.keyLength(b));
  }
}

/** Hashes and addresses of records, growing. */
class Found {
  hashes = new Uint32Array(1024);
  addresses = new Uint32Array(1024);
  count = 0;

  push(hash: number, address: number): void {
    if (this.count === this.hashes.length) this.#grow();
    this.hashes[this.count] = hash;
    this.addresses[this.count++] = address;
  }

  #grow(): void {
    const hashes = new Uint32Array(this.count * 2);
    const addresses = new Uint32Array(this.count * 2);
    hashes.set(this.hashes);
    addresses.set(this.addresses);
    this.hashes = hashes;
    this.addresses = addresses;
  }
}
