/** Reading checkpoints back: from a path that a person gave, or the newest one of a job. */
import { basename, dirname, join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { decodeManifest, manifestCorrupt, MAX_MANIFEST_BYTES, type Manifest, type TableRef } from '../format/manifest.ts';
import { tableCorrupt } from '../format/sorted-table/corrupt.ts';
import { isMissing, listDirectory, readFileBounded } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { isJobId, manifestPath, METADATA_NAME, parseCheckpointName, sharedDirectory, tablePath } from './paths.ts';
import { findAbsentTables } from './table-presence.ts';

/** A checkpoint or savepoint whose manifest was read. */
export interface Checkpoint {
  readonly directory: string;
  /** Where its tables lie. */
  readonly tableDirectory: string;
  readonly manifest: Manifest;
}

/**
 * Reads the manifest at a path and makes sure that every table it names is there with its size.
 *
 * @param path  a `_metadata` file, or the directory that holds one
 * @throws TidemarkError ERR_CHECKPOINT_NOT_FOUND, ERR_MANIFEST_CORRUPT, ERR_FORMAT_UNSUPPORTED, ERR_FILE_MISSING,
 *         ERR_TABLE_CORRUPT, ERR_IO
 */
export function openCheckpoint(fs: FsPort, path: string): Checkpoint {
  const checkpoint = readCheckpoint(fs, path);
  requireTables(fs, checkpoint);
  return checkpoint;
}

/** Reads the manifest only. */
export function readCheckpoint(fs: FsPort, path: string): Checkpoint {
  const directory = basename(path) === METADATA_NAME ? dirname(path) : path;
  const file = manifestPath(directory);
  const manifest = decodeManifest(readManifestBytes(fs, directory, file), file);
  requireOwnPlace(directory, manifest, file);
  const tableDirectory = manifest.kind === 'savepoint' ? directory : sharedDirectory(dirname(directory));
  return { directory, tableDirectory, manifest };
}

/**
 * For what found a file missing: was the checkpoint deleted meanwhile, as a running job does with old ones? Then nothing is damaged.
 *
 * @throws TidemarkError ERR_CHECKPOINT_NOT_FOUND when it was
 */
export function requireNotDeletedMeanwhile(fs: FsPort, { directory }: Checkpoint): void {
  try {
    readManifestBytes(fs, directory, manifestPath(directory));
  } catch (error) {
    if (!(error instanceof TidemarkError) || error.code !== 'ERR_CHECKPOINT_NOT_FOUND') throw error;
    throw new TidemarkError(
      'ERR_CHECKPOINT_NOT_FOUND',
      `The checkpoint ${directory} was deleted while it was read: the job that runs has replaced it by newer ones. Name one of those (\`tidemark checkpoints list\`), or have the job retain more (execution.checkpointing.num-retained).`,
      { cause: error, facts: { path: directory } },
    );
  }
}

export function pathOfTable(checkpoint: Checkpoint, table: Pick<TableRef, 'hash'>): string {
  return tablePath(checkpoint.tableDirectory, table.hash);
}

function readManifestBytes(fs: FsPort, directory: string, file: string): Buffer {
  let bytes: Buffer | null;
  try {
    bytes = readFileBounded(fs, file, MAX_MANIFEST_BYTES);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new TidemarkError(
      'ERR_CHECKPOINT_NOT_FOUND',
      `${describeAbsence(fs, directory)} Name a \`_metadata\` file or the directory that holds it; \`tidemark checkpoints list\` shows what there is.`,
      {
        cause: error,
        facts: { path: directory },
      },
    );
  }
  if (bytes === null) throw manifestCorrupt(file, MAX_MANIFEST_BYTES, `it is larger than ${MAX_MANIFEST_BYTES} bytes`);
  return bytes;
}

function describeAbsence(fs: FsPort, directory: string): string {
  let names: string[];
  try {
    names = fs.list(directory);
  } catch {
    return `There is no checkpoint at ${directory}: the path does not exist or is not a directory.`;
  }
  const found =
    names.length === 0
      ? 'it is empty'
      : `it holds ${names.slice(0, 5).sort().join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
  return `There is no checkpoint at ${directory}: the directory has no ${METADATA_NAME}, ${found}.`;
}

/**
 * A manifest that was moved in place of another one is whole and yet wrong: number and job must be those of its
 * directory.
 */
function requireOwnPlace(directory: string, manifest: Manifest, file: string): void {
  if (manifest.kind === 'savepoint') return;
  const checkpointId = parseCheckpointName(basename(directory));
  if (checkpointId === null) return;
  if (checkpointId !== manifest.checkpointId)
    throw manifestCorrupt(file, 0, `it is the manifest of checkpoint ${manifest.checkpointId}, not ${checkpointId}`);
  const jobId = basename(dirname(directory));
  if (isJobId(jobId) && jobId !== manifest.jobId)
    throw manifestCorrupt(file, 0, `it is a manifest of job ${manifest.jobId}, not ${jobId}`);
}

/**
 * Every table that the manifest names exists with its size.
 *
 * @throws TidemarkError ERR_FILE_MISSING naming all that are missing, or ERR_TABLE_CORRUPT
 */
export function requireTables(fs: FsPort, checkpoint: Checkpoint): void {
  const { missing, wrongSize } = findAbsentTables(fs, checkpoint.tableDirectory, checkpoint.manifest);
  if (missing.length > 0) {
    const files = missing.length === 1 ? 'a file that does' : `${missing.length} files that do`;
    throw new TidemarkError(
      'ERR_FILE_MISSING',
      `Checkpoint ${checkpoint.directory} names ${files} not exist: ${missing.join(', ')}. Restore another retained checkpoint.`,
      {
        facts: { path: checkpoint.directory, missing: missing.join('\n'), count: missing.length },
      },
    );
  }
  for (const { path, found, expected } of wrongSize)
    throw tableCorrupt(
      path,
      Math.min(found, expected),
      `the file has ${found} bytes, the manifest of ${checkpoint.directory} says ${expected}`,
    );
}

/**
 * A checkpoint found in a directory: sound so far as its manifest and the sizes of its tables say, or with what is
 * wrong.
 */
export type FoundCheckpoint =
  | {
      readonly directory: string;
      readonly checkpointId: number;
      readonly jobId: string;
      readonly checkpoint: Checkpoint;
      readonly problem: null;
    }
  | {
      readonly directory: string;
      readonly checkpointId: number;
      readonly jobId: string;
      readonly checkpoint: Checkpoint | null;
      readonly problem: TidemarkError;
    };

/** Checkpoints of one job id, newest (highest number) first. Problems are collected, not thrown. */
export function findCheckpointsOfJob(fs: FsPort, jobDir: string): FoundCheckpoint[] {
  const ids = listDirectory(fs, jobDir).flatMap((name) => parseCheckpointName(name) ?? []);
  return ids
    .sort((a, b) => b - a)
    .map((checkpointId) => inspectAt(fs, join(jobDir, `chk-${checkpointId}`), checkpointId, basename(jobDir)));
}

function inspectAt(fs: FsPort, directory: string, checkpointId: number, jobId: string): FoundCheckpoint {
  let checkpoint: Checkpoint | null = null;
  try {
    checkpoint = readCheckpoint(fs, directory);
    requireTables(fs, checkpoint);
    return { directory, checkpointId, jobId, checkpoint, problem: null };
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    return { directory, checkpointId, jobId, checkpoint, problem: error };
  }
}

/**
 * Checkpoints of a job by its name, over all its job ids, newest first.
 *
 * Within a job id the number decides. Between job ids it is the time of completion in the manifests, which is a wall
 * clock: numbers do not tell, because a job that was started anew begins at 1 again. A damaged checkpoint counts for
 * the jobs whose other manifests in the same directory can be read; where none can, it might be anyone's and comes
 * last.
 */
export function findCheckpointsByName(fs: FsPort, base: string, jobName: string): FoundCheckpoint[] {
  const jobs = listDirectory(fs, base)
    .filter(isJobId)
    .map((jobId) => findCheckpointsOfJob(fs, join(base, jobId)))
    .filter((found) => found.length > 0);
  return jobs
    .map((found) => ({ found, name: nameOf(found), completedAt: completionOf(found) }))
    .filter(({ name }) => name === jobName || name === null)
    .sort((a, b) => b.completedAt - a.completedAt)
    .flatMap(({ found }) => found);
}

function nameOf(found: readonly FoundCheckpoint[]): string | null {
  return found.find(({ checkpoint }) => checkpoint !== null)?.checkpoint?.manifest.jobName ?? null;
}

function completionOf(found: readonly FoundCheckpoint[]): number {
  const times = found.map(({ checkpoint }) =>
    checkpoint === null ? Number.NEGATIVE_INFINITY : Date.parse(checkpoint.manifest.completedAt),
  );
  return Math.max(...times);
}

export interface ResumeDecision {
  /** null: there is none, the job starts empty. */
  readonly checkpoint: Checkpoint | null;
  /** Newer ones that were passed over, and why. */
  readonly passedOver: readonly { readonly directory: string; readonly reason: string }[];
}

/**
 * Which of the checkpoints found to resume from. Pure.
 *
 * @param found     newest first
 * @param fallback  pass over damaged ones; otherwise the first damaged one is thrown, for nothing is rolled back in
 *                  silence
 */
export function decideResume(found: readonly FoundCheckpoint[], fallback: boolean): ResumeDecision {
  const passedOver: { directory: string; reason: string }[] = [];
  for (const candidate of found) {
    if (candidate.problem === null) return { checkpoint: candidate.checkpoint, passedOver };
    if (!fallback) throw candidate.problem;
    passedOver.push({ directory: candidate.directory, reason: `${candidate.problem.code}: ${candidate.problem.message}` });
  }
  return { checkpoint: null, passedOver };
}
