/**
 * Loads a keyed state whose schema changed: each value is decoded by the former schema and written by the present one.
 *
 * | kind                         | an entry of a table is    | what changes                                                |
 * |------------------------------|---------------------------|-------------------------------------------------------------|
 * | value, reducing, aggregating | one row                   | the row                                                     |
 * | map                          | one row, or a bucket of   | the row; buckets hold keys only, and those keep their schema|
 * |                              | the directory             |                                                             |
 * | list                         | a chunk of several rows   | the chunks are cut anew, since they end by size             |
 */
import type { Codec } from '../../format/codec.ts';
import { copyBytes } from '../../format/copy-bytes.ts';
import type { Memory } from '../../format/memory.ts';
import { createRowCodec } from '../../format/row-codec.ts';
import type { Schema } from '../../format/schema.ts';
import { createMigratingDecoder } from '../../format/schema-migration.ts';
import type { EntryCursor, TableEntry } from '../../format/sorted-table/cursor.ts';
import { CurrentKey } from './handles/current-key.ts';
import { ChunkedListState, type ElementCodec, readChunk } from './handles/list-state.ts';
import { DIRECTORY } from './handles/map-directory.ts';
import { RowScratch } from './handles/row-scratch.ts';
import type { StateMap } from './state-map.ts';

/**
 * @param kind     of a state for which `fitState` says `migrated`
 * @param entries  live ones, in order of hash and key
 * @returns entries read
 */
export function loadMigrated(
  map: StateMap,
  kind: string,
  entries: EntryCursor,
  schemas: { readonly from: Schema; readonly to: Schema },
  id: { readonly uid: string; readonly name: string },
): number {
  const former: ElementCodec = {
    fixedSize: createRowCodec(schemas.from).fixedSize,
    decode: createMigratingDecoder(schemas.from, schemas.to, `state '${id.name}' of operator '${id.uid}'`),
  };
  const codec: Codec = createRowCodec(schemas.to);
  if (kind === 'list') return loadLists(map, entries, former, codec);
  return loadRows(map, entries, former, codec, kind === 'map' ? isBucket : () => false);
}

/** @param isCopied  entries whose values are no rows of the schema */
function loadRows(
  map: StateMap,
  cursor: EntryCursor,
  former: ElementCodec,
  codec: Codec,
  isCopied: (entry: TableEntry) => boolean,
): number {
  const scratch = new RowScratch();
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    const { hash, memory, keyAt, keyLength } = entry;
    if (isCopied(entry)) map.load(hash, memory, keyAt, keyLength, memory, entry.valueAt, entry.valueLength);
    else {
      const length = scratch.encode(codec, former.decode(memory, entry.valueAt));
      map.load(hash, memory, keyAt, keyLength, scratch.memory, 0, length);
    }
    entries++;
  }
  return entries;
}

/** Entries of one user key stand together, but their chunks not in order: chunk 256 comes before chunk 1. */
function loadLists(map: StateMap, cursor: EntryCursor, former: ElementCodec, codec: Codec): number {
  const key = new CurrentKey();
  const list = new ChunkedListState(map, key, codec);
  const keyBytes = new RowScratch();
  let chunks: { readonly chunk: number; readonly elements: unknown[] }[] = [];
  const write = (): void => {
    list.addAll(chunks.toSorted((a, b) => a.chunk - b.chunk).flatMap(({ elements }) => elements));
    chunks = [];
  };
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    if (chunks.length > 0 && !isKeyOf(entry, key)) write();
    if (chunks.length === 0) pointAt(entry, key, keyBytes);
    const elements: unknown[] = [];
    readChunk(former, entry.memory, entry.valueAt, elements);
    chunks.push({ chunk: entry.memory.u32[(entry.keyAt + entry.keyLength) / 4 - 1], elements });
    entries++;
  }
  write();
  return entries;
}

/** Copies the user's key out of a composite key (`composite-key.ts`): the entry is valid until the next one only. */
function pointAt({ hash, memory, keyAt }: TableEntry, key: CurrentKey, scratch: RowScratch): void {
  const length = memory.u32[keyAt / 4];
  const padded = (length + 3) & ~3;
  const { ref } = key;
  ref.memory = scratch.reserve(padded + 8);
  copyBytes(memory, keyAt + 4, ref.memory, 0, padded);
  ref.at = 0;
  ref.length = length;
  ref.hash = hash;
  key.moved();
}

function isKeyOf({ hash, memory, keyAt }: TableEntry, { ref }: CurrentKey): boolean {
  return (
    hash === ref.hash && memory.u32[keyAt / 4] === ref.length && sameBytes(memory, keyAt + 4, ref.memory, ref.at, ref.length)
  );
}

function sameBytes(a: Memory, aAt: number, b: Memory, bAt: number, length: number): boolean {
  return a.buf.compare(b.buf, bAt, bAt + length, aAt, aAt + length) === 0;
}

/** Is the entry of a map state a bucket of its directory? */
function isBucket({ memory, keyAt }: TableEntry): boolean {
  const userLength = memory.u32[keyAt / 4];
  return memory.u32[(keyAt + 4 + ((userLength + 3) & ~3)) / 4] === DIRECTORY;
}
