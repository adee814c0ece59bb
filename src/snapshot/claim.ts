/**
 * CLAIM: a checkpoint or savepoint that a job starts from becomes its own. Its tables are linked into the job's directory by the
 * first checkpoint (`link-in.ts`), as with NO_CLAIM; what differs is that the job deletes it when it is subsumed.
 *
 * Only what was named is claimed, never the rest of a former job's directory. Going on with a job by its name (`--resume`)
 * takes over what is older as well, since nobody else will delete it.
 *
 * The former job may itself have claimed something and not have deleted it yet, since it ended before it retained enough checkpoints of its own:
 *
 * ```
 * A/chk-5  <---- claimed by ----  B/chk-6  <---- claimed by ----  C/chk-7
 * ```
 *
 * Only B's directory says so. When that goes with the last checkpoint in it, what B had claimed goes first (`claimsDueWith`): nobody would ever
 * know of it again.
 */
import { basename, dirname } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { findClaim, type OpenClaim } from './claim-record.ts';
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

/** Directory whose owner alone may delete it. */
export function ownedDirectory({ directory, jobDirectory }: ClaimedCheckpoint): string {
  return jobDirectory ?? directory;
}

/**
 * What goes when a claimed checkpoint is deleted, in the order in which it must be: what the former job, of which nothing is left then, had
 * itself claimed, and so on; and last the claimed one. A crash in between leaves the claims of what is left. What cannot be read is nobody's
 * to delete.
 *
 * @returns one at least
 */
export function claimsDueWith(fs: FsPort, claimed: ClaimedCheckpoint): ClaimedCheckpoint[] {
  const { jobDirectory } = claimed;
  if (jobDirectory === null || othersOf(fs, jobDirectory, claimed).length > 0) return [claimed];
  let claim: OpenClaim | null;
  try {
    claim = findClaim(fs, jobDirectory, true);
  } catch {
    return [claimed];
  }
  return claim === null ? [claimed] : [...claimsDueWith(fs, claim.claimed), claimed];
}

/** Deletes it, and those tables that no other checkpoint of the former job names. The caller owns the directory. */
export function deleteClaimed(fs: FsPort, claimed: ClaimedCheckpoint): void {
  const { directory, jobDirectory, checkpointId } = claimed;
  if (jobDirectory === null) {
    disposeSavepoint(fs, directory);
    return;
  }
  const others = othersOf(fs, jobDirectory, claimed);
  collectGarbage(fs, jobDirectory, {
    retain: others,
    retire: [checkpointId],
    inFlight: new Set(),
    sweep: others.length === 0,
  });
}

/** Numbers of the checkpoints of the former job that are not claimed. */
function othersOf(fs: FsPort, jobDirectory: string, { checkpointId, withOlder }: ClaimedCheckpoint): number[] {
  return findCheckpointsOfJob(fs, jobDirectory)
    .map((found) => found.checkpointId)
    .filter((other) => (withOlder ? other > checkpointId : other !== checkpointId));
}
