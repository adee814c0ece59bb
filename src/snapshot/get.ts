/**
 * One key's value in a checkpoint, without loading it: by binary search in the block indexes of the tables of the one subtask that owns the
 * key. Reads the manifest, and of each table its directory, the index of the section (16 bytes for each 64 KiB of data) and
 * the blocks that hold the key.
 */
import { type KeyRef, KeyRef as Ref } from '../format/codec.ts';
import type { JsonValue } from '../format/json.ts';
import { keyToJson, parseKeyText } from '../format/key-text.ts';
import type { KeyedStateInfo } from '../format/manifest.ts';
import { Memory } from '../format/memory.ts';
import { collectorFor } from '../format/state-collector.ts';
import { StateCodec, type StateValue } from '../format/state-content.ts';
import { locateTables, mustFindState, partsOfOperator, type StatePart } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import { liveEntries } from './merge.ts';
import { meterReads } from './metered-fs.ts';
import { type Checkpoint, pathOfTable, readCheckpoint } from './restore.ts';
import { TableFile, withTables } from './table-file.ts';

export interface FoundEntry {
  readonly directory: string;
  readonly uid: string;
  readonly state: string;
  readonly kind: string;
  readonly keyType: string;
  /** The key as it was understood. */
  readonly key: JsonValue;
  readonly found: boolean;
  /** null: the key has no entry. */
  readonly value: StateValue | null;
  readonly bytesRead: number;
}

/**
 * @param keyText  as `parseKeyText` takes it
 * @throws TidemarkError ERR_STATE_NOT_FOUND, ERR_USAGE for a key of another type, and what reading a checkpoint throws
 */
export function getEntry(on: FsPort, path: string, uid: string, name: string, keyText: string): FoundEntry {
  const meter = meterReads(on);
  const { fs } = meter;
  const checkpoint = readCheckpoint(fs, path);
  const info = mustFindState(checkpoint, uid, name);
  const codec = new StateCodec(info);
  const key = parseKeyText(keyText, codec.keySchemas);
  const ref = new Ref(Memory.local(8));
  codec.keyCodec.encode(key, ref);
  const part = partsOfOperator(checkpoint.manifest, uid).find(({ range }) => range.first <= ref.hash && ref.hash <= range.last);
  const value = part === undefined ? null : find(fs, checkpoint, part, uid, info, codec, ref);
  return {
    directory: checkpoint.directory,
    uid,
    state: name,
    kind: info.kind,
    keyType: info.keyType,
    key: keyToJson(key, codec.keySchemas),
    found: value !== null,
    value,
    bytesRead: meter.bytesRead,
  };
}

function find(
  fs: FsPort,
  checkpoint: Checkpoint,
  part: StatePart,
  uid: string,
  { name }: KeyedStateInfo,
  codec: StateCodec,
  key: KeyRef,
): StateValue | null {
  const collector = collectorFor(codec);
  if (codec.composite) {
    withTables(fs, locateTables(checkpoint, part.tables), (tables) => {
      const cursor = liveEntries(tables, uid, name, { first: key.hash, last: key.hash });
      for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
        if (codec.isOfKey(entry, key)) collector.add(entry);
      }
    });
    return collector.result();
  }
  // One at a time: a hit in a new table spares the older ones.
  for (const table of part.tables) {
    const file = TableFile.open(fs, pathOfTable(checkpoint, table), table);
    try {
      const entry = file.reader.section(uid, name)?.get(key.hash, key.memory, key.at, key.length) ?? null;
      if (entry === null) continue;
      if (!entry.tombstone) collector.add(entry);
      break;
    } finally {
      file.close();
    }
  }
  return collector.result();
}
