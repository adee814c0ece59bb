/**
 * The live entries of one state, in the order of key hashes, as a user knows them: one row for each user key, in a map one for each of
 * its keys. Reads the tables of one subtask after another and holds one row at a time.
 */
import type { JsonValue } from '../format/json.ts';
import type { KeyedStateInfo } from '../format/manifest.ts';
import { collectorFor } from '../format/state-collector.ts';
import { StateCodec, stateValueToJson } from '../format/state-content.ts';
import { locateTables, mustFindState, partsOfOperator, type StatePart } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import { liveEntries } from './merge.ts';
import { type Checkpoint, readCheckpoint } from './restore.ts';
import { TableFile } from './table-file.ts';

export interface ExportRow {
  readonly key: JsonValue;
  /** Only of map states. */
  readonly mapKey?: JsonValue;
  readonly value: JsonValue;
}

export interface StateExport {
  readonly state: KeyedStateInfo;
  /** Files are open while the rows are being read, up to `return`. */
  readonly rows: Generator<ExportRow, void, undefined>;
}

/** @throws TidemarkError ERR_STATE_NOT_FOUND, and what reading a checkpoint throws; `rows` throws what reading tables throws */
export function exportState(fs: FsPort, path: string, uid: string, name: string): StateExport {
  const checkpoint = readCheckpoint(fs, path);
  const state = mustFindState(checkpoint, uid, name);
  const codec = new StateCodec(state);
  return { state, rows: rowsOf(fs, checkpoint, partsOfOperator(checkpoint.manifest, uid), uid, state, codec) };
}

function* rowsOf(
  fs: FsPort,
  checkpoint: Checkpoint,
  parts: readonly StatePart[],
  uid: string,
  state: KeyedStateInfo,
  codec: StateCodec,
): Generator<ExportRow, void, undefined> {
  for (const { range, tables } of parts) {
    const files: TableFile[] = [];
    try {
      for (const { path, table } of locateTables(checkpoint, tables)) files.push(TableFile.open(fs, path, table));
      const cursor = liveEntries(
        files.map((file) => file.reader),
        uid,
        state.name,
        range,
      );
      if (state.kind === 'map') yield* mapRows(cursor, codec);
      else yield* keyRows(cursor, codec);
    } finally {
      for (const file of files) file.close();
    }
  }
}

type Cursor = ReturnType<typeof liveEntries>;

function* mapRows(cursor: Cursor, codec: StateCodec): Generator<ExportRow, void, undefined> {
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    const mapKey = codec.mapKeyOf(entry);
    if (mapKey !== undefined) yield { key: codec.keyOf(entry), mapKey, value: codec.rowAt(entry, entry.valueAt) };
  }
}

/** Entries of one user key follow one another: a new key ends the one before. */
function* keyRows(cursor: Cursor, codec: StateCodec): Generator<ExportRow, void, undefined> {
  let collector = collectorFor(codec);
  let key: JsonValue = null;
  let current: Buffer | null = null;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    const at = codec.userKeyAt(entry);
    const bytes = entry.memory.buf.subarray(at, at + codec.userKeyLength(entry));
    if (current === null || !current.equals(bytes)) {
      const value = collector.result();
      if (value !== null) yield { key, value: stateValueToJson(value) };
      collector = collectorFor(codec);
      key = codec.keyOf(entry);
      current = Buffer.from(bytes);
    }
    collector.add(entry);
  }
  const value = collector.result();
  if (value !== null) yield { key, value: stateValueToJson(value) };
}
