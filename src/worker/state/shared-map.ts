/**
 * `tidemark/shared-map`: the keyed state map of the engine on its own. A map from bytes to bytes in shared memory that the threads of a
 * process take turns on, that can be marked in constant time, and that tells what changed since a mark. See docs/shared-map.md.
 */
import { isTidemarkError, TidemarkError } from '../../format/errors.ts';
import { hashKey } from '../../format/hash.ts';
import { Memory } from '../../format/memory.ts';
import { openDeltaReader } from './delta-reader.ts';
import { Lease, LEASE_BYTES } from './lease.ts';
import { createStateMap, openStateMap } from './log-state-map.ts';
import { type PinKind, pinReader, unpinReader } from './reader-pins.ts';
import { MAX_KEY_BYTES } from './record-layout.ts';
import type { DeltaReader, StateMap, StateMapHandles } from './state-map.ts';

export interface SharedMapOptions {
  /** Most bytes that entries and their headers may take, at most 8 GiB (4 GiB on Node 20); default 256 MiB. Reserved, not committed. */
  readonly limitBytes?: number;
  /** Number of entries to size the index for at once; it grows by itself. */
  readonly expectedEntries?: number;
  /** Name for error messages. */
  readonly name?: string;
}

/** What another thread needs to open the map: send it with `postMessage` or as `workerData`. */
export interface SharedMapHandles {
  readonly name: string;
  /** The lease (see lease.ts, words 0 and 1); word 2 is 1 once somebody wants to know what changes. */
  readonly lease: SharedArrayBuffer;
  readonly map: StateMapHandles;
}

/** An entry that changed; `value` is undefined when it was deleted. Key and value are copies. */
export interface SharedMapChange {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** A place in the history of a map: what `mark` returned. 0 is its creation. */
export type SharedMapMark = number;

const DEFAULT_LIMIT_BYTES = 256 * 2 ** 20;
const MIN_LIMIT_BYTES = 64 * 2 ** 10;
const MAX_LIMIT_BYTES = 2 ** 33;
const MAX_EXPECTED_ENTRIES = 2 ** 28;
/** Longest that `release` tidies up. */
const CLEANING_MS = 1;

/**
 * Creates a map. Nobody holds its lease.
 *
 * @throws TidemarkError ERR_INVALID_ARG when an option is not valid, ERR_STATE_MEMORY_LIMIT when the machine refuses the memory
 */
export function createSharedMap(options: SharedMapOptions = {}): SharedMap {
  const { limitBytes = DEFAULT_LIMIT_BYTES, expectedEntries = 0, name = 'the shared map' } = options;
  checkInteger('limitBytes', limitBytes, MIN_LIMIT_BYTES, MAX_LIMIT_BYTES);
  checkInteger('expectedEntries', expectedEntries, 0, MAX_EXPECTED_ENTRIES);
  const map = createStateMap({ limitBytes, expectedEntries, epoch: 1, derivesHash: true, label: name });
  return new SharedMap({ name, lease: new SharedArrayBuffer(LEASE_BYTES + 4), map: map.handles() }, map);
}

/** Opens a map of another thread. Cheap; the lease is not needed for it. */
export function openSharedMap(handles: SharedMapHandles): SharedMap {
  return new SharedMap(handles, openStateMap(handles.map, { label: handles.name }));
}

/**
 * A map from bytes to bytes in shared memory. Reading and writing need the lease (`acquire`, `withLease`); a thread that calls without it gets
 * ERR_INVALID_ARG. Keys have up to 64 KiB, values up to 64 MiB; longer ones get ERR_RECORD_TOO_LARGE.
 */
export class SharedMap {
  readonly handles: SharedMapHandles;
  readonly #map: StateMap;
  readonly #lease: Lease;
  readonly #words: Int32Array;

  /** Use `createSharedMap` and `openSharedMap`. */
  constructor(handles: SharedMapHandles, map: StateMap) {
    this.handles = handles;
    this.#map = map;
    this.#lease = new Lease(handles.lease, handles.name);
    this.#words = new Int32Array(handles.lease);
  }

  /**
   * Takes the lease, blocking this thread until it is free.
   *
   * @param timeoutMs  longest wait; by default there is no limit
   * @throws TidemarkError ERR_LEASE_TIMEOUT naming the thread that holds it
   */
  acquire(timeoutMs = Number.POSITIVE_INFINITY): void {
    this.#lease.acquire(timeoutMs);
  }

  /** Gives the lease back, after reclaiming memory for at most about a millisecond. */
  release(): void {
    this.#lease.check('release');
    this.#map.clean(CLEANING_MS);
    this.#lease.release();
  }

  /** Calls `use` with the lease held, and gives the lease back whatever happens. `use` must be synchronous. */
  withLease<T>(use: (map: this) => T, timeoutMs?: number): T {
    this.acquire(timeoutMs);
    try {
      return use(this);
    } finally {
      this.release();
    }
  }

  /** Id of the thread that holds the lease, 0 for the main thread; undefined when it is free. */
  get holder(): number | undefined {
    return this.#lease.holder;
  }

  /** A copy of the value of a key. */
  get(key: Uint8Array): Uint8Array | undefined {
    const address = this.#find('get', key);
    return address === 0 ? undefined : valueOf(this.#map, address);
  }

  has(key: Uint8Array): boolean {
    return this.#find('has', key) !== 0;
  }

  /** @throws TidemarkError ERR_STATE_MEMORY_LIMIT when the limit is reached; the map is as before then, and usable */
  set(key: Uint8Array, value: Uint8Array): void {
    this.#lease.check('set');
    checkBytes('set', 'value', value);
    const hash = putKey('set', key);
    const address = this.#withRoom(() => this.#map.upsert(hash, scratch, 0, key.byteLength, value.byteLength));
    this.#map.memory.u8.set(value, this.#map.valueAt(address));
  }

  /** True when the key was there. Needs a little room, for the note that the key is gone. */
  delete(key: Uint8Array): boolean {
    this.#lease.check('delete');
    const hash = putKey('delete', key);
    return this.#withRoom(() => this.#map.delete(hash, scratch, 0, key.byteLength));
  }

  /** Number of entries. */
  get size(): number {
    return this.#map.size;
  }

  /** Bytes of memory taken, in whole segments: entries, older versions, and what is not reclaimed yet. The index comes on top: 13 to 26 bytes an entry. */
  get usedBytes(): number {
    return this.#map.usedBytes;
  }

  /** Bytes of the entries, with a header of 16 to 24 bytes each. */
  get liveBytes(): number {
    return this.#map.liveBytes;
  }

  /** Notes this moment, in constant time. From now on `changedSince` can tell what changed after it, until `forget`. */
  mark(): SharedMapMark {
    this.#lease.check('mark');
    this.#words[MARKED] = 1;
    return this.#freeze();
  }

  /**
   * The entries that changed after a mark, each once, with the value it has now; what was deleted comes without a value. In the
   * order of their hashes. Begin iterating while holding the lease; the content is that of the beginning, so one may go on without the
   * lease, and the map may be changed meanwhile. Memory is held back until the iteration ends.
   *
   * @param mark  from `mark()`, or 0 for the creation of the map
   * @throws TidemarkError ERR_INVALID_ARG when the mark is forgotten or is none
   */
  *changedSince(mark: SharedMapMark): Generator<SharedMapChange, void, undefined> {
    this.#lease.check('changedSince');
    this.#checkMark('changedSince', mark);
    this.#words[MARKED] = 1;
    const now = this.#freeze();
    yield* this.#pinned('delta', function* (reader) {
      for (const address of reader.collect(mark, now)) {
        yield { key: keyOf(reader, address), value: reader.isTombstone(address) ? undefined : valueOf(reader, address) };
      }
    });
  }

  /** All entries, as copies. Begin with the lease held, as for `changedSince`; no memory is reclaimed until the iteration ends. */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
    this.#lease.check('entries');
    const now = this.#freeze();
    yield* this.#pinned('full', function* (reader) {
      for (const address of reader.collectFull(now)) yield [keyOf(reader, address), valueOf(reader, address)];
    });
  }

  /** Gives up a mark and all before it: what only they need is reclaimed. Marks that are never forgotten cost the memory of what changed since. */
  forget(mark: SharedMapMark): void {
    this.#lease.check('forget');
    this.#checkMark('forget', mark);
    this.#map.complete(mark);
  }

  #find(operation: string, key: Uint8Array): number {
    this.#lease.check(operation);
    const hash = putKey(operation, key);
    return this.#map.find(hash, scratch, 0, key.byteLength);
  }

  /** Runs a change; when there is no room, reclaims all that can be and tries again. */
  #withRoom<T>(change: () => T): T {
    try {
      return change();
    } catch (error) {
      if (!isTidemarkError(error) || error.code !== 'ERR_STATE_MEMORY_LIMIT') throw error;
      while (this.#map.clean(Number.POSITIVE_INFINITY));
      return change();
    }
  }

  /** Ends the epoch. While nobody has asked for changes older versions are of no use, and may go. */
  #freeze(): number {
    const map = this.#map;
    const { epoch } = map;
    map.mark(epoch + 1);
    if (this.#words[MARKED] === 0) map.complete(epoch);
    return epoch;
  }

  *#pinned<T>(kind: PinKind, read: (reader: DeltaReader) => Generator<T, void, undefined>): Generator<T, void, undefined> {
    pinReader(this.handles.map, kind);
    try {
      yield* read(openDeltaReader(this.handles.map));
    } finally {
      unpinReader(this.handles.map, kind);
    }
  }

  #checkMark(operation: string, mark: SharedMapMark): void {
    const { epoch, completed } = this.#map;
    if (Number.isInteger(mark) && mark >= completed && mark < epoch) return;
    const known =
      epoch - 1 > completed ? `the marks ${completed} to ${epoch - 1} can be used` : `only mark ${completed} can be used`;
    throw new TidemarkError(
      'ERR_INVALID_ARG',
      `${operation}: ${String(mark)} is not a mark of ${this.handles.name} that is still kept; ${known}.`,
    );
  }
}

/** Word of the lease memory: 1 once somebody wants to know what changes. */
const MARKED = 2;

/** The key at hand, padded with zero bytes. One per thread: operations do not nest. */
const scratch = Memory.local(MAX_KEY_BYTES + 8);

/** Puts a key into the scratch memory and returns its hash. */
function putKey(operation: string, key: Uint8Array): number {
  checkBytes(operation, 'key', key);
  const length = key.byteLength;
  if (length > MAX_KEY_BYTES) {
    throw new TidemarkError(
      'ERR_RECORD_TOO_LARGE',
      `${operation}: a key of ${length} bytes is too large, at most ${MAX_KEY_BYTES} are allowed. Use a hash of it as the key.`,
    );
  }
  scratch.u32[length >>> 2] = 0;
  scratch.u8.set(key);
  return hashKey(scratch, 0, length);
}

function keyOf(source: DeltaReader, address: number): Uint8Array {
  const at = source.keyAt(address);
  return copy(source.memory, at, source.keyLength(address));
}

function valueOf(source: DeltaReader | StateMap, address: number): Uint8Array {
  return copy(source.memory, source.valueAt(address), source.valueLength(address));
}

/** Memory of the caller's own: `slice` of a view over shared memory copies into an ArrayBuffer. */
function copy(memory: Memory, at: number, length: number): Uint8Array {
  return memory.u8.slice(at, at + length);
}

function checkBytes(operation: string, what: string, bytes: unknown): void {
  if (bytes instanceof Uint8Array) return;
  throw new TidemarkError(
    'ERR_INVALID_ARG',
    `${operation}: the ${what} must be a Uint8Array, not ${bytes === null ? 'null' : typeof bytes}.`,
  );
}

function checkInteger(option: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new TidemarkError(
    'ERR_INVALID_ARG',
    `createSharedMap: ${option} must be an integer from ${min} to ${max}, not ${String(value)}.`,
  );
}
