/** Collection of the garbage of one job's directory that no job runs in. */
import { join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { claimsDueWith, deleteClaimed, ownedDirectory } from '../snapshot/claim.ts';
import { findClaim, forgetClaim } from '../snapshot/claim-record.ts';
import { directoryExists, withRegularFile } from '../snapshot/files.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import { collectGarbage, type CollectionPlan, type CollectionRequest } from '../snapshot/gc.ts';
import { checkpointDirectory, sharedDirectory, tablePath } from '../snapshot/paths.ts';
import { checkpointsToKeep } from '../snapshot/own-checkpoints.ts';
import { findCheckpointsOfJob, type FoundCheckpoint } from '../snapshot/restore.ts';
import type { DirectoryLock } from './dir-lock.ts';
import type { Storage } from './host.ts';

export interface CollectJobOptions {
  /** Newest checkpoints to keep; Infinity: all. */
  readonly retained: number;
  /** Only says what would be deleted. */
  readonly dryRun: boolean;
}

export interface JobCollection {
  readonly directory: string;
  /** Directories of checkpoints that are deleted, or would be. */
  readonly checkpoints: readonly string[];
  readonly tables: readonly string[];
  /** Temporary files, directories of unfinished publications and deletions, and of savepoints that were not finished. */
  readonly leftovers: readonly string[];
  /** Of the tables. */
  readonly bytes: number;
  /** Why nothing was deleted here, or not everything. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** Only the owner of a job's directory may delete in it: while a job runs, that is its runtime, which does so by itself. */
export async function collectJob(
  storage: Storage,
  directory: string,
  { retained, dryRun }: CollectJobOptions,
): Promise<JobCollection> {
  const { fs, lockDirectory } = storage;
  const nothing: JobCollection = { directory, checkpoints: [], tables: [], leftovers: [], bytes: 0, problem: null };
  try {
    const lock = await lockDirectory(directory, { waitMs: 500 });
    try {
      const own = findCheckpointsOfJob(fs, directory);
      const claimed = await collectClaimed(storage, directory, own, { retained, dryRun });
      const request: CollectionRequest = {
        retain: checkpointsToKeep(own, retained),
        inFlight: new Set(),
        sweep: true,
      };
      const { plan } = collectGarbage(fs, directory, request, { dryRun: true });
      const plain = describe(fs, directory, plan);
      const found = { ...plain, checkpoints: [...claimed, ...plain.checkpoints] };
      if (dryRun) return found;
      const [failure] = collectGarbage(fs, directory, request).failures;
      return failure === undefined ? found : { ...found, problem: { code: failure.code, message: failure.message } };
    } finally {
      await lock.release();
    }
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    // It went with what another job had claimed of it.
    if (!directoryExists(fs, directory)) return nothing;
    return { ...nothing, problem: { code: error.code, message: error.message } };
  }
}

/**
 * Deletes what the job has claimed and subsumed, when it did not come to do that itself. @returns the directories of all that goes, when it is due
 */
async function collectClaimed(
  storage: Storage,
  directory: string,
  own: readonly FoundCheckpoint[],
  { retained, dryRun }: CollectJobOptions,
): Promise<readonly string[]> {
  const { fs } = storage;
  const claim = findClaim(fs, directory, dryRun);
  const sound = own.filter(({ problem }) => problem === null).length;
  if (claim === null || sound < Math.min(retained, claim.retained)) return [];
  const due = claimsDueWith(fs, claim.claimed);
  const directories = due.map((one) => one.directory);
  if (dryRun) return directories;
  const locks: DirectoryLock[] = [];
  try {
    // Another job may have a part of it now.
    if (!(await lockAll(storage, due.map(ownedDirectory), locks))) return [];
    for (const one of due) deleteClaimed(fs, one);
    forgetClaim(fs, directory);
  } finally {
    for (const lock of locks) await lock.release();
  }
  return directories;
}

/** @returns false when one is not to be had; those before it are in `locks` all the same */
async function lockAll({ lockDirectory }: Storage, directories: readonly string[], locks: DirectoryLock[]): Promise<boolean> {
  for (const directory of directories) {
    const lock = await lockDirectory(directory, { waitMs: 500 }).catch(() => null);
    if (lock === null) return false;
    locks.push(lock);
  }
  return true;
}

function describe(fs: FsPort, directory: string, plan: CollectionPlan): JobCollection {
  const shared = sharedDirectory(directory);
  const tables = plan.tables.map((hash) => tablePath(shared, hash));
  return {
    directory,
    checkpoints: plan.retire.map((id) => checkpointDirectory(directory, id)),
    tables,
    leftovers: [
      ...plan.temporaryFiles.map((name) => join(shared, name)),
      ...plan.directories.map((name) => join(directory, name)),
      ...plan.savepoints.flatMap(({ note, directories }) => [...directories, note]),
    ],
    bytes: tables.reduce((sum, path) => sum + withRegularFile(fs, path, (_fd, sizeBytes) => sizeBytes), 0),
    problem: null,
  };
}
