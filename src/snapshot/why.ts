/** Who needs a file of a checkpoint directory, and since when. */
import { basename, join } from 'node:path';
import { isContentHash } from '../format/content-hash.ts';
import { TidemarkError } from '../format/errors.ts';
import { tablesOf, type Manifest } from '../format/manifest.ts';
import { listDirectory, withRegularFile } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { jobDirectoriesIn } from './job-directories.ts';
import {
  isRetiredDirectoryName,
  isSavepointName,
  isTemporaryDirectoryName,
  isTemporaryFileName,
  parseCheckpointName,
  parseTableName,
  sharedDirectory,
  tableName,
} from './paths.ts';
import { type Checkpoint, readCheckpoint } from './restore.ts';
import { TableFile } from './table-file.ts';

export interface Need {
  /** Directory of the checkpoint or savepoint that names the table. */
  readonly directory: string;
  readonly jobName: string;
  readonly checkpointId: number;
  readonly completedAt: string;
  /** Whose state it holds: the operators of each subtask that names it, as `uid[subtask]`. */
  readonly subtasks: readonly string[];
}

export interface TableWhy {
  readonly kind: 'table';
  readonly file: string;
  readonly sizeBytes: number;
  /** Checkpoint that wrote it; null: no manifest says. */
  readonly createdBy: number | null;
  readonly neededBy: readonly Need[];
  /** What is in it; empty when the table is damaged. */
  readonly sections: readonly {
    readonly uid: string;
    readonly state: string;
    readonly entries: number;
    readonly bytes: number;
  }[];
}

export interface CheckpointWhy {
  readonly kind: 'checkpoint';
  readonly file: string;
  readonly checkpointId: number;
  /** Tables that no other manifest in the directory names: they go with it. */
  readonly own: { readonly files: number; readonly bytes: number };
  readonly shared: { readonly files: number; readonly bytes: number };
}

export interface OtherWhy {
  readonly kind: 'temporary' | 'retired';
  readonly file: string;
}

export type Why = TableWhy | CheckpointWhy | OtherWhy;

/**
 * @param directory  a checkpoint directory, the directory of one job, or a savepoint or directory of savepoints
 * @param file       name or path of a table, its hash, or name or path of a checkpoint
 * @throws TidemarkError ERR_FILE_MISSING when there is no such file, ERR_USAGE when it is none of a checkpoint's; what reading a
 *         manifest throws: whether it needs the file cannot be told then
 */
export function explainFile(fs: FsPort, directory: string, file: string): Why {
  const name = basename(file);
  if (isTemporaryFileName(name)) return { kind: 'temporary', file };
  if (isRetiredDirectoryName(name)) return { kind: 'retired', file };
  if (isTemporaryDirectoryName(name)) return { kind: 'temporary', file };
  const places = placesIn(fs, directory);
  const checkpoints = places.flatMap(({ checkpoints: found }) => found);
  const checkpointId = parseCheckpointName(name);
  if (checkpointId !== null) return explainCheckpoint(checkpoints, file, checkpointId);
  const hash = isContentHash(name) ? name : parseTableName(name);
  if (hash === null) {
    throw new TidemarkError(
      'ERR_USAGE',
      `${JSON.stringify(file)} is no file of a checkpoint. Name a table (<hash>.sst, or its hash) or a checkpoint (chk-7).`,
      { facts: { file } },
    );
  }
  return explainTable(fs, places, checkpoints, hash, directory);
}

interface Place {
  /** Where tables lie. */
  readonly tables: string;
  readonly checkpoints: readonly Checkpoint[];
}

function placesIn(fs: FsPort, directory: string): Place[] {
  const names = listDirectory(fs, directory);
  if (names.includes('_metadata')) return [{ tables: directory, checkpoints: [readCheckpoint(fs, directory)] }];
  return [
    ...jobDirectoriesIn(fs, directory).map((job) => ({
      tables: sharedDirectory(job),
      checkpoints: listDirectory(fs, job)
        .filter((name) => parseCheckpointName(name) !== null)
        .map((name) => readCheckpoint(fs, join(job, name)))
        .sort((a, b) => a.manifest.checkpointId - b.manifest.checkpointId),
    })),
    ...names
      .filter(isSavepointName)
      .map((name) => join(directory, name))
      .map((path) => ({ tables: path, checkpoints: [readCheckpoint(fs, path)] })),
  ];
}

function explainTable(
  fs: FsPort,
  places: readonly Place[],
  checkpoints: readonly Checkpoint[],
  hash: string,
  directory: string,
): TableWhy {
  const found = places.map(({ tables }) => join(tables, tableName(hash))).find((path) => sizeOf(fs, path) !== null);
  const needing = checkpoints.filter(({ manifest }) => tablesOf(manifest).has(hash));
  if (found === undefined) {
    const missing =
      needing.length === 0 ? 'and no manifest names it' : `although ${needing.map((one) => one.directory).join(', ')} need it`;
    throw new TidemarkError('ERR_FILE_MISSING', `There is no table ${tableName(hash)} in ${directory}, ${missing}.`, {
      facts: { directory, hash },
    });
  }
  return {
    kind: 'table',
    file: found,
    sizeBytes: sizeOf(fs, found) ?? 0,
    createdBy: needing.map(({ manifest }) => tablesOf(manifest).get(hash)?.createdBy ?? null)[0] ?? null,
    neededBy: needing.map(
      ({ directory: where, manifest }): Need => ({
        directory: where,
        jobName: manifest.jobName,
        checkpointId: manifest.checkpointId,
        completedAt: manifest.completedAt,
        subtasks: subtasksNaming(manifest, hash),
      }),
    ),
    sections: sectionsOf(fs, found, hash),
  };
}

function subtasksNaming(manifest: Manifest, hash: string): string[] {
  return manifest.stages.flatMap((stage) =>
    stage.subtasks
      .filter((subtask) => subtask.tables.some((table) => table.hash === hash))
      .map((subtask) => `${stage.operators.join(',')}[${subtask.subtask}]`),
  );
}

function sectionsOf(fs: FsPort, path: string, hash: string): TableWhy['sections'] {
  try {
    const file = TableFile.open(fs, path, { hash, sizeBytes: sizeOf(fs, path) ?? 0 });
    try {
      return file.reader.sections.map(({ uid, name, entries, dataLength }) => ({ uid, state: name, entries, bytes: dataLength }));
    } finally {
      file.close();
    }
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    return [];
  }
}

function explainCheckpoint(checkpoints: readonly Checkpoint[], file: string, checkpointId: number): CheckpointWhy {
  const candidates = checkpoints.filter(
    ({ directory, manifest }) => manifest.checkpointId === checkpointId && directory.endsWith(basename(file)),
  );
  const asked = candidates.find(({ directory }) => directory === file || directory.endsWith(`/${file}`)) ?? candidates[0];
  if (asked === undefined || candidates.length > 1) {
    const several = candidates.map(({ directory }) => directory).join(', ');
    throw new TidemarkError(
      asked === undefined ? 'ERR_CHECKPOINT_NOT_FOUND' : 'ERR_USAGE',
      asked === undefined
        ? `There is no checkpoint ${file} here.`
        : `${file} may be any of ${several}: name the directory of one job.`,
      { facts: { file } },
    );
  }
  const others = new Set(
    checkpoints
      .filter((one) => one !== asked && one.tableDirectory === asked.tableDirectory)
      .flatMap(({ manifest }) => [...tablesOf(manifest).keys()]),
  );
  const tables = [...tablesOf(asked.manifest).values()];
  const sum = (of: typeof tables) => ({ files: of.length, bytes: of.reduce((total, table) => total + table.sizeBytes, 0) });
  return {
    kind: 'checkpoint',
    file: asked.directory,
    checkpointId,
    own: sum(tables.filter(({ hash }) => !others.has(hash))),
    shared: sum(tables.filter(({ hash }) => others.has(hash))),
  };
}

function sizeOf(fs: FsPort, path: string): number | null {
  try {
    return withRegularFile(fs, path, (_fd, sizeBytes) => sizeBytes);
  } catch {
    return null;
  }
}
