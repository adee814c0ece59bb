/**
 * Restores one state of one subtask into memory as a job would, and takes a full snapshot of it, whose bytes are counted and thrown away.
 * Runs in threads of `tidemark drill`.
 */
import { StateDigest } from '../format/digest.ts';
import type { JsonValue } from '../format/json.ts';
import { isComposite, type StateDescription } from '../format/state-content.ts';
import { TableWriter } from '../format/sorted-table/writer.ts';
import { realFs } from '../snapshot/fs-port.ts';
import type { LocatedTable } from '../snapshot/table-file.ts';
import { openRestored } from './restore-state.ts';
import { openDeltaReader } from './state/delta-reader.ts';

export interface DrillTask {
  readonly uid: string;
  readonly state: StateDescription;
  /** Newest first, clipped to the hashes of the subtask. */
  readonly tables: readonly LocatedTable[];
  readonly limitBytes: number;
}

export interface DrillResult {
  readonly entries: number;
  readonly digest: string;
  /** Of the table that the snapshot would be. */
  readonly snapshotBytes: number;
  readonly restoreMs: number;
  readonly snapshotMs: number;
}

/** Epoch in which the state is restored; the snapshot is of the same. */
const EPOCH = 1;

/** @throws what restoring throws */
export default function drill({ uid, state, tables, limitBytes }: DrillTask): DrillResult {
  const startedMs = performance.now();
  const { map } = openRestored(
    realFs,
    { uid, ...state, schema: schemaOf(state), composite: isComposite(state.kind) },
    { epoch: EPOCH, operatorState: {}, tables, rewrite: false },
    { limitBytes, label: `${uid}/${state.name}` },
  );
  const restoredMs = performance.now();
  map.mark(EPOCH + 1);
  const reader = openDeltaReader(map.handles());
  const { memory } = reader;
  const digest = new StateDigest();
  const writer = new TableWriter(() => undefined, { compression: 'none' });
  writer.beginSection({ uid, ...state });
  const addresses = reader.collectFull(EPOCH);
  for (const address of addresses) {
    const [keyAt, keyLength] = [reader.keyAt(address), reader.keyLength(address)];
    const [valueAt, valueLength] = [reader.valueAt(address), reader.valueLength(address)];
    digest.add(memory, keyAt, keyLength, memory, valueAt, valueLength);
    writer.add(reader.hashAt(address), memory, keyAt, keyLength, memory, valueAt, valueLength);
  }
  const { sizeBytes } = writer.finish();
  return {
    entries: addresses.length,
    digest: digest.toHex(),
    snapshotBytes: sizeBytes,
    restoreMs: restoredMs - startedMs,
    snapshotMs: performance.now() - restoredMs,
  };
}

/** As a job declares it: a map state's schema is that of its keys and that of its values. */
function schemaOf({ kind, keySchema, schema }: StateDescription): JsonValue {
  const of = schema as unknown as JsonValue;
  return kind === 'map' ? { key: keySchema as unknown as JsonValue, value: of } : of;
}
