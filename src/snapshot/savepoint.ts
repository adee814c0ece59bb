/**
 * Savepoints: written from the durable tables of one barrier into a directory of their own, and deleted when their owner,
 * who is the user, says so.
 *
 * ```
 * canonical   one new table for each operator with keyed state (canonical.ts)
 * native      the tables as they are: hard links where the file system can, else copies
 * ```
 *
 * A savepoint names no file outside its directory, and nothing outside names its files: `mv`, `tar` and `rm -r` of the
 * directory need no other care.
 */
import { dirname, join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { type Manifest, type OperatorInfo, type TableRef, tablesOf } from '../format/manifest.ts';
import type { Compression } from '../format/sorted-table/compression.ts';
import { writeCanonical } from './canonical.ts';
import { canonicalManifest } from './canonical-manifest.ts';
import { attempt, isMissing, listDirectory, quietly, removeDirectoryOfFiles, syncDirectory } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { hashRangeOfSubtask } from './hash-range.ts';
import { linkTables } from './link-in.ts';
import { manifestPath, METADATA_NAME, publicationPrefix, tablePath } from './paths.ts';
import { publishSavepoint } from './publish.ts';
import { readCheckpoint } from './restore.ts';
import { withTables, writeTable } from './table-file.ts';
import { forgetSavepoint } from './unfinished-savepoints.ts';

export type SavepointFormat = 'canonical' | 'native';

export interface SavepointOptions {
  /** Directory of savepoints; made when it is missing. */
  readonly target: string;
  /** From `savepointName`. */
  readonly name: string;
  readonly format: SavepointFormat;
  readonly compression: Compression;
  /** Where a table of the manifest lies. */
  readonly tablePath: (hash: string) => string;
}

/**
 * Writes a savepoint with the content of a checkpoint whose tables are durable.
 *
 * @returns its directory and manifest
 * @throws  TidemarkError as `publishCheckpoint`; nothing is left then
 */
export function writeSavepoint(
  fs: FsPort,
  checkpoint: Manifest,
  options: SavepointOptions,
): { readonly path: string; readonly manifest: Manifest } {
  let manifest = checkpoint;
  const path = publishSavepoint(fs, options.target, options.name, (staging) => {
    manifest =
      options.format === 'canonical'
        ? writeCanonicalTables(fs, checkpoint, options, staging)
        : takeTables(fs, checkpoint, options, staging);
    return manifest;
  });
  return { path, manifest };
}

function writeCanonicalTables(fs: FsPort, checkpoint: Manifest, options: SavepointOptions, staging: string): Manifest {
  const tables = new Map<string, TableRef>();
  for (const operator of checkpoint.operators) {
    const table = writeOperator(fs, checkpoint, operator, options, staging);
    if (table !== null) tables.set(operator.uid, table);
  }
  return canonicalManifest(checkpoint, tables);
}

/** @returns null for an operator without entries */
function writeOperator(
  fs: FsPort,
  checkpoint: Manifest,
  { uid, keyedStates }: OperatorInfo,
  { compression, tablePath: pathOf }: SavepointOptions,
  staging: string,
): TableRef | null {
  const stage = checkpoint.stages.find((candidate) => candidate.operators.includes(uid));
  if (keyedStates.length === 0 || stage === undefined) return null;
  return writeTable(fs, staging, { compression, createdBy: checkpoint.checkpointId }, (writer) => {
    writeCanonical(
      writer,
      keyedStates.map(({ name, kind, keyType, keySchema, schema }) => ({ uid, name, kind, keyType, keySchema, schema })),
      stage.subtasks.map((subtask) => ({
        range: hashRangeOfSubtask(stage, subtask),
        withTables: (use) =>
          withTables(
            fs,
            subtask.tables.map((table) => ({ table, path: pathOf(table.hash) })),
            use,
          ),
      })),
    );
  });
}

function takeTables(fs: FsPort, checkpoint: Manifest, { tablePath: pathOf }: SavepointOptions, staging: string): Manifest {
  const tables = [...tablesOf(checkpoint).values()];
  linkTables(
    fs,
    tables.map((table) => ({ table, path: pathOf(table.hash) })),
    staging,
  );
  const newBytes = tables.reduce((sum, table) => sum + table.sizeBytes, 0);
  return {
    ...checkpoint,
    kind: 'savepoint',
    savepointFormat: 'native',
    sizes: { ...checkpoint.sizes, newBytes, referencedBytes: 0 },
  };
}

/**
 * Removes what there is of a savepoint that nobody will be told about: its writing failed, or the thread that wrote it was
 * ended. As far as that is possible: names that begin with a dot are passed over by all readers.
 *
 * @param name          of one savepoint; nobody else uses it
 * @param jobDirectory  where its note is, if it has one
 */
export function discardSavepoint(fs: FsPort, target: string, name: string, jobDirectory: string | null): void {
  quietly(() => {
    const found = listDirectory(fs, target).filter((entry) => entry === name || entry.startsWith(publicationPrefix(name)));
    for (const entry of found) removeDirectoryOfFiles(fs, join(target, entry));
    if (jobDirectory === null) return;
    // The note is what finds the names again, should they come back with a power cut.
    syncDirectory(fs, target);
    forgetSavepoint(fs, jobDirectory, name);
  });
}

export interface DisposedSavepoint {
  readonly directory: string;
  readonly manifest: Manifest;
  readonly files: number;
  readonly bytes: number;
  /** Names that are not the savepoint's: they, and so the directory, are left. */
  readonly foreign: readonly string[];
}

/**
 * Deletes a savepoint: first its manifest, so that it cannot be restored in part, then its tables, then the directory.
 *
 * @throws TidemarkError ERR_INVALID_ARG for a checkpoint, which its job owns; what reading the manifest throws: nothing
 *         was deleted then; ERR_IO
 */
export function disposeSavepoint(fs: FsPort, path: string): DisposedSavepoint {
  const { directory, manifest } = readCheckpoint(fs, path);
  if (manifest.kind !== 'savepoint') {
    throw new TidemarkError(
      'ERR_INVALID_ARG',
      `${directory} is checkpoint ${manifest.checkpointId} of job ${manifest.jobId}, not a savepoint. Checkpoints belong to their job: the retention policy deletes them, or \`tidemark gc\`.`,
      { facts: { path: directory, kind: manifest.kind } },
    );
  }
  const metadata = manifestPath(directory);
  attempt('remove', metadata, () => fs.unlink(metadata));
  syncDirectory(fs, directory);
  let files = 0;
  let bytes = 0;
  for (const { hash, sizeBytes } of tablesOf(manifest).values()) {
    const table = tablePath(directory, hash);
    try {
      attempt('remove', table, () => fs.unlink(table));
      files++;
      bytes += sizeBytes;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  const foreign = listDirectory(fs, directory).filter((name) => name !== METADATA_NAME);
  if (foreign.length === 0) {
    attempt('remove directory', directory, () => fs.removeDirectory(directory));
    syncDirectory(fs, dirname(directory));
  }
  return { directory, manifest, files, bytes, foreign };
}
