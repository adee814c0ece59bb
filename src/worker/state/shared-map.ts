/**
 * `tidemark/shared-map`: the keyed state map of the engine on its own. A map from bytes to bytes in shared memory that the threads of a
 * process take turns on, that can be marked in constant time, and that tells what changed since a mark. See docs/shared-map.md.
 */
import { isTidemarkError, TidemarkError } from '../../format/errors.ts';
import { hashKey } from '../../format/hash.ts';
import { Memory } from '../../format/memory.ts';
import { COMPLETED } from './control-layout.ts';
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
  const map = createStateMap({ limitBytes, expectedEntries, epoch: 1, label: name });
  return new SharedMap({ name, lease: new SharedArrayBuffer(LEASE_BYTES), map: map.handles() }, map);
}

/** Opens a map of another thread. Cheap; the lease is not needed for it. */
export function openSharedMap(handles: SharedMapHandles): SharedMap {
  return new SharedMap(handles, openStateMap(handles.map, { label: handles.name }));
}

/**
 * A map from bytes to bytes in shared memory. Reading and writing need the lease (`acquire`, `withLease`); a thread that calls without it gets
 * ERR_INVALID_ARG. Keys have up to 64 KiB, values up to 64 MiB.
 */
export class SharedMap {
  readonly handles: SharedMapHandles;
  readonly #map: StateMap;
  readonly #lease: Lease;
  /** The key at hand, padded with zero bytes. */
  readonly #key = Memory.local(256);
  #longKey: Memory | undefined;
  readonly #completed: () => number;

  /** Use `createSharedMap` and `openSharedMap`. */
  constructor(handles: SharedMapHandles, map: StateMap) {
    this.handles = handles;
    this.#map = map;
    this.#lease = new Lease(handles.lease, handles.name);
    const control = new Int32Array(handles.map.control);
    this.#completed = () => control[COMPLETED];
  }
}
