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
 * 6           no chk-<m> with m > n is there: else an older owner woke up late, and takes its checkpoint back
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
  ensureDirectory,
  errnoOf,
  fileError,
  listDirectory,
  quietly,
  removeDirectoryOfFiles,
  syncDirectory,
  writeFully,
} from './files.ts';
import type { FsPort } from './fs-port.ts';
import {
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
 * @returns the checkpoint's directory
 * @throws  TidemarkError ERR_CHECKPOINT_FENCED when the number, or a later one, exists; ERR_FILE_MISSING; ERR_NO_SPACE;
 *          ERR_IO. Nothing was published then,
 *          except after a failed step 5, when it is unknown: the caller must not reuse the number.
 */
export function publishCheckpoint(fs: FsPort, jobDir: string, manifest: Manifest): string {
  const shared = sharedDirectory(jobDir);
  requireTables(fs, shared, manifest);
  syncDirectory(fs, shared);
  const published = publishDirectory(fs, jobDir, checkpointName(manifest.checkpointId), (staging) =>
    writeManifest(fs, staging, manifest),
  );
  refuseWhenLaterExists(fs, jobDir, manifest.checkpointId);
  return published;
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
 * Step 6. A process that was paused before step 4 may wake up after its successor has published later checkpoints and
 * deleted this number: the name is free, but the epoch is not its own any more.
 */
function refuseWhenLaterExists(fs: FsPort, jobDir: string, checkpointId: number): void {
  const latest = latestCheckpointId(fs, jobDir);
  if (latest <= checkpointId) return;
  const name = checkpointName(checkpointId);
  const away = join(jobDir, deletionName(name));
  attempt('take back', join(jobDir, name), () => fs.rename(join(jobDir, name), away));
  syncDirectory(fs, jobDir);
  quietly(() => removeDirectoryOfFiles(fs, away));
  throw fenced(join(jobDir, name), `checkpoint ${latest} exists, which is later`);
}

/**
 * Highest number of a checkpoint in a job's directory, 0 when there is none. A job that continues here must begin above
 * it.
 */
export function latestCheckpointId(fs: FsPort, jobDir: string): number {
  return listDirectory(fs, jobDir).reduce((latest, name) => Math.max(latest, parseCheckpointName(name) ?? 0), 0);
}

function fenced(path: string, reason: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    'ERR_CHECKPOINT_FENCED',
    `Checkpoint ${path} is not ours to publish: ${reason}. This process does not own ${dirname(path)} any more and must stop.`,
    { cause, facts: { path, reason } },
  );
}
