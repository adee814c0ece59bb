/**
 * Verification of a checkpoint: is everything there, is it what was written, and, deeply, does its content have the
 * digests that the manifest states? Problems are collected so that a person sees all of them.
 */
import { StateDigest } from '../format/digest.ts';
import { TidemarkError, type ErrorCode } from '../format/errors.ts';
import { tablesOf, type Manifest, type SubtaskInfo, type TableRef } from '../format/manifest.ts';
import { tableCorrupt } from '../format/sorted-table/corrupt.ts';
import type { TableReader } from '../format/sorted-table/reader.ts';
import type { FsPort } from './fs-port.ts';
import { hashRangeOfSubtask, isEmptyRange, type HashRange } from './hash-range.ts';
import { liveEntries } from './merge.ts';
import { pathOfTable, readCheckpoint, type Checkpoint } from './restore.ts';
import { TableFile, withTables } from './table-file.ts';

export interface VerifyProblem {
  readonly path: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface VerifiedState {
  readonly uid: string;
  readonly name: string;
  readonly entries: number;
  readonly digest: string;
  readonly matches: boolean;
}

export interface VerifyReport {
  readonly directory: string;
  readonly ok: boolean;
  readonly deep: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly problems: readonly VerifyProblem[];
  /** Only of a deep verification of sound files. */
  readonly states: readonly VerifiedState[];
}

/**
 * Verifies manifest, sizes and content hashes; `deep` also decodes every entry and computes the digest of every state
 * anew. Reads everything and writes nothing.
 *
 * @throws TidemarkError when the manifest itself cannot be read
 */
export function verifyCheckpoint(fs: FsPort, path: string, options: { readonly deep: boolean }): VerifyReport {
  const checkpoint = readCheckpoint(fs, path);
  const tables = tablesOf(checkpoint.manifest);
  const problems: VerifyProblem[] = [];
  let bytes = 0;
  for (const table of tables.values()) {
    bytes += table.sizeBytes;
    collect(problems, pathOfTable(checkpoint, table), () => verifyTable(fs, checkpoint, table, options.deep));
  }
  const states: VerifiedState[] = [];
  if (options.deep && problems.length === 0) {
    collect(problems, checkpoint.directory, () => states.push(...verifyStates(fs, checkpoint)));
    for (const state of states) if (!state.matches) problems.push(digestProblem(checkpoint.directory, state));
  }
  return {
    directory: checkpoint.directory,
    ok: problems.length === 0,
    deep: options.deep,
    files: tables.size,
    bytes,
    problems,
    states,
  };
}

function collect(problems: VerifyProblem[], path: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    problems.push({ path, code: error.code, message: error.message });
  }
}

function verifyTable(fs: FsPort, checkpoint: Checkpoint, table: TableRef, deep: boolean): void {
  const file = TableFile.open(fs, pathOfTable(checkpoint, table), table, true);
  try {
    requireCount(file, 'entries', file.reader.entries, table.entries);
    requireCount(file, 'tombstones', file.reader.tombstones, table.tombstones);
    if (deep) for (const section of file.reader.sections) decodeSection(file.reader, section);
  } finally {
    file.close();
  }
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

function requireCount(file: TableFile, what: string, found: number, stated: number): void {
  if (found !== stated) throw tableCorrupt(file.path, 0, `it has ${found} ${what}, its manifest says ${stated}`);
}

/** Digest and number of the live entries of every state, over all subtasks. */
function verifyStates(fs: FsPort, checkpoint: Checkpoint): VerifiedState[] {
  const { manifest } = checkpoint;
  const found = new Map<string, { readonly digest: StateDigest; entries: number }>();
  for (const { subtask, range } of keyedSubtasks(manifest)) {
    const located = subtask.tables.map((table) => ({ table, path: pathOfTable(checkpoint, table) }));
    withTables(fs, located, (readers) => {
      for (const { uid, name } of statesOf(manifest)) {
        const state = found.get(JSON.stringify([uid, name])) ?? { digest: new StateDigest(), entries: 0 };
        found.set(JSON.stringify([uid, name]), state);
        state.entries += addLiveEntries(state.digest, readers, uid, name, range);
      }
    });
  }
  return statesOf(manifest).map(({ uid, name, entries, digest }) => {
    const state = found.get(JSON.stringify([uid, name]));
    const actual = { entries: state?.entries ?? 0, digest: (state?.digest ?? new StateDigest()).toHex() };
    return { uid, name, ...actual, matches: actual.entries === entries && actual.digest === digest };
  });
}

function addLiveEntries(
  digest: StateDigest,
  readers: readonly TableReader[],
  uid: string,
  name: string,
  range: HashRange,
): number {
  const cursor = liveEntries(readers, uid, name, range);
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    digest.add(entry.memory, entry.keyAt, entry.keyLength, entry.memory, entry.valueAt, entry.valueLength);
    entries++;
  }
  return entries;
}

function keyedSubtasks(manifest: Manifest): { readonly subtask: SubtaskInfo; readonly range: HashRange }[] {
  return manifest.stages
    .flatMap((stage) => stage.subtasks.map((subtask) => ({ subtask, range: hashRangeOfSubtask(stage, subtask) })))
    .filter(({ subtask, range }) => subtask.tables.length > 0 && !isEmptyRange(range));
}

function statesOf(
  manifest: Manifest,
): { readonly uid: string; readonly name: string; readonly entries: number; readonly digest: string }[] {
  return manifest.operators.flatMap(({ uid, keyedStates }) =>
    keyedStates.map(({ name, entries, digest }) => ({ uid, name, entries, digest })),
  );
}

function digestProblem(path: string, state: VerifiedState): VerifyProblem {
  const message = `State ${JSON.stringify(state.name)} of operator ${JSON.stringify(state.uid)} has ${state.entries} entries with digest ${state.digest}; the manifest says otherwise. Its tables are whole, but they are not the state that was checkpointed.`;
  return { path, code: 'ERR_TABLE_CORRUPT', message };
}
