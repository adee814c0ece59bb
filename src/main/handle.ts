/** What a running job looks like from outside: to the program that called `run()`, to the command line, to tests. */
import type { EventEmitter } from 'node:events';
import type { HistoryRecord } from '../snapshot/history.ts';

export type JobState =
  | 'starting'
  | 'restoring'
  | 'running'
  | 'restarting'
  | 'stopping'
  | 'finished'
  | 'stopped'
  | 'cancelled'
  | 'failed';

export interface RunOptions {
  /** Threads of the pool; default `os.availableParallelism()`. */
  readonly threads?: number;
  /** Subtasks of each operator that does not say otherwise; default: threads. */
  readonly parallelism?: number;
  /** Arguments of the job: `context.args` of sources, and the second parameter of the job's builder. */
  readonly args?: readonly string[];
  /** Flat configuration keys, with the precedence of `-D`. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** Path of a `_metadata` file or its directory to restore from. */
  readonly from?: string;
  /** Restore from the newest complete checkpoint of a job of this name in the checkpoint directory, if there is one. */
  readonly resume?: boolean;
  /** With `resume`: pass over damaged checkpoints and take the newest sound one. Otherwise damage is an error. */
  readonly fallback?: boolean;
  readonly allowNonRestoredState?: boolean;
  readonly claimMode?: 'no-claim' | 'claim';
  /** 32 hex characters; new by default. The supervisor keeps it over restarts of the process. */
  readonly jobId?: string;
  readonly signal?: AbortSignal;
}

/** What the process of a supervised job is started with, beyond what a program may ask for. */
export interface StartOptions extends RunOptions {
  /** From `--config`: read instead of `tidemark.config.yaml` in the working directory, and must exist. */
  readonly configFile?: string;
  /**
   * Attempt of the process, from 1. From the second on, the job is restored from the newest complete checkpoint in its own
   * directory, `<checkpoint directory>/<jobId>`; only if there is none yet, `from` and `resume` hold as at the first.
   */
  readonly processAttempt?: number;
}

/** How the job ended. `done` rejects when the job failed, and resolves otherwise. */
export interface JobResult {
  readonly status: 'finished' | 'stopped' | 'cancelled';
  readonly jobId: string;
  readonly jobName: string;
  /** Records that sources emitted, over all attempts that were not undone. */
  readonly records: number;
  readonly durationMs: number;
  readonly checkpoints: { readonly completed: number; readonly failed: number };
  readonly lastCheckpoint: string | null;
  readonly restoredFrom: string | null;
  readonly restarts: number;
  /** Records of `collect` sinks, in order of arrival. */
  readonly collected: readonly unknown[];
  /** Malformed input records that were skipped or sent to a dead-letter sink. */
  readonly malformed: number;
}

export interface CheckpointSummary {
  readonly checkpointId: number;
  /** Directory of the checkpoint. */
  readonly path: string;
  readonly kind: 'checkpoint' | 'savepoint';
  readonly trigger: 'periodic' | 'manual' | 'savepoint' | 'stop' | 'final';
  readonly durationMs: number;
  readonly newBytes: number;
  readonly referencedBytes: number;
  readonly liveBytes: number;
  readonly files: number;
  /** Longest synchronous part over the subtasks, in ms. */
  readonly syncMs: number;
}

/** Records through one operator. A source has what it emitted, and a sink what it wrote, in both directions. */
export interface OperatorProgress {
  readonly uid: string;
  readonly name: string;
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly recordsInPerSecond: number;
  readonly recordsOutPerSecond: number;
}

export interface StageProgress {
  /** Names of the chained operators. */
  readonly name: string;
  /** The chained operators, in order. */
  readonly operators: readonly OperatorProgress[];
  readonly parallelism: number;
  /** Share of the time since the last sample in which subtasks were in a turn, had full outputs, or had nothing to do; each 0 to 1. */
  readonly busy: number;
  readonly backpressured: number;
  readonly idle: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly recordsInPerSecond: number;
  readonly recordsOutPerSecond: number;
  readonly stateEntries: number;
  readonly stateBytes: number;
  readonly finishedSubtasks: number;
}

export interface JobProgress {
  readonly jobId: string;
  readonly jobName: string;
  readonly state: JobState;
  readonly startedAt: number;
  readonly runningMs: number;
  readonly attempt: number;
  readonly restarts: number;
  readonly stages: readonly StageProgress[];
  readonly checkpoints: { readonly completed: number; readonly failed: number; readonly inProgress: number };
  readonly lastCheckpoint: (CheckpointSummary & { readonly completedAt: number }) | null;
  /** 0 to 1 for bounded input where it is known. */
  readonly inputProgress: number | null;
  readonly etaMs: number | null;
  readonly records: number;
  readonly malformed: number;
  /** Delay until the next attempt, while restarting. */
  readonly nextAttemptInMs: number | null;
  readonly lastError: string | null;
}

export interface JobEvents {
  state: [JobState];
  checkpoint: [CheckpointSummary];
  checkpointFailed: [{ readonly checkpointId: number; readonly error: Error }];
  restart: [{ readonly attempt: number; readonly delayMs: number; readonly error: Error }];
  restored: [{ readonly path: string; readonly checkpointId: number; readonly durationMs: number; readonly entries: number }];
  /** A line for people: warnings and the like. */
  notice: [string];
}

export interface SavepointOptions {
  /** `canonical` (default): the same bytes for the same state; `native`: the tables as they are, which is quicker. */
  readonly format?: 'canonical' | 'native';
}

export interface StopOptions {
  /** End with a savepoint in this directory. Default: execution.checkpointing.savepoint-dir; without it, with a checkpoint. */
  readonly savepointDirectory?: string;
  readonly savepointFormat?: 'canonical' | 'native';
  /** End the input first, so that all results of the end are emitted. The job is not to be resumed from what this leaves. */
  readonly drain?: boolean;
  /** Keep the last checkpoint whatever the retention policy says: for a stop by SIGINT or SIGTERM, which is to be resumed. */
  readonly retain?: boolean;
}

/** A running job. Disposing it cancels the job if it still runs. */
export interface JobHandle extends AsyncDisposable, Pick<EventEmitter<JobEvents>, 'on' | 'once' | 'off'> {
  readonly jobId: string;
  readonly jobName: string;
  readonly done: Promise<JobResult>;
  readonly state: JobState;
  progress(): JobProgress;
  /**
   * What happened to the job's checkpoints, newest first, also before it was resumed: completed ones with sizes and times of each subtask,
   * failures, restores. It is told after the job's end too, then of the newest 1,000.
   *
   * @param limit  default 100
   */
  history(limit?: number): Promise<readonly HistoryRecord[]>;
  /** Triggers a checkpoint and waits until it is complete. */
  checkpoint(): Promise<CheckpointSummary>;
  /**
   * Writes a savepoint into a new directory below `directory` (default: execution.checkpointing.savepoint-dir). The job goes on,
   * also when that fails, and no sink commits because of it.
   */
  savepoint(directory?: string, options?: SavepointOptions): Promise<CheckpointSummary>;
  /**
   * Stops the sources, takes a last checkpoint (or a savepoint), commits, ends. Null when neither is configured. When it rejects
   * the job goes on: with the next record or, after `drain`, from its last checkpoint as after a failure.
   */
  stop(options?: StopOptions): Promise<CheckpointSummary | null>;
  /** Ends now, without a last checkpoint; what happens to retained ones is the retention policy's. */
  cancel(): Promise<void>;
}
