/**
 * CLAIM: a checkpoint or savepoint that a job starts from becomes its own. Its tables are linked into the job's directory by the
 * first checkpoint (`link-in.ts`), as with NO_CLAIM; what differs is that the job deletes it when it is subsumed.
 *
 * Only what was named is claimed, never the rest of a former job's directory. Going on with a job by its name (`--resume`)
 * takes over what is older as well, since nobody else will delete it.
 */
import { basename, dirname } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import type { FsPort } from './fs-port.ts';
import { collectGarbage } from './gc.ts';
import { parseCheckpointName } from './paths.ts';
import { type Checkpoint, findCheckpointsOfJob } from './restore.ts';
import { disposeSavepoint } from './savepoint.ts';

export interface ClaimedCheckpoint {
  readonly directory: string;
  /** null: a savepoint. */
  readonly jobDirectory: string | null;
  readonly checkpointId: number;
  /** Older ones of the former job are claimed as well. */
  readonly withOlder: boolean;
}

/**
 * Claims exactly this one.
 *
 * @throws TidemarkError ERR_INVALID_ARG for a checkpoint that does not lie in a job's directory: nothing says who else uses
 *         its tables
 */
export function claimOne({ directory, manifest }: Checkpoint): ClaimedCheckpoint {
  const { kind, checkpointId } = manifest;
  if (kind === 'savepoint') return { directory, jobDirectory: null, checkpointId, withOlder: false };
  if (parseCheckpointName(basename(directory)) !== checkpointId) {
    throw new TidemarkError(
      'ERR_INVALID_ARG',
      `Checkpoint ${directory} cannot be claimed: it is not the chk-${checkpointId} of a job's directory any more. Restore from it with --claim-mode no-claim.`,
      { facts: { path: directory } },
    );
  }
  return { directory, jobDirectory: dirname(directory), checkpointId, withOlder: false };
}

/** Claims the newest checkpoint of a former job, and what is older. */
export function claimFormer(checkpoint: Checkpoint): ClaimedCheckpoint {
  return { ...claimOne(checkpoint), withOlder: true };
}

/** Deletes it, and those tables that no other checkpoint of the former job names. The caller owns the directory. */
export function deleteClaimed(fs: FsPort, { directory, jobDirectory, checkpointId, withOlder }: ClaimedCheckpoint): void {
  if (jobDirectory === null) {
    disposeSavepoint(fs, directory);
    return;
  }
  const others = findCheckpointsOfJob(fs, jobDirectory)
    .map((found) => found.checkpointId)
    .filter((other) => (withOlder ? other > checkpointId : other !== checkpointId));
  collectGarbage(fs, jobDirectory, {
    retain: others,
    retire: [checkpointId],
    inFlight: new Set(),
    sweep: others.length === 0,
  });
}
