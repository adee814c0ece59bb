/** Collection of the garbage of one job's directory that no job runs in. */
import { join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { withRegularFile } from '../snapshot/files.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import { collectGarbage, type CollectionPlan, type CollectionRequest } from '../snapshot/gc.ts';
import { checkpointDirectory, sharedDirectory, tablePath } from '../snapshot/paths.ts';
import { findCheckpointsOfJob, type FoundCheckpoint } from '../snapshot/restore.ts';
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
  /** Temporary files, and directories of unfinished publications and deletions. */
  readonly leftovers: readonly string[];
  /** Of the tables. */
  readonly bytes: number;
  /** Why nothing was deleted here, or not everything. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** Only the owner of a job's directory may delete in it: while a job runs, that is its runtime, which does so by itself. */
export async function collectJob(
  { fs, lockDirectory }: Storage,
  directory: string,
  { retained, dryRun }: CollectJobOptions,
): Promise<JobCollection> {
  const nothing: JobCollection = { directory, checkpoints: [], tables: [], leftovers: [], bytes: 0, problem: null };
  try {
    const lock = await lockDirectory(directory, { waitMs: 500 });
    try {
      const request: CollectionRequest = {
        retain: checkpointsToKeep(findCheckpointsOfJob(fs, directory), retained),
        inFlight: new Set(),
        sweep: true,
      };
      const { plan } = collectGarbage(fs, directory, request, { dryRun: true });
      const found = describe(fs, directory, plan);
      if (dryRun) return found;
      const [failure] = collectGarbage(fs, directory, request).failures;
      return failure === undefined ? found : { ...found, problem: { code: failure.code, message: failure.message } };
    } finally {
      await lock.release();
    }
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    return { ...nothing, problem: { code: error.code, message: error.message } };
  }
}

/** The newest ones, of which `retained` are sound: a damaged one is nothing to fall back on. */
function checkpointsToKeep(newestFirst: readonly FoundCheckpoint[], retained: number): number[] {
  let sound = 0;
  return newestFirst
    .filter(({ problem }) => sound < retained && (problem !== null || ++sound > 0))
    .map(({ checkpointId }) => checkpointId);
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
    ],
    bytes: tables.reduce((sum, path) => sum + withRegularFile(fs, path, (_fd, sizeBytes) => sizeBytes), 0),
    problem: null,
  };
}
