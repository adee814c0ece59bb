/**
 * Verification in pieces that any thread can take: a table as a whole, or the state digest of a range of hashes. Tasks and results are
 * plain data. Digests of ranges add up, so that a single large table keeps all threads busy as well.
 */
import { StateDigest } from '../format/digest.ts';
import { TidemarkError, type ErrorCode } from '../format/errors.ts';
import { tablesOf } from '../format/manifest.ts';
import { tableCorrupt } from '../format/sorted-table/corrupt.ts';
import type { TableReader } from '../format/sorted-table/reader.ts';
import { locateTables, partsOfOperator, statesOfManifest } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import type { HashRange } from './hash-range.ts';
import { liveEntries } from './merge.ts';
import { pathOfTable, type Checkpoint } from './restore.ts';
import { type LocatedTable, TableFile, withTables } from './table-file.ts';

/** A table is what its name and its manifest say. */
export interface TableTask extends LocatedTable {
  readonly kind: 'table';
  /** Decode every entry as well. */
  readonly deep: boolean;
}

/** What a state holds in a range of hashes. */
export interface DigestTask {
  readonly kind: 'digest';
  readonly uid: string;
  readonly name: string;
  /** Newest first. */
  readonly tables: readonly LocatedTable[];
  readonly range: HashRange;
}

export type VerifyTask = TableTask | DigestTask;

export interface VerifyProblem {
  readonly path: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface VerifyResult {
  readonly problem: VerifyProblem | null;
  /** Of a digest task. */
  readonly entries: number;
  readonly digest: string;
}

/** Bytes of tables that a digest task reads, about. */
const SLICE_BYTES = 64 * 1024 * 1024;

/** Largest tables first: threads then end at about the same time. */
export function planTableTasks(checkpoint: Checkpoint, deep: boolean): TableTask[] {
  return [...tablesOf(checkpoint.manifest).values()]
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .map((table): TableTask => {
      // Clips of one table differ from place to place; the file is verified whole.
      const { clip: _, ...whole } = table;
      return { kind: 'table', table: whole, path: pathOfTable(checkpoint, table), deep };
    });
}

export function planDigestTasks(checkpoint: Checkpoint): DigestTask[] {
  const { manifest } = checkpoint;
  return statesOfManifest(manifest).flatMap(({ uid, state }) =>
    partsOfOperator(manifest, uid).flatMap(({ range, tables }) => {
      const bytes = tables.reduce((sum, table) => sum + table.sizeBytes, 0);
      return slices(range, Math.ceil(bytes / SLICE_BYTES)).map(
        (slice): DigestTask => ({
          kind: 'digest',
          uid,
          name: state.name,
          tables: locateTables(checkpoint, tables),
          range: slice,
        }),
      );
    }),
  );
}

function slices({ first, last }: HashRange, count: number): HashRange[] {
  const width = Math.ceil((last - first + 1) / count);
  return Array.from({ length: count }, (_, i) => ({
    first: first + i * width,
    last: Math.min(last, first + (i + 1) * width - 1),
  })).filter((slice) => slice.first <= slice.last);
}

/** Carries a task out. What is wrong with the files is in the result; other errors are thrown. */
export function runVerifyTask(fs: FsPort, task: VerifyTask): VerifyResult {
  try {
    return task.kind === 'table' ? verifyTable(fs, task) : computeDigest(fs, task);
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    const path = task.kind === 'table' ? task.path : (task.tables[0]?.path ?? '');
    return { ...NOTHING, problem: { path, code: error.code, message: error.message } };
  }
}

const NOTHING: VerifyResult = { problem: null, entries: 0, digest: new StateDigest().toHex() };

function verifyTable(fs: FsPort, { path, table, deep }: TableTask): VerifyResult {
  const file = TableFile.open(fs, path, table, true);
  try {
    requireCount(file, 'entries', file.reader.entries, table.entries);
    requireCount(file, 'tombstones', file.reader.tombstones, table.tombstones);
    if (deep) for (const section of file.reader.sections) decodeSection(file.reader, section);
  } finally {
    file.close();
  }
  return NOTHING;
}

function requireCount(file: TableFile, what: string, found: number, stated: number): void {
  if (found !== stated) throw tableCorrupt(file.path, 0, `it has ${found} ${what}, its manifest says ${stated}`);
}

/** Decodes every entry of a section and compares the counts in the directory. */
function decodeSection(reader: TableReader, section: TableReader['sections'][number]): void {
  const cursor = reader.open(section).scan();
  let entries = 0;
  let tombstones = 0;
  let keyBytes = 0;
  let valueBytes = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    entries++;
    if (entry.tombstone) tombstones++;
    keyBytes += entry.keyLength;
    valueBytes += entry.valueLength;
  }
  const counted = [entries, tombstones, keyBytes, valueBytes];
  const stated = [section.entries, section.tombstones, section.keyBytes, section.valueBytes];
  if (counted.some((count, i) => count !== stated[i])) {
    throw tableCorrupt(
      reader.name,
      section.dataOffset,
      `section ${section.uid}/${section.name} has ${counted.join(', ')} (entries, tombstones, key bytes, value bytes), its directory says ${stated.join(', ')}`,
    );
  }
}

function computeDigest(fs: FsPort, { uid, name, tables, range }: DigestTask): VerifyResult {
  return withTables(fs, tables, (readers) => {
    const digest = new StateDigest();
    const cursor = liveEntries(readers, uid, name, range);
    let entries = 0;
    for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
      digest.add(entry.memory, entry.keyAt, entry.keyLength, entry.memory, entry.valueAt, entry.valueLength);
      entries++;
    }
    return { problem: null, entries, digest: digest.toHex() };
  });
}
