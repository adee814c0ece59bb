/**
 * What is in a checkpoint, and which checkpoints a directory holds: as plain data for `--json`. The command line
 * renders it for people.
 */
import { join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { tablesOf, type Manifest, type SubtaskStatistics } from '../format/manifest.ts';
import { listDirectory } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { jobDirectoriesIn } from './job-directories.ts';
import { isJobId, isSavepointName } from './paths.ts';
import { type StoredState, storedStates, type WeighedState, weighStates } from './weigh.ts';
import { findCheckpointsOfJob, openCheckpoint, readCheckpoint, type Checkpoint, type FoundCheckpoint } from './restore.ts';

export interface CheckpointListing {
  readonly directory: string;
  readonly kind: 'checkpoint' | 'savepoint';
  readonly jobId: string | null;
  readonly jobName: string | null;
  readonly checkpointId: number | null;
  readonly triggeredAt: string | null;
  readonly completedAt: string | null;
  readonly durationMs: number | null;
  readonly trigger: Manifest['trigger'] | null;
  readonly sizes: Manifest['sizes'] | null;
  readonly entries: number | null;
  /** null: sound so far as manifest and file sizes say. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/**
 * Checkpoints and savepoints in a directory, newest first within a job.
 *
 * @param directory  a checkpoint directory with job ids in it, the directory of one job, or a directory of savepoints
 */
export function listCheckpoints(fs: FsPort, directory: string): CheckpointListing[] {
  const jobs = jobDirectoriesIn(fs, directory);
  const savepoints = listDirectory(fs, directory)
    .filter(isSavepointName)
    .map((name) => savepointAt(fs, join(directory, name)));
  return [...jobs.flatMap((jobDir) => findCheckpointsOfJob(fs, jobDir)).map(listingOf), ...savepoints];
}

function listingOf(found: FoundCheckpoint): CheckpointListing {
  return describe(
    found.directory,
    'checkpoint',
    found.checkpoint,
    found.problem,
    found.checkpointId,
    isJobId(found.jobId) ? found.jobId : null,
  );
}

function savepointAt(fs: FsPort, directory: string): CheckpointListing {
  try {
    return describe(directory, 'savepoint', openCheckpoint(fs, directory), null, null, null);
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    return describe(directory, 'savepoint', null, error, null, null);
  }
}

function describe(
  directory: string,
  kind: CheckpointListing['kind'],
  checkpoint: Checkpoint | null,
  problem: TidemarkError | null,
  checkpointId: number | null,
  jobId: string | null,
): CheckpointListing {
  const manifest = checkpoint?.manifest;
  return {
    directory,
    kind,
    jobId: manifest?.jobId ?? jobId,
    jobName: manifest?.jobName ?? null,
    checkpointId: manifest?.checkpointId ?? checkpointId,
    triggeredAt: manifest?.triggeredAt ?? null,
    completedAt: manifest?.completedAt ?? null,
    durationMs: manifest?.durationMs ?? null,
    trigger: manifest?.trigger ?? null,
    sizes: manifest?.sizes ?? null,
    entries: manifest === undefined ? null : entriesOf(manifest),
    problem: problem === null ? null : { code: problem.code, message: problem.message },
  };
}

export interface CheckpointInspection extends Omit<Manifest, 'stages' | 'config'> {
  readonly directory: string;
  readonly stages: readonly {
    readonly operators: readonly string[];
    readonly parallelism: number;
    readonly maxParallelism: number;
    readonly tables: number;
    readonly tableBytes: number;
    readonly longestSyncMs: number;
    readonly longestAlignmentMs: number;
    readonly subtasks: readonly ({ readonly subtask: number; readonly finished: boolean } & SubtaskStatistics)[];
  }[];
  /** What the tables hold of each state. */
  readonly states: readonly StoredState[];
  /** On request: what each state weighs. */
  readonly weights: readonly WeighedState[] | null;
  /** Every table once, largest first, with the checkpoint that wrote it. */
  readonly tables: readonly {
    readonly hash: string;
    readonly sizeBytes: number;
    readonly entries: number;
    readonly tombstones: number;
    readonly createdBy: number;
  }[];
  /** Bytes of tables over live bytes: how much is carried along that a full checkpoint would not have. */
  readonly amplification: number | null;
  readonly config: Manifest['config'];
}

/**
 * Summary of one checkpoint. Reads its manifest and the directories of its tables; with `weigh`, every live entry.
 *
 * @param options.weigh  how many of the heaviest keys of each state are wanted; 0: key groups only
 * @throws TidemarkError as `openCheckpoint`
 */
export function inspectCheckpoint(fs: FsPort, path: string, options: { readonly weigh?: number } = {}): CheckpointInspection {
  const checkpoint = readCheckpoint(fs, path);
  const { directory, manifest } = checkpoint;
  const tables = [...tablesOf(manifest).values()].sort((a, b) => b.sizeBytes - a.sizeBytes || (a.hash < b.hash ? -1 : 1));
  const tableBytes = tables.reduce((sum, table) => sum + table.sizeBytes, 0);
  return {
    ...manifest,
    directory,
    stages: manifest.stages.map(({ operators, parallelism, maxParallelism, subtasks }) => ({
      operators,
      parallelism,
      maxParallelism,
      tables: subtasks.reduce((sum, subtask) => sum + subtask.tables.length, 0),
      tableBytes: subtasks.flatMap((subtask) => subtask.tables).reduce((sum, table) => sum + table.sizeBytes, 0),
      longestSyncMs: Math.max(0, ...subtasks.map((subtask) => subtask.statistics.syncMs)),
      longestAlignmentMs: Math.max(0, ...subtasks.map((subtask) => subtask.statistics.alignmentMs)),
      subtasks: subtasks.map(({ subtask, finished, statistics }) => ({ subtask, finished, ...statistics })),
    })),
    states: storedStates(fs, checkpoint),
    weights: options.weigh === undefined ? null : weighStates(fs, checkpoint, options.weigh),
    tables,
    amplification: manifest.sizes.liveBytes > 0 ? tableBytes / manifest.sizes.liveBytes : null,
  };
}

function entriesOf(manifest: Manifest): number {
  return manifest.operators.flatMap((operator) => operator.keyedStates).reduce((sum, state) => sum + state.entries, 0);
}
