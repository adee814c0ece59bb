/**
 * Publication: how a checkpoint comes to exist. One visible function; its order is the whole of crash safety here.
 *
 * ```
 * tables      written, fsynced and named by hash (table-file.ts), any time before
 * 1           every table that the manifest names is there, with its size
 * 2           fsync of the directory of the tables: their names are durable
 * 3           .new-chk-<n>-<random>/_metadata written and fsynced, and that directory fsynced
 * 4           rename of the directory to chk-<n>: the checkpoint exists. Fails when there is a chk-<n>: that is the fence
 * 5           fsync of the job's directory: it exists for good
 * 6           no chk-<m> is there that the publisher does not know of: else it has slept, another owns the job, and it takes its
 *             checkpoint back
 * ```
 *
 * The directory is renamed rather than the manifest linked into it because a chk-<n> must never exist without its
 * manifest, not even between two system calls. rename(2) replaces an empty directory, which holds no checkpoint, and
 * refuses one that is not empty, so of two processes one wins. After a crash: before 4 there is a `.new-` directory,
 * which is garbage; between 4 and 5 the disk has either name, and behind both the same durable bytes.
 *
 * Only after this function has returned is the checkpoint complete, and may sinks commit.
 */
import { dirname, join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { encodeManifest, type Manifest } from '../format/manifest.ts';
import {
  attempt,
  createDurably,
  directoryExists,
  ensureDirectory,
  errnoOf,
  fileError,
  isMissing,
  listDirectory,
  quietly,
  readFileBounded,
  removeDirectoryOfFiles,
  syncDirectory,
  writeFully,
} from './files.ts';
import type { FsPort } from './fs-port.ts';
import {
  checkpointDirectory,
  checkpointName,
  deletionName,
  manifestPath,
  parseCheckpointName,
  publicationName,
  sharedDirectory,
  taskOwnedDirectory,
} from './paths.ts';
import { findAbsentTables } from './table-presence.ts';

/** Makes the directory of a job, with `shared/` and `taskowned/`. All names up to there are durable then. */
export function prepareJobDirectory(fs: FsPort, jobDir: string): void {
  ensureDirectory(fs, sharedDirectory(jobDir));
  const taskOwned = taskOwnedDirectory(jobDir);
  try {
    attempt('make directory', taskOwned, () => fs.makeDirectory(taskOwned));
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  syncDirectory(fs, jobDir);
  // `ensureDirectory` passes over what may not be read; without this name every checkpoint is lost.
  syncDirectory(fs, dirname(jobDir));
}

/**
 * Publishes checkpoint `manifest.checkpointId` in the directory of its job. Its tables are in `shared/`.
 *
 * @param known  highest number that this process may have published, or has found when it took the job: one above it is another's
 * @returns the checkpoint's directory
 * @throws  TidemarkError ERR_CHECKPOINT_FENCED when the number, or one that is not known, exists, or another process has cleared away
 *          what this one was publishing; ERR_FILE_MISSING; ERR_NO_SPACE; ERR_IO. Nothing was published then, except after a failed
 *          step 5, when it may have been (`isPublished`): the caller must not reuse the number.
 */
export function publishCheckpoint(
  fs: FsPort,
  jobDir: string,
  manifest: Manifest,
  known: number = manifest.checkpointId - 1,
): string {
  const shared = sharedDirectory(jobDir);
  requireTables(fs, shared, manifest);
  syncDirectory(fs, shared);
  const published = publishOwn(fs, jobDir, manifest);
  takeBackWhenSuperseded(fs, jobDir, manifest.checkpointId, known);
  return published;
}

/**
 * Is it this checkpoint, and no other, that lies under its number? So where a publication failed, or its thread died.
 *
 * @throws TidemarkError ERR_IO when that cannot be told
 */
export function isPublished(fs: FsPort, jobDir: string, manifest: Manifest): boolean {
  const expected = encodeManifest(manifest);
  try {
    const found = readFileBounded(fs, manifestPath(checkpointDirectory(jobDir, manifest.checkpointId)), expected.length);
    return found !== null && Buffer.compare(found, expected) === 0;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function publishOwn(fs: FsPort, jobDir: string, manifest: Manifest): string {
  const name = checkpointName(manifest.checkpointId);
  try {
    return publishDirectory(fs, jobDir, name, (staging) => writeManifest(fs, staging, manifest));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || !directoryExists(fs, jobDir)) throw error;
    throw fenced(join(jobDir, name), 'another process has cleared away what this one was publishing', error);
  }
}

/**
 * Publishes a savepoint: `fill` puts its tables into the directory that it is given, and then returns the manifest.
 *
 * @param target  directory of savepoints; made when it is missing
 * @param name    from `savepointName`
 * @throws as `publishCheckpoint`
 */
export function publishSavepoint(fs: FsPort, target: string, name: string, fill: (directory: string) => Manifest): string {
  ensureDirectory(fs, target);
  return publishDirectory(fs, target, name, (staging) => {
    const manifest = fill(staging);
    requireTables(fs, staging, manifest);
    writeManifest(fs, staging, manifest);
  });
}

/** Steps 3 to 5: a directory appears under its final name with everything in it, or not at all. */
function publishDirectory(fs: FsPort, parent: string, name: string, fill: (staging: string) => void): string {
  const staging = join(parent, publicationName(name));
  const final = join(parent, name);
  attempt('make directory', staging, () => fs.makeDirectory(staging));
  try {
    fill(staging);
    syncDirectory(fs, staging);
    renameOntoNothing(fs, staging, final);
  } catch (error) {
    quietly(() => removeDirectoryOfFiles(fs, staging));
    throw error;
  }
  syncDirectory(fs, parent);
  return final;
}

function renameOntoNothing(fs: FsPort, staging: string, final: string): void {
  try {
    fs.rename(staging, final);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST') throw fileError('publish', final, error);
    throw fenced(final, 'another process published it first', error);
  }
}

function writeManifest(fs: FsPort, directory: string, manifest: Manifest): void {
  const path = manifestPath(directory);
  const bytes = encodeManifest(manifest);
  createDurably(fs, path, (fd) => writeFully(fs, fd, path, bytes));
}

/**
 * Step 1. A manifest must not be published with a table whose writing failed unnoticed. Hashes were computed from the
 * bytes written.
 */
function requireTables(fs: FsPort, directory: string, manifest: Manifest): void {
  const { missing, wrongSize } = findAbsentTables(fs, directory, manifest);
  const what = `Checkpoint ${manifest.checkpointId} is not published`;
  if (missing.length > 0) {
    throw new TidemarkError(
      'ERR_FILE_MISSING',
      `${what}: of its tables, ${missing.join(', ')} do not exist. The next checkpoint writes them again.`,
      { facts: { path: missing[0], checkpointId: manifest.checkpointId } },
    );
  }
  for (const { path, found, expected } of wrongSize) {
    throw new TidemarkError('ERR_IO', `${what}: its table ${path} has ${found} bytes instead of ${expected}.`, {
      facts: { path, found, expected },
    });
  }
}

/**
 * Step 6. A process that was paused before step 4 may wake up after its successor has published and deleted: the name is free, but the
 * epoch is not its own any more. Its number may also be above the successor's, when checkpoints had failed before it was paused.
 * Whatever hinders taking it back, the job is another's.
 */
function takeBackWhenSuperseded(fs: FsPort, jobDir: string, checkpointId: number, known: number): void {
  const final = join(jobDir, checkpointName(checkpointId));
  const others = listCheckpointIds(fs, jobDir).filter((id) => id !== checkpointId);
  const latest = Math.max(0, ...others);
  if (latest <= known) return;
  const away = join(jobDir, deletionName(checkpointName(checkpointId)));
  let cause: unknown;
  try {
    attempt('take back', final, () => fs.rename(final, away));
    syncDirectory(fs, jobDir);
    quietly(() => removeDirectoryOfFiles(fs, away));
  } catch (error) {
    // Gone already when the successor has collected it.
    cause = error;
  }
  throw fenced(final, `checkpoint ${latest} exists, which this process has not published`, cause);
}

/**
 * Highest number of a checkpoint in a job's directory, 0 when there is none. A job that continues here must begin above
 * it.
 */
export function latestCheckpointId(fs: FsPort, jobDir: string): number {
  return Math.max(0, ...listCheckpointIds(fs, jobDir));
}

function listCheckpointIds(fs: FsPort, jobDir: string): number[] {
  return listDirectory(fs, jobDir).flatMap((name) => parseCheckpointName(name) ?? []);
}

/** Of a process that is superseded, which must stop. */
export function fenced(path: string, reason: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    'ERR_CHECKPOINT_FENCED',
    `Checkpoint ${path} is not ours to publish: ${reason}. This process does not own ${dirname(path)} any more and must stop.`,
    { cause, facts: { path, reason } },
  );
}
