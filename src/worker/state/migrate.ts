/**
 * Loads a keyed state whose schema changed: what an entry holds is decoded by the former schema and written by the present one.
 *
 * | kind                         | an entry of a table is    | what changes                                                |
 * |------------------------------|---------------------------|-------------------------------------------------------------|
 * | value, reducing, aggregating | one row                   | the row                                                     |
 * | topN                         | several rows              | the rows; each keeps its number, and so its rank            |
 * | map                          | one row, or a bucket of   | the row; with other map keys all is made anew, and buckets, |
 * |                              | the directory             | which hold keys only, are left out                          |
 * | list                         | a chunk of several rows   | the chunks are cut anew, since they end by size             |
 * | distinct                     | nothing: the value is in  | the key                                                     |
 * |                              | the key                   |                                                             |
 */
import type { Codec } from '../../format/codec.ts';
import { createRowCodec } from '../../format/row-codec.ts';
import type { Schema } from '../../format/schema.ts';
import { createMigratingDecoder } from '../../format/schema-migration.ts';
import type { EntryCursor, TableEntry } from '../../format/sorted-table/cursor.ts';
import type { StateDescription } from '../../format/state-content.ts';
import { migrationSites, schemaName } from '../../format/state-fit.ts';
import { migrateTopRows } from '../operators/top-rows.ts';
import type { ElementCodec } from './handles/list-state.ts';
import { DIRECTORY } from './handles/map-directory.ts';
import { codecOf } from './handles/open-state.ts';
import { RowScratch } from './handles/row-scratch.ts';
import { loadDistinct, loadLists, loadMaps, subKeyAt } from './migrate-composite.ts';
import type { StateMap } from './state-map.ts';

/**
 * @param from     of the state, for which `fitState` says `migrated`
 * @param entries  live ones, in order of hash and key
 * @returns entries read
 */
export function loadMigrated(
  map: StateMap,
  entries: EntryCursor,
  from: StateDescription,
  to: StateDescription,
  uid: string,
): number {
  const sites = migrationSites(to, uid);
  const keys = { from: from.keySchema, to: to.keySchema, site: sites.keys.site };
  const values = { from: from.schema as Schema, to: to.schema as Schema, site: sites.values.site };
  if (to.kind === 'distinct') return loadDistinct(map, entries, values);
  const codec = codecOf(to.schema);
  const former: ElementCodec =
    from.schema === null || to.schema === null
      ? codec
      : {
          fixedSize: createRowCodec(from.schema).fixedSize,
          decode: createMigratingDecoder(from.schema, to.schema, sites.values.site),
        };
  switch (to.kind) {
    case 'list':
      return loadLists(map, entries, former, codec);
    case 'map':
      if (keys.from !== null && keys.to !== null && schemaName(keys.from) !== schemaName(keys.to))
        return loadMaps(map, entries, former, codec, { ...keys, from: keys.from, to: keys.to });
      return loadRows(map, entries, (entry, scratch) => (isBucket(entry) ? null : rowOf(entry, former, codec, scratch)));
    case 'topN':
      return loadRows(map, entries, ({ memory, valueAt }, scratch) => migrateTopRows(memory, valueAt, former, codec, scratch));
    default:
      return loadRows(map, entries, (entry, scratch) => rowOf(entry, former, codec, scratch));
  }
}

function rowOf({ memory, valueAt }: TableEntry, former: ElementCodec, codec: Codec, scratch: RowScratch): number {
  return scratch.encode(codec, former.decode(memory, valueAt));
}

/** @param migrate  writes the new value into the scratch memory, and says how long it is; null: the entry stays as it is */
function loadRows(
  map: StateMap,
  cursor: EntryCursor,
  migrate: (entry: TableEntry, scratch: RowScratch) => number | null,
): number {
  const scratch = new RowScratch();
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    const { hash, memory, keyAt, keyLength } = entry;
    const length = migrate(entry, scratch);
    if (length === null) map.load(hash, memory, keyAt, keyLength, memory, entry.valueAt, entry.valueLength);
    else map.load(hash, memory, keyAt, keyLength, scratch.memory, 0, length);
    entries++;
  }
  return entries;
}

/** Is the entry of a map state a bucket of its directory? */
function isBucket(entry: TableEntry): boolean {
  return entry.memory.u32[subKeyAt(entry) / 4] === DIRECTORY;
}
