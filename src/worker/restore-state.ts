/** Opens a keyed state with what the tables of a checkpoint hold of it: a sequential bulk load into a presized map. */
import { Memory } from '../format/memory.ts';
import { createRowCodec } from '../format/row-codec.ts';
import type { Schema } from '../format/schema.ts';
import { createMigratingDecoder } from '../format/schema-migration.ts';
import { fitState } from '../format/state-fit.ts';
import type { SectionEntry } from '../format/sorted-table/directory.ts';
import type { TableReader } from '../format/sorted-table/reader.ts';
import { realFs } from '../snapshot/fs-port.ts';
import { ALL_HASHES } from '../snapshot/hash-range.ts';
import { liveEntries } from '../snapshot/merge.ts';
import { withTables } from '../snapshot/table-file.ts';
import type { OpenState, SubtaskRestore } from './protocol.ts';
import type { KeyedStateInfo } from './state/handles/open-state.ts';
import { createStateMap } from './state/log-state-map.ts';
import type { StateMap, StateMapOptions } from './state/state-map.ts';

export interface RestoredState {
  readonly info: Omit<OpenState, 'handles'>;
  readonly map: StateMap;
  readonly entries: number;
  /** The values were rewritten for a schema that changed. */
  readonly migrated: boolean;
}

/**
 * @throws TidemarkError ERR_STATE_INCOMPATIBLE, and what reading tables throws
 */
export function openRestored(
  state: KeyedStateInfo,
  restore: SubtaskRestore,
  options: Pick<StateMapOptions, 'limitBytes' | 'label'>,
): RestoredState {
  const info = {
    uid: state.uid,
    name: state.name,
    kind: state.kind,
    keyType: state.keyType,
    composite: state.composite,
    ...stateSchemas(state),
  };
  return withTables(realFs, restore.tables, (tables) => {
    const sections = tables.flatMap((table) => table.section(state.uid, state.name)?.entry ?? []);
    const expectedEntries = sections.reduce((sum, section) => sum + section.entries - section.tombstones, 0);
    const map = createStateMap({ ...options, epoch: restore.epoch, composite: state.composite, expectedEntries });
    const migrate = sections.length === 0 ? null : migrationOf(sections[0], info, restore);
    const entries = migrate === null ? load(map, tables, info) : loadMigrated(map, tables, info, migrate);
    return { info, map, entries, migrated: migrate !== null };
  });
}

/** Schemas of a state as tables and manifests record them. */
export function stateSchemas(state: Pick<KeyedStateInfo, 'kind' | 'schema'>): {
  readonly keySchema: Schema | null;
  readonly schema: Schema | null;
} {
  if (state.kind !== 'map') return { keySchema: null, schema: state.schema as Schema | null };
  const { key, value } = state.schema as unknown as { key: Schema | null; value: Schema | null };
  return { keySchema: key, schema: value };
}

function load(map: StateMap, tables: readonly TableReader[], { uid, name }: Omit<OpenState, 'handles'>): number {
  const cursor = liveEntries(tables, uid, name, ALL_HASHES);
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    const { hash, memory } = entry;
    map.load(hash, memory, entry.keyAt, entry.keyLength, memory, entry.valueAt, entry.valueLength);
    entries++;
  }
  return entries;
}

type Migrate = (from: Memory, at: number) => unknown;

/** Values in the former schema are decoded, and written in the present one. */
function loadMigrated(
  map: StateMap,
  tables: readonly TableReader[],
  { uid, name, schema }: Omit<OpenState, 'handles'>,
  migrate: Migrate,
): number {
  const codec = createRowCodec(schema as Schema);
  const cursor = liveEntries(tables, uid, name, ALL_HASHES);
  let scratch = Memory.local(64 * 1024);
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    const { hash, memory } = entry;
    const value = migrate(memory, entry.valueAt);
    let length = codec.encode(value, scratch, 0, scratch.byteLength);
    while (length < 0) {
      scratch = Memory.local(scratch.byteLength * 2);
      length = codec.encode(value, scratch, 0, scratch.byteLength);
    }
    map.load(hash, memory, entry.keyAt, entry.keyLength, scratch, 0, length);
    entries++;
  }
  return entries;
}

/** null: the bytes are what the state expects. */
function migrationOf(found: SectionEntry, info: Omit<OpenState, 'handles'>, restore: SubtaskRestore): Migrate | null {
  if (fitState(found, info, info.uid, `checkpoint ${restore.epoch - 1}`) === 'same') return null;
  return createMigratingDecoder(found.schema as Schema, info.schema as Schema, `state '${info.name}' of operator '${info.uid}'`);
}
