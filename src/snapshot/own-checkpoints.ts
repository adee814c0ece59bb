/**
 * What a process does with the job's directory that it owns, beside publishing and collecting: clear up what its predecessor left, say
 * which checkpoints there are, and leave at the end what the retention policy keeps. `main/checkpoint-store.ts` decides when.
 */
import { syncDirectory } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { type CollectionRequest, collectGarbage } from './gc.ts';
import { latestCheckpointId } from './publish.ts';
import { findCheckpointsOfJob, type FoundCheckpoint } from './restore.ts';
import { findUnfinishedSavepoints, removeUnfinishedSavepoint } from './unfinished-savepoints.ts';

/**
 * Clears up after an earlier attempt of the job, or an earlier process: what it was writing when it ended is nobody's. What it has named
 * is durable first, since it may have been killed between a publication's rename and its sync, and whoever restores that checkpoint
 * commits its sinks again. Call it before anything is written.
 *
 * @throws TidemarkError ERR_IO when the directory cannot be synced
 */
export function sweepLeftovers(fs: FsPort, jobDir: string): void {
  const request = requestOfSweep(fs, jobDir);
  try {
    // A collection that keeps nothing would remove the directory.
    if (request.retain.length > 0) collectGarbage(fs, jobDir, request);
    else for (const savepoint of findUnfinishedSavepoints(fs, jobDir)) removeUnfinishedSavepoint(fs, savepoint);
  } catch {
    // A manifest cannot be read: nothing is deleted, and restoring will say what is wrong. Or it is tried again later.
  }
}

/** Makes the names of checkpoints durable, and keeps them all. */
export function requestOfSweep(fs: FsPort, jobDir: string): CollectionRequest {
  syncDirectory(fs, jobDir);
  const retain = findCheckpointsOfJob(fs, jobDir).map(({ checkpointId }) => checkpointId);
  return { retain, inFlight: new Set(), sweep: true };
}

/** Numbers of the complete checkpoints in a job's directory, oldest first. */
export function completeCheckpoints(fs: FsPort, jobDir: string): number[] {
  return findCheckpointsOfJob(fs, jobDir)
    .filter(({ problem }) => problem === null)
    .map(({ checkpointId }) => checkpointId)
    .toReversed();
}

/**
 * The newest ones, of which `retained` are sound: one that is damaged, or cannot be read at the moment, is nothing to fall back on, and is
 * not deleted for that.
 */
export function checkpointsToKeep(newestFirst: readonly FoundCheckpoint[], retained: number): number[] {
  let sound = 0;
  return newestFirst
    .filter(({ problem }) => sound < retained && (problem !== null || ++sound > 0))
    .map(({ checkpointId }) => checkpointId);
}

/**
 * Number of the first barrier of an attempt: above every checkpoint that there is or was, since a number is never used twice.
 *
 * @param next      least number that the process has not used
 * @param restored  the checkpoint that the attempt starts from; null: it starts empty
 */
export function firstEpochOf(fs: FsPort, jobDir: string | null, next: number, restored: number | null): number {
  return Math.max(next, (restored ?? 0) + 1, highestNumber(fs, jobDir) + 1);
}

/** Highest number of a checkpoint in the job's own directory; 0 if there is none. */
export function highestNumber(fs: FsPort, jobDir: string | null): number {
  return jobDir === null ? 0 : latestCheckpointId(fs, jobDir);
}

/** When the job ends, and nothing is being written: deletes all but the checkpoints to keep. */
export function leaveBehind(fs: FsPort, jobDir: string, retain: readonly number[]): void {
  collectGarbage(fs, jobDir, { retain, inFlight: new Set(), sweep: true });
}
