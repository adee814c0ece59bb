/**
 * What processes do with files, as programs: the product's functions, in the order in which the product calls them, in stages by what
 * is remembered from one to the next. A table's content is not the model's business; `table` says which of its few contents one has.
 */
import { type ClaimedCheckpoint, claimOne, deleteClaimed } from '../../src/snapshot/claim.ts';
import type { FsPort } from '../../src/snapshot/fs-port.ts';
import { carryOutCollection, decideCollection } from '../../src/snapshot/gc.ts';
import {
  completeCheckpoints,
  firstEpochOf,
  highestNumber,
  leaveBehind,
  requestOfSweep,
} from '../../src/snapshot/own-checkpoints.ts';
import { fenced, prepareJobDirectory } from '../../src/snapshot/publish.ts';
import { decideResume, findCheckpointsOfJob, openCheckpoint, pathOfTable } from '../../src/snapshot/restore.ts';
import { TableFile } from '../../src/snapshot/table-file.ts';
import { findUnfinishedSavepoints, removeUnfinishedSavepoint } from '../../src/snapshot/unfinished-savepoints.ts';
import { publish, requestOf, savepoint } from '../../src/worker/file-tasks.ts';
import type { PersistResult } from '../../src/worker/protocol.ts';
import { writeDelta } from '../snapshot/job-tools.ts';
import type { OpenTask, Start } from './machine.ts';
import { type Stages, stages } from './program.ts';

/** What a job is started with. */
export interface JobOptions {
  readonly jobDirectory: string;
  readonly retained: number;
  /** A checkpoint to start from when there is no own one; null: none. */
  readonly from: string | null;
  readonly claim: boolean;
}

export interface Opened extends Omit<Start, 'owner'> {
  readonly claimed: ClaimedCheckpoint | null;
}

/** What a process knows that opens another attempt. */
export interface Restart {
  /** Least number of the first barrier. */
  readonly next: number;
  /** Highest number that it knows of. */
  readonly known: number;
}

/** The operations, so that a mistake can take the place of one. */
export interface Operations {
  /** Results in `Opened`. */
  readonly open: (job: JobOptions, restart: Restart | null) => Stages;
  readonly carryOut: (task: OpenTask['task'], table: number) => Stages;
  /** Results in whether it was deleted. */
  readonly dropClaimed: (job: JobOptions, claimed: ClaimedCheckpoint) => Stages;
  readonly end: (job: JobOptions) => Stages;
}

export const OPERATIONS: Operations = { open, carryOut, dropClaimed, end };

/**
 * From the lock on the directory to the running attempt: `CheckpointStore.open`, `restorePoint`, `attemptOptionsOf`.
 *
 * @param restart  null: the process has just begun
 */
function open(job: JobOptions, restart: Restart | null): Stages {
  const { jobDirectory, retained } = job;
  return (
    stages((fs) => {
      if (restart === null) prepareJobDirectory(fs, jobDirectory);
    })
      .next((fs): Restart => {
        const known = restart?.known ?? highestNumber(fs, jobDirectory);
        return { known, next: restart?.next ?? known + 1 };
      })
      // `refuseWhenSuperseded`
      .next((fs, numbers) => {
        const newest = highestNumber(fs, jobDirectory);
        if (newest > numbers.known) throw fenced(jobDirectory, `checkpoint ${newest} exists`);
        return numbers;
      })
      // `sweepLeftovers`
      .next((fs, numbers) => ({ numbers, request: requestOfSweep(fs, jobDirectory) }))
      .next((fs, { numbers, request }) => {
        if (request.retain.length > 0)
          return { numbers, request, plan: quietly(() => decideCollection(fs, jobDirectory, request)) };
        quietly(() => findUnfinishedSavepoints(fs, jobDirectory).forEach((left) => removeUnfinishedSavepoint(fs, left)));
        return { numbers, request, plan: null };
      })
      .next((fs, { numbers, request, plan }) => {
        if (plan !== null) quietly(() => carryOutCollection(fs, jobDirectory, request, plan));
        return numbers;
      })
      .next((fs, numbers) => {
        const own = decideResume(findCheckpointsOfJob(fs, jobDirectory), false).checkpoint;
        const checkpoint = own ?? (job.from === null ? null : openCheckpoint(fs, job.from));
        if (checkpoint === null) return { numbers, number: null, restored: 0, files: [], directory: '', claimed: null };
        return {
          numbers,
          number: checkpoint.manifest.checkpointId,
          restored: own?.manifest.checkpointId ?? 0,
          files: checkpoint.manifest.stages[0].subtasks[0].tables.map((table) => ({
            table,
            path: pathOfTable(checkpoint, table),
          })),
          directory: checkpoint.tableDirectory,
          claimed: own === null && job.claim ? claimOne(checkpoint) : null,
        };
      })
      .next((fs, restored) => {
        for (const { table, path } of restored.files) TableFile.open(fs, path, table).close();
        return restored;
      })
      .next((fs, restored) => {
        const { numbers, number } = restored;
        return { ...restored, firstEpoch: firstEpochOf(fs, jobDirectory, numbers.next, number) };
      })
      .next((fs, { files, directory, claimed, firstEpoch, restored, numbers: { known } }): Opened => {
        const before = completeCheckpoints(fs, jobDirectory).filter((id) => id <= known);
        return {
          jobDirectory,
          retained,
          tables: files.map(({ table }) => table),
          directory,
          claimed,
          firstEpoch,
          restored,
          known,
          before,
        };
      })
  );
}

/** What `worker/pool-entry.ts` does for a task. */
function carryOut(task: OpenTask['task'], table: number): Stages {
  switch (task.op) {
    case 'persist':
      return stages((fs): PersistResult => {
        const written = write(fs, task.directory as string, task.checkpointId, table);
        return { table: written, states: [], changedEntries: 1, asyncMs: 0 };
      });
    case 'merge':
      return stages((fs) => ({ table: write(fs, task.directory, task.checkpointId, table) }));
    case 'publish':
      return stages((fs) => publish(fs, task));
    case 'savepoint':
      return stages((fs) => savepoint(fs, task, 'none'));
    case 'gc': {
      // `collect`.
      const { jobDirectory } = task;
      const request = requestOf(task);
      return stages((fs) => decideCollection(fs, jobDirectory, request)).next((fs, plan) => ({
        failures: carryOutCollection(fs, jobDirectory, request, plan).failures.length,
        chosen: plan.tables,
      }));
    }
    default:
      throw new Error(`no model of '${task.op}'`);
  }
}

function write(fs: FsPort, directory: string, createdBy: number, table: number) {
  return writeDelta(fs, directory, createdBy, new Map([[`key ${table}`, 'value']]));
}

/** `CheckpointStore.completed`. */
function dropClaimed({ jobDirectory, retained }: JobOptions, claimed: ClaimedCheckpoint): Stages {
  return stages((fs) => {
    if (completeCheckpoints(fs, jobDirectory).length < retained) return false;
    deleteClaimed(fs, claimed);
    return true;
  });
}

/** `CheckpointStore.close` where the policy keeps the newest. */
function end({ jobDirectory, retained }: JobOptions): Stages {
  return stages((fs) => leaveBehind(fs, jobDirectory, completeCheckpoints(fs, jobDirectory).slice(-retained)));
}

/** null where it fails: it is tried again later. */
function quietly<T>(operation: () => T): T | null {
  try {
    return operation();
  } catch {
    return null;
  }
}
