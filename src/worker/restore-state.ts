/** Opens a keyed state with what the tables of a checkpoint hold of it: a sequential bulk load into a presized map. */
import { StateDigest } from '../format/digest.ts';
import { EntryBatch } from '../format/entry-batch.ts';
import type { Schema } from '../format/schema.ts';
import { fitState } from '../format/state-fit.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import { ALL_HASHES } from '../snapshot/hash-range.ts';
import { liveEntries, type MergeCursor } from '../snapshot/merge.ts';
import { withTables } from '../snapshot/table-file.ts';
import type { OpenState, SubtaskRestore } from './protocol.ts';
import type { KeyedStateInfo } from './state/handles/open-state.ts';
import { createStateMap } from './state/log-state-map.ts';
import { loadMigrated } from './state/migrate.ts';
import type { StateMap, StateMapOptions } from './state/state-map.ts';

export interface RestoredState {
  readonly info: Omit<OpenState, 'handles'>;
  readonly map: StateMap;
  readonly entries: number;
  /** Of the entries, hex; null when the values were rewritten for a schema that changed. */
  readonly digest: string | null;
}

/**
 * @throws TidemarkError ERR_STATE_INCOMPATIBLE, and what reading tables throws
 */
export function openRestored(
  fs: FsPort,
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
  return withTables(fs, restore.tables, (tables) => {
    const sections = tables.flatMap((table) => table.section(state.uid, state.name)?.entry ?? []);
    const expectedEntries = sections.reduce((sum, section) => sum + section.entries - section.tombstones, 0);
    const map = createStateMap({
      ...options,
      epoch: restore.epoch,
      composite: state.composite,
      derivesHash: !state.composite,
      expectedEntries,
    });
    const [found] = sections;
    const live = liveEntries(tables, info.uid, info.name, ALL_HASHES);
    if (found === undefined || fitState(found, info, info.uid, `checkpoint ${restore.epoch - 1}`) === 'same') {
      const digest = new StateDigest();
      return { info, map, entries: load(map, live, digest), digest: digest.toHex() };
    }
    return { info, map, entries: loadMigrated(map, live, found, info, info.uid), digest: null };
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

/** Entries that are loaded together. */
const BATCH = 128;

/** Digests what it loads: what is restored is compared with what the manifest says, and is what deltas are counted from. */
function load(map: StateMap, cursor: MergeCursor, digest: StateDigest): number {
  const batch = new EntryBatch(BATCH);
  const addresses = new Uint32Array(BATCH);
  // Entries that come one by one: of lengths that differ, or from tables that take turns.
  const singles = { hashes: new Uint32Array(BATCH), addresses: new Uint32Array(BATCH), count: 0 };
  let entries = 0;
  const addSingles = (): void => {
    map.addPlaced(singles.hashes, singles.addresses, singles.count);
    for (let i = 0; i < singles.count; i++) addTo(digest, map, singles.addresses[i]);
    entries += singles.count;
    singles.count = 0;
  };
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    const { hash, memory } = entry;
    singles.hashes[singles.count] = hash;
    singles.addresses[singles.count++] = map.place(
      hash,
      memory,
      entry.keyAt,
      entry.keyLength,
      memory,
      entry.valueAt,
      entry.valueLength,
    );
    if (singles.count === BATCH) addSingles();
    for (let taken = cursor.takeBatch(batch); taken > 0; taken = cursor.takeBatch(batch)) {
      map.placeBatch(batch, addresses);
      map.addPlaced(batch.hashes, addresses, taken);
      digest.addBatch(batch);
      entries += taken;
    }
  }
  addSingles();
  return entries;
}

function addTo(digest: StateDigest, map: StateMap, address: number): void {
  const { memory } = map;
  digest.add(memory, map.keyAt(address), map.keyLength(address), memory, map.valueAt(address), map.valueLength(address));
}
