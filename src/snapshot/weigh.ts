/**
 * Where the bytes of a checkpoint are: per state what its tables hold, from their directories alone; and by reading every live entry, per
 * key group, and which keys are the heaviest.
 */
import type { JsonValue } from '../format/json.ts';
import { keyGroupOf } from '../format/key-groups.ts';
import { tablesOf, type KeyedStateInfo } from '../format/manifest.ts';
import { StateCodec } from '../format/state-content.ts';
import type { TableEntry } from '../format/sorted-table/cursor.ts';
import { locateTables, partsOfOperator, statesOfManifest } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import { liveEntries } from './merge.ts';
import { type Checkpoint, pathOfTable } from './restore.ts';
import { TableFile, withTables } from './table-file.ts';

/** What the tables hold of a state: also versions that newer tables shadow, and tombstones. */
export interface StoredState {
  readonly uid: string;
  readonly state: string;
  readonly kind: string;
  readonly keyType: string;
  /** Live entries, as the manifest says. */
  readonly entries: number;
  readonly storedEntries: number;
  readonly tombstones: number;
  /** Data blocks and their index, as they are in the files. */
  readonly storedBytes: number;
  readonly tables: number;
}

/**
 * Reads the directory of every table.
 *
 * @throws TidemarkError ERR_FILE_MISSING, ERR_TABLE_CORRUPT, ERR_FORMAT_UNSUPPORTED, ERR_IO
 */
export function storedStates(fs: FsPort, checkpoint: Checkpoint): StoredState[] {
  const sums = new Map<string, { entries: number; tombstones: number; bytes: number; tables: number }>();
  for (const table of tablesOf(checkpoint.manifest).values()) {
    const file = TableFile.open(fs, pathOfTable(checkpoint, table), table);
    try {
      for (const { uid, name, entries, tombstones, dataLength, indexLength } of file.reader.sections) {
        const identity = JSON.stringify([uid, name]);
        const sum = sums.get(identity) ?? { entries: 0, tombstones: 0, bytes: 0, tables: 0 };
        sums.set(identity, sum);
        sum.entries += entries;
        sum.tombstones += tombstones;
        sum.bytes += dataLength + indexLength;
        sum.tables++;
      }
    } finally {
      file.close();
    }
  }
  return statesOfManifest(checkpoint.manifest).map(({ uid, state: { name, kind, keyType, entries } }): StoredState => {
    const sum = sums.get(JSON.stringify([uid, name]));
    return {
      uid,
      state: name,
      kind,
      keyType,
      entries,
      storedEntries: sum?.entries ?? 0,
      tombstones: sum?.tombstones ?? 0,
      storedBytes: sum?.bytes ?? 0,
      tables: sum?.tables ?? 0,
    };
  });
}

export interface Weight {
  readonly entries: number;
  /** Of keys and values, without padding. */
  readonly bytes: number;
}

export interface WeighedState extends Weight {
  readonly uid: string;
  readonly state: string;
  /** Key groups that have entries, ascending. */
  readonly keyGroups: readonly (Weight & { readonly keyGroup: number })[];
  /** Heaviest first. */
  readonly heaviest: readonly (Weight & { readonly key: JsonValue })[];
}

/**
 * Reads every live entry.
 *
 * @param heaviest  how many of the heaviest keys of each state
 */
export function weighStates(fs: FsPort, checkpoint: Checkpoint, heaviest: number): WeighedState[] {
  return statesOfManifest(checkpoint.manifest).map(({ uid, state }) => weighState(fs, checkpoint, uid, state, heaviest));
}

function weighState(fs: FsPort, checkpoint: Checkpoint, uid: string, info: KeyedStateInfo, heaviest: number): WeighedState {
  const { manifest } = checkpoint;
  const maxParallelism = manifest.operators.find((operator) => operator.uid === uid)?.maxParallelism ?? 1;
  const groupEntries = new Float64Array(maxParallelism);
  const groupBytes = new Float64Array(maxParallelism);
  const top = new HeaviestKeys(new StateCodec(info), heaviest);
  for (const { range, tables } of partsOfOperator(manifest, uid)) {
    withTables(fs, locateTables(checkpoint, tables), (readers) => {
      const cursor = liveEntries(readers, uid, info.name, range);
      for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
        const bytes = entry.keyLength + entry.valueLength;
        const group = keyGroupOf(entry.hash, maxParallelism);
        groupEntries[group]++;
        groupBytes[group] += bytes;
        top.add(entry, bytes);
      }
    });
  }
  const keyGroups = [...groupEntries.keys()]
    .filter((group) => groupEntries[group] > 0)
    .map((group) => ({ keyGroup: group, entries: groupEntries[group], bytes: groupBytes[group] }));
  return {
    uid,
    state: info.name,
    entries: keyGroups.reduce((sum, { entries }) => sum + entries, 0),
    bytes: keyGroups.reduce((sum, { bytes }) => sum + bytes, 0),
    keyGroups,
    heaviest: top.result(),
  };
}

/**
 * Entries of one user key follow one another, so what a key weighs is known when the next one comes. Only keys that are kept are
 * decoded.
 */
class HeaviestKeys {
  readonly #codec: StateCodec;
  readonly #wanted: number;
  /** Heaviest first. */
  readonly #kept: (Weight & { readonly keyBytes: Buffer })[] = [];
  #keyBytes: Buffer = Buffer.alloc(0);
  #entries = 0;
  #bytes = 0;

  constructor(codec: StateCodec, wanted: number) {
    this.#codec = codec;
    this.#wanted = wanted;
  }

  /** Runs once per entry. */
  add(entry: TableEntry, bytes: number): void {
    if (this.#wanted === 0 || (!this.#codec.composite && this.#isTooLight(bytes))) return;
    const at = this.#codec.userKeyAt(entry);
    const keyBytes = entry.memory.buf.subarray(at, at + this.#codec.userKeyLength(entry));
    if (this.#entries === 0 || !this.#keyBytes.equals(keyBytes)) {
      this.#keep();
      this.#keyBytes = Buffer.from(keyBytes);
    }
    this.#entries++;
    this.#bytes += bytes;
  }

  result(): readonly (Weight & { readonly key: JsonValue })[] {
    this.#keep();
    return this.#kept.map(({ keyBytes, entries, bytes }) => ({ key: this.#codec.decodeKey(keyBytes), entries, bytes }));
  }

  #keep(): void {
    const weight = { keyBytes: this.#keyBytes, entries: this.#entries, bytes: this.#bytes };
    this.#entries = 0;
    this.#bytes = 0;
    if (weight.entries === 0 || this.#isTooLight(weight.bytes)) return;
    const place = this.#kept.findIndex(({ bytes }) => bytes < weight.bytes);
    this.#kept.splice(place === -1 ? this.#kept.length : place, 0, weight);
    if (this.#kept.length > this.#wanted) this.#kept.pop();
  }
  #isTooLight(bytes: number): boolean {
    return this.#kept.length === this.#wanted && bytes <= this.#kept[this.#wanted - 1].bytes;
  }
}
