/**
 * Map state: an entry of the log for each map key of each user key, so that reading and updating one costs a probe. Its sub
 * key (see `composite-key.ts`) is the word 1 (ENTRY) and the encoded map key; its value a row of the state's codec. The keys
 * of a user key are listed by its directory (`map-directory.ts`).
 */
import { type Codec, type KeyCodec, KeyRef } from '../../../format/codec.ts';
import { TidemarkError } from '../../../format/errors.ts';
import { hashKey } from '../../../format/hash.ts';
import { Memory } from '../../../format/memory.ts';
import type { MapState } from '../../../job/process.ts';
import type { StateMap } from '../state-map.ts';
import { CompositeKey } from './composite-key.ts';
import type { CurrentKey } from './current-key.ts';
import { type KeyList, MapDirectory } from './map-directory.ts';
import { RowScratch } from './row-scratch.ts';

/** First word of the sub keys of entries. */
export const ENTRY = 1;
/** Entries of an iteration that are looked up ahead, together. */
const PREFETCH_ENTRIES = 64;

export class DirectoryMapState implements MapState<unknown, unknown> {
  readonly #map: StateMap;
  readonly #keyCodec: KeyCodec;
  readonly #codec: Codec;
  readonly #current: CurrentKey;
  readonly #composite: CompositeKey;
  readonly #directory: MapDirectory;
  readonly #mapKey = new KeyRef(Memory.local(8));
  readonly #scratch = new RowScratch();
  /** Keeps the engine from dropping the prefetch loop. */
  checksum = 0;
  /** For `#prefetch`. */
  readonly #hashes = new Uint32Array(PREFETCH_ENTRIES);

  constructor(map: StateMap, key: CurrentKey, keyCodec: KeyCodec, codec: Codec) {
    this.#map = map;
    this.#keyCodec = keyCodec;
    this.#codec = codec;
    this.#current = key;
    this.#composite = new CompositeKey(key);
    this.#directory = new MapDirectory(map, new CompositeKey(key));
  }

  get size(): number {
    return this.#directory.count;
  }

  get(key: unknown): unknown {
    const address = this.#find(key);
    return address === 0 ? undefined : this.#codec.decode(this.#map.memory, this.#map.valueAt(address));
  }

  has(key: unknown): boolean {
    return this.#find(key) !== 0;
  }

  set(key: unknown, value: unknown): void {
    const length = this.#scratch.encode(this.#codec, value);
    this.#locate(key);
    const address = this.#composite.upsert(this.#map, length);
    const { created } = this.#map;
    this.#scratch.store(this.#map, address, length);
    if (created) this.#directory.add(this.#mapKey);
  }

  delete(key: unknown): boolean {
    this.#locate(key);
    const existed = this.#composite.delete(this.#map);
    if (existed) this.#directory.remove(this.#mapKey);
    return existed;
  }

  clear(): void {
    const list = this.#directory.list();
    const { memory, at } = list;
    if (at.length > 0) this.#directory.clear();
    for (const entry of at) {
      this.#composite.wordAndBytes(ENTRY, memory, entry + 4, memory.u32[entry >>> 2]);
      this.#composite.delete(this.#map);
    }
    this.#directory.release(list);
  }

  *keys(): IterableIterator<unknown> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): IterableIterator<unknown> {
    for (const [, value] of this.entries()) yield value;
  }

  /**
   * The keys as they are when the iteration begins, each with its value as it is when its turn comes; what was deleted
   * since is left out. So a map may be changed while it is iterated.
   */
  *entries(): IterableIterator<[unknown, unknown]> {
    const { version } = this.#current;
    const list = this.#directory.list();
    const { memory, at } = list;
    try {
      for (let i = 0; i < at.length; i++) {
        const entry = at[i];
        const length = memory.u32[entry >>> 2];
        if (this.#current.version !== version) throw iterationOutlivedRecord();
        if (i % PREFETCH_ENTRIES === 0) this.#prefetch(list, i);
        this.#composite.wordAndBytes(ENTRY, memory, entry + 4, length);
        const address = this.#composite.find(this.#map);
        if (address === 0) continue;
        yield [
          this.#keyCodec.decode(memory, entry + 4, length),
          this.#codec.decode(this.#map.memory, this.#map.valueAt(address)),
        ];
      }
    } finally {
      this.#directory.release(list);
    }
  }

  /** Brings the entries of the next keys into the cache: their misses overlap. */
  #prefetch({ memory, at }: KeyList, from: number): void {
    const hashes = this.#hashes;
    const composite = this.#composite;
    const count = Math.min(PREFETCH_ENTRIES, at.length - from);
    for (let i = 0; i < count; i++) {
      const entry = at[from + i];
      composite.wordAndBytes(ENTRY, memory, entry + 4, memory.u32[entry >>> 2]);
      hashes[i] = hashKey(composite.memory, 0, composite.length);
    }
    this.checksum ^= this.#map.prefetch(hashes, count);
  }

  #find(key: unknown): number {
    this.#locate(key);
    return this.#composite.find(this.#map);
  }

  #locate(key: unknown): void {
    const ref = this.#mapKey;
    this.#keyCodec.encode(key, ref);
    this.#composite.wordAndBytes(ENTRY, ref.memory, ref.at, ref.length);
  }
}

function iterationOutlivedRecord(): TidemarkError {
  return new TidemarkError(
    'ERR_INVALID_ARG',
    'An iteration over a map state went on after the record for which it began. Copy what is needed later: [...state.entries()].',
  );
}
