/** What an attempt tells its checkpointing, and what it is told. */
import type { JsonValue } from '../format/json.ts';
import type { CoordinatorOptions } from './coordinator.ts';
import type { CheckpointSummary } from './handle.ts';

export interface CheckpointingOptions {
  readonly coordinator: Omit<CoordinatorOptions, 'subtasks'>;
  readonly incremental: boolean;
  /** `<base>/<job-id>`; null: no checkpoint directory, and barriers serve the sinks only. */
  readonly jobDirectory: string | null;
  readonly retained: number;
  readonly config: Readonly<Record<string, JsonValue>>;
  /** Complete checkpoints that the job's directory held before, oldest first. */
  readonly retainedBefore: readonly number[];
  /** Counters of the checkpoint that the attempt starts from. */
  readonly countersBefore: Readonly<Record<string, number>>;
  readonly parent: { readonly jobId: string; readonly checkpointId: number } | null;
}

export interface CheckpointingEvents {
  completed(summary: CheckpointSummary): void;
  failed(checkpointId: number, error: Error): void;
  /** The attempt cannot go on. */
  fatal(error: Error): void;
  /** Records of a `collect` sink whose checkpoint is complete. */
  collected(node: number, values: readonly JsonValue[]): void;
  notice(text: string): void;
}
