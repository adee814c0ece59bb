/**
 * What processes do with files, as programs: the product's functions, in the order in which the product calls them. A table's
 * content is not the model's business; `table` says which of its few contents one has.
 */
import { type ClaimedCheckpoint, claimOne, deleteClaimed } from '../../src/snapshot/claim.ts';
import type { FsPort } from '../../src/snapshot/fs-port.ts';
import {
  completeCheckpoints,
  firstEpochOf,
  highestNumber,
  leaveBehind,
  sweepLeftovers,
} from '../../src/snapshot/own-checkpoints.ts';
import { prepareJobDirectory } from '../../src/snapshot/publish.ts';
import { decideResume, findCheckpointsOfJob, openCheckpoint, pathOfTable } from '../../src/snapshot/restore.ts';
import { TableFile } from '../../src/snapshot/table-file.ts';
import { collect, publish, savepoint } from '../../src/worker/file-tasks.ts';
import type { PersistResult } from '../../src/worker/protocol.ts';
import { writeDelta } from '../snapshot/job-tools.ts';
import type { OpenTask, Start } from './machine.ts';

/** What a job is started with. */
export interface JobOptions {
  readonly jobDirectory: string;
  readonly retained: number;
  /** A checkpoint to start from when there is no own one; null: none. */
  readonly from: string | null;
  readonly claim: boolean;
}

export interface Opened extends Start {
  readonly claimed: ClaimedCheckpoint | null;
}

/** The operations, so that a mistake can take the place of one. */
export interface Operations {
  readonly open: (fs: FsPort, job: JobOptions, next: number | null) => Opened;
  readonly carryOut: (fs: FsPort, task: OpenTask['task'], table: number) => unknown;
  readonly dropClaimed: (fs: FsPort, job: JobOptions, claimed: ClaimedCheckpoint) => boolean;
  readonly end: (fs: FsPort, job: JobOptions) => void;
}

export const OPERATIONS: Operations = { open, carryOut, dropClaimed, end };

/**
 * From the lock on the directory to the running attempt: `CheckpointStore.open`, `restorePoint`, `attemptOptionsOf`.
 *
 * @param next  least number of the first barrier; null: the process has just begun
 */
function open(fs: FsPort, job: JobOptions, next: number | null): Opened {
  const { jobDirectory, retained } = job;
  if (next === null) {
    prepareJobDirectory(fs, jobDirectory);
  }
  const least = next ?? highestNumber(fs, jobDirectory) + 1;
  sweepLeftovers(fs, jobDirectory);
  const own = decideResume(findCheckpointsOfJob(fs, jobDirectory), false).checkpoint;
  const checkpoint = own ?? (job.from === null ? null : openCheckpoint(fs, job.from));
  const tables = checkpoint?.manifest.stages[0].subtasks[0].tables ?? [];
  if (checkpoint !== null) for (const table of tables) TableFile.open(fs, pathOfTable(checkpoint, table), table).close();
  return {
    jobDirectory,
    retained,
    tables,
    directory: checkpoint?.tableDirectory ?? '',
    claimed: own === null && checkpoint !== null && job.claim ? claimOne(checkpoint) : null,
    firstEpoch: firstEpochOf(fs, jobDirectory, least, checkpoint?.manifest.checkpointId ?? null),
    before: completeCheckpoints(fs, jobDirectory),
  };
}

/** What `worker/pool-entry.ts` does for a task. */
function carryOut(fs: FsPort, task: OpenTask['task'], table: number): unknown {
  switch (task.op) {
    case 'persist':
      return {
        table: write(fs, task.directory as string, task.checkpointId, table),
        states: [],
        changedEntries: 1,
        asyncMs: 0,
      } satisfies PersistResult;
    case 'merge':
      return { table: write(fs, task.directory, task.checkpointId, table) };
    case 'publish':
      return publish(fs, task);
    case 'savepoint':
      return savepoint(fs, task, 'none');
    case 'gc':
      return collect(fs, task);
    default:
      throw new Error(`no model of '${task.op}'`);
  }
}

function write(fs: FsPort, directory: string, createdBy: number, table: number) {
  return writeDelta(fs, directory, createdBy, new Map([[`key ${table}`, 'value']]));
}

/** `CheckpointStore.completed`. */
function dropClaimed(fs: FsPort, { jobDirectory, retained }: JobOptions, claimed: ClaimedCheckpoint): boolean {
  if (completeCheckpoints(fs, jobDirectory).length < retained) return false;
  deleteClaimed(fs, claimed);
  return true;
}

/** `CheckpointStore.close` where the policy keeps the newest. */
function end(fs: FsPort, { jobDirectory, retained }: JobOptions): void {
  leaveBehind(fs, jobDirectory, completeCheckpoints(fs, jobDirectory).slice(-retained));
}
