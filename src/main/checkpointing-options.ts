/** What an attempt tells its checkpointing, and what it is told. */
import type { JsonValue } from '../format/json.ts';
import type { CoordinatorOptions } from './coordinator.ts';
import type { Manifest } from '../format/manifest.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import type { CheckpointSummary } from './handle.ts';
import type { KnownCheckpoints } from './known-checkpoints.ts';

export interface CheckpointingOptions {
  readonly fs: FsPort;
  readonly coordinator: Omit<CoordinatorOptions, 'subtasks'>;
  readonly incremental: boolean;
  /** `<base>/<job-id>`; null: no checkpoint directory, and barriers serve the sinks only. */
  readonly jobDirectory: string | null;
  readonly retained: number;
  readonly config: Readonly<Record<string, JsonValue>>;
  /** Complete checkpoints that the job's directory held before, oldest first. */
  readonly retainedBefore: readonly number[];
  readonly known: KnownCheckpoints;
  /** Counters of the checkpoint that the attempt starts from. */
  readonly countersBefore: Readonly<Record<string, number>>;
  readonly parent: { readonly jobId: string; readonly checkpointId: number } | null;
}

/** A checkpoint or savepoint that did not come to be. */
export interface AbortedCheckpoint {
  readonly checkpointId: number;
  readonly trigger: Manifest['trigger'];
  readonly triggeredAt: Date;
  readonly durationMs: number;
  /** Subtasks whose part was durable, of all. */
  readonly acknowledged: number;
  readonly subtaskCount: number;
}

export interface CheckpointingEvents {
  completed(summary: CheckpointSummary, manifest: Manifest): void;
  saved(savepoint: CheckpointSummary, manifest: Manifest): void;
  failed(checkpoint: AbortedCheckpoint, error: Error): void;
  /** The attempt cannot go on. */
  fatal(error: Error): void;
  /** Records of a `collect` sink whose checkpoint is complete. */
  collected(node: number, values: readonly JsonValue[]): void;
  notice(text: string): void;
}
