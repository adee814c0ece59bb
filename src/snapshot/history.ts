/**
 * The history of a job's checkpoints: what happened, when, how long it took and how much it wrote, per checkpoint and per subtask. Pure, but
 * for reading manifests back. Records are plain data; `main/catalog.ts` keeps them.
 *
 * A record of a completed checkpoint follows from its manifest, so a catalog that is lost is rebuilt from those that are left; failures,
 * restores and checkpoints that were deleted since are known to the catalog alone.
 */
import type { Manifest, SubtaskStatistics } from '../format/manifest.ts';
import { statesOfManifest } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import { findCheckpointsOfJob } from './restore.ts';

export interface SubtaskRecord extends SubtaskStatistics {
  /** uids of the chained operators. */
  readonly operators: readonly string[];
  readonly subtask: number;
  readonly finished: boolean;
}

interface RecordBase {
  readonly jobId: string;
  readonly jobName: string;
  readonly checkpointId: number;
  /** Wall clock, ISO 8601: when it was triggered; of a restore, when the job ran again. */
  readonly at: string;
  readonly durationMs: number;
}

export interface CompletedRecord extends RecordBase {
  readonly type: 'completed';
  readonly kind: Manifest['kind'];
  readonly trigger: Manifest['trigger'];
  readonly incremental: boolean;
  /** Directory, as it was published. */
  readonly path: string;
  readonly sizes: Manifest['sizes'];
  /** Live entries of all keyed states. */
  readonly entries: number;
  readonly subtasks: readonly SubtaskRecord[];
}

export interface FailedRecord extends RecordBase {
  readonly type: 'failed';
  readonly trigger: Manifest['trigger'];
  readonly code: string;
  readonly message: string;
  /** Subtasks whose part was durable when it was aborted, of all. */
  readonly acknowledged: number;
  readonly subtaskCount: number;
}

export interface RestoredRecord extends RecordBase {
  readonly type: 'restored';
  /** What was restored; `checkpointId` is its number, and it may be another job's. */
  readonly path: string;
  readonly entries: number;
}

export type HistoryRecord = CompletedRecord | FailedRecord | RestoredRecord;

/** @param path  directory of the checkpoint or savepoint */
export function recordOfManifest(manifest: Manifest, path: string): CompletedRecord {
  return {
    type: 'completed',
    jobId: manifest.jobId,
    jobName: manifest.jobName,
    checkpointId: manifest.checkpointId,
    at: manifest.triggeredAt,
    durationMs: manifest.durationMs,
    kind: manifest.kind,
    trigger: manifest.trigger,
    incremental: manifest.incremental,
    path,
    sizes: manifest.sizes,
    entries: statesOfManifest(manifest).reduce((sum, { state }) => sum + state.entries, 0),
    subtasks: manifest.stages.flatMap(({ operators, subtasks }) =>
      subtasks.map(({ subtask, finished, statistics }) => ({ operators, subtask, finished, ...statistics })),
    ),
  };
}

/** Records of the checkpoints that a job's directory has, newest first. What cannot be read is passed over. */
export function recordsOfManifests(fs: FsPort, jobDir: string): CompletedRecord[] {
  return findCheckpointsOfJob(fs, jobDir).flatMap(({ checkpoint }) =>
    checkpoint === null ? [] : [recordOfManifest(checkpoint.manifest, checkpoint.directory)],
  );
}

/** Of one measure over all completed checkpoints; percentiles are nearest-rank. */
export interface Distribution {
  readonly min: number;
  readonly avg: number;
  readonly max: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
}

export interface HistorySummary {
  readonly counts: {
    readonly completed: number;
    readonly savepoints: number;
    readonly failed: number;
    readonly restored: number;
  };
  readonly latest: {
    readonly completed: CompletedRecord | null;
    readonly savepoint: CompletedRecord | null;
    readonly failed: FailedRecord | null;
    readonly restored: RestoredRecord | null;
  };
  /** null: nothing was completed. */
  readonly durationMs: Distribution | null;
  readonly newBytes: Distribution | null;
  readonly liveBytes: Distribution | null;
}

/** @param records  newest first */
export function summarizeHistory(records: readonly HistoryRecord[]): HistorySummary {
  const completed = records.filter((record) => record.type === 'completed');
  const checkpoints = completed.filter(({ kind }) => kind === 'checkpoint');
  const savepoints = completed.filter(({ kind }) => kind === 'savepoint');
  const failed = records.filter((record) => record.type === 'failed');
  const restored = records.filter((record) => record.type === 'restored');
  return {
    counts: {
      completed: checkpoints.length,
      savepoints: savepoints.length,
      failed: failed.length,
      restored: restored.length,
    },
    latest: {
      completed: checkpoints[0] ?? null,
      savepoint: savepoints[0] ?? null,
      failed: failed[0] ?? null,
      restored: restored[0] ?? null,
    },
    durationMs: distributionOf(checkpoints.map(({ durationMs }) => durationMs)),
    newBytes: distributionOf(checkpoints.map(({ sizes }) => sizes.newBytes)),
    liveBytes: distributionOf(checkpoints.map(({ sizes }) => sizes.liveBytes)),
  };
}

export function distributionOf(values: readonly number[]): Distribution | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return {
    min: sorted[0],
    avg: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    max: sorted[sorted.length - 1],
    p50: rank(0.5),
    p90: rank(0.9),
    p95: rank(0.95),
    p99: rank(0.99),
    p999: rank(0.999),
  };
}
