/** Loads states of which a user key has many entries (`handles/composite-key.ts`), when their chunks or keys must be made anew. */
import { type Codec, KeyRef } from '../../format/codec.ts';
import { copyBytes } from '../../format/copy-bytes.ts';
import { createKeyCodec } from '../../format/key-codec.ts';
import { Memory } from '../../format/memory.ts';
import type { Schema } from '../../format/schema.ts';
import { createMigration, type MigrationSite } from '../../format/schema-migration.ts';
import type { EntryCursor, TableEntry } from '../../format/sorted-table/cursor.ts';
import { CompositeKey } from './handles/composite-key.ts';
import { CurrentKey } from './handles/current-key.ts';
import { ChunkedListState, type ElementCodec, readChunk } from './handles/list-state.ts';
import { DIRECTORY } from './handles/map-directory.ts';
import { DirectoryMapState, ENTRY } from './handles/map-state.ts';
import { RowScratch } from './handles/row-scratch.ts';
import type { StateMap } from './state-map.ts';

/** Schemas of sub keys. */
export interface KeyMigration {
  readonly from: Schema;
  readonly to: Schema;
  readonly site: MigrationSite;
}

/** Entries of one user key stand together, but their chunks not in order: chunk 256 comes before chunk 1. */
export function loadLists(map: StateMap, cursor: EntryCursor, former: ElementCodec, codec: Codec): number {
  const user = new UserKey();
  const list = new ChunkedListState(map, user.key, codec);
  let chunks: { readonly chunk: number; readonly elements: unknown[] }[] = [];
  const write = (): void => {
    list.addAll(chunks.toSorted((a, b) => a.chunk - b.chunk).flatMap(({ elements }) => elements));
    chunks = [];
  };
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    if (!user.is(entry)) {
      write();
      user.take(entry);
    }
    const elements: unknown[] = [];
    readChunk(former, entry.memory, entry.valueAt, elements);
    chunks.push({ chunk: entry.memory.u32[(entry.keyAt + entry.keyLength) / 4 - 1], elements });
    entries++;
  }
  write();
  return entries;
}

/** Sets each entry under its new key, which makes the directory anew. */
export function loadMaps(map: StateMap, cursor: EntryCursor, former: ElementCodec, codec: Codec, keys: KeyMigration): number {
  const user = new UserKey();
  const state = new DirectoryMapState(map, user.key, createKeyCodec([keys.to]), codec);
  const formerKeys = createKeyCodec([keys.from]);
  const convert = createMigration(keys.from, keys.to, keys.site);
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    entries++;
    const { memory, valueAt } = entry;
    const sub = subKeyAt(entry);
    if (memory.u32[sub / 4] === DIRECTORY) continue;
    if (!user.is(entry)) user.take(entry);
    const key = formerKeys.decode(memory, sub + 4, entry.keyAt + entry.keyLength - sub - 4);
    state.set(convert(key), former.decode(memory, valueAt));
  }
  return entries;
}

/** The values that a key has had are the sub keys of its entries. */
export function loadDistinct(map: StateMap, cursor: EntryCursor, values: KeyMigration): number {
  const user = new UserKey();
  const composite = new CompositeKey(user.key);
  const value = new KeyRef(Memory.local(8));
  const formerValues = createKeyCodec([values.from]);
  const presentValues = createKeyCodec([values.to]);
  const convert = createMigration(values.from, values.to, values.site);
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    if (!user.is(entry)) user.take(entry);
    const at = subKeyAt(entry) + 4;
    presentValues.encode(convert(formerValues.decode(entry.memory, at, entry.keyAt + entry.keyLength - at)), value);
    composite.wordAndBytes(ENTRY, value.memory, value.at, value.length);
    composite.upsert(map, 0);
    entries++;
  }
  return entries;
}

/** The user's key of the entries at hand, copied out of a composite key: an entry is valid until the next one only. */
class UserKey {
  readonly key = new CurrentKey();
  readonly #bytes = new RowScratch();
  #taken = false;

  take({ hash, memory, keyAt }: TableEntry): void {
    const length = memory.u32[keyAt / 4];
    const padded = (length + 3) & ~3;
    const { ref } = this.key;
    ref.memory = this.#bytes.reserve(padded + 8);
    copyBytes(memory, keyAt + 4, ref.memory, 0, padded);
    ref.at = 0;
    ref.length = length;
    ref.hash = hash;
    this.key.moved();
    this.#taken = true;
  }

  is({ hash, memory, keyAt }: TableEntry): boolean {
    const { ref } = this.key;
    return (
      this.#taken &&
      hash === ref.hash &&
      memory.u32[keyAt / 4] === ref.length &&
      memory.buf.compare(ref.memory.buf, 0, ref.length, keyAt + 4, keyAt + 4 + ref.length) === 0
    );
  }
}

/** Where the sub key of an entry begins. */
export function subKeyAt({ memory, keyAt }: TableEntry): number {
  return keyAt + 4 + ((memory.u32[keyAt / 4] + 3) & ~3);
}
