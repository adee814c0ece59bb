/** The handle of a job, which a program or the command line holds: what it answers, and what becomes of the job when its attempts end. */
import { EventEmitter, once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { TidemarkError } from '../format/errors.ts';
import type { JobGraph } from '../job/graph.ts';
import type { HistoryRecord } from '../snapshot/history.ts';
import type { CheckpointStore } from './checkpoint-store.ts';
import type { Config } from './config.ts';
import type { Trigger } from './coordinator.ts';
import type {
  CheckpointSummary,
  JobEvents,
  JobHandle,
  JobProgress,
  JobResult,
  JobState,
  SavepointOptions,
  StartOptions,
  StopOptions,
} from './handle.ts';
import { type Ending, JobAttempts } from './job-attempts.ts';
import { requestSavepoint, type SavepointRequest } from './savepoint-request.ts';

export class JobRunner extends EventEmitter<JobEvents> implements JobHandle {
  readonly jobId: string;
  readonly jobName: string;
  readonly done: Promise<JobResult>;
  readonly #config: Config;
  readonly #store: CheckpointStore;
  readonly #attempts: JobAttempts;
  readonly #startedMs = performance.now();
  #stop: Promise<CheckpointSummary | null> | null = null;
  #keepLast = false;

  constructor(graph: JobGraph, moduleUrl: string, options: StartOptions, config: Config, store: CheckpointStore) {
    super();
    this.jobId = store.jobId;
    this.jobName = graph.name;
    this.#config = config;
    this.#store = store;
    this.#attempts = new JobAttempts(graph, moduleUrl, options, config, store, this);
    this.done = this.#run();
    // Whoever is interested awaits it; a job that nobody awaits must not end the process by an unhandled rejection.
    this.done.catch(() => {});
    const { signal } = options;
    if (signal?.aborted) void this.cancel();
    else signal?.addEventListener('abort', () => void this.cancel(), { once: true });
  }

  get state(): JobState {
    return this.#attempts.state;
  }

  progress(): JobProgress {
    const sample = this.#attempts.sample();
    const { attempt, restarts, completed, failed, lastCheckpoint, lastError, nextAttemptInMs } = this.#attempts.status();
    return {
      jobId: this.jobId,
      jobName: this.jobName,
      state: this.state,
      startedAt: Date.now() - (performance.now() - this.#startedMs),
      runningMs: performance.now() - this.#startedMs,
      attempt,
      restarts,
      stages: sample.stages,
      checkpoints: { completed, failed, inProgress: this.#attempts.checkpointing?.counts.inProgress ?? 0 },
      lastCheckpoint,
      inputProgress: sample.inputProgress,
      etaMs:
        sample.inputProgress === null || sample.inputProgress <= 0
          ? null
          : ((1 - sample.inputProgress) / sample.inputProgress) * sample.elapsedMs,
      records: sample.records,
      malformed: sample.malformed,
      nextAttemptInMs,
      lastError: lastError?.message ?? null,
    };
  }

  history(limit = 100): Promise<HistoryRecord[]> {
    return this.#attempts.past.list(limit);
  }

  checkpoint(): Promise<CheckpointSummary> {
    return this.#request('manual');
  }

  async savepoint(directory?: string, options: SavepointOptions = {}): Promise<CheckpointSummary> {
    return this.#request('savepoint', this.#savepointRequest(directory, options.format));
  }

  async stop(options: StopOptions = {}): Promise<CheckpointSummary | null> {
    // A job that is still starting, or waits to be restarted, has nothing to take a checkpoint of until it runs.
    while (this.#attempts.checkpointing === null && !this.#isOver())
      await Promise.race([once(this, 'state'), this.done.catch(() => {})]);
    if (this.#isOver()) return null;
    const savepoint = this.#savepointOfStop(options);
    if (this.#stop !== null) {
      if (savepoint !== null) throw new TidemarkError('ERR_SAVEPOINT_FAILED', `Job '${this.jobName}' is being stopped already.`);
      return this.#stop;
    }
    this.#stop = this.#performStop(options, savepoint);
    try {
      return await this.#stop;
    } finally {
      this.#stop = null;
    }
  }

  /** Only a stop that succeeded ends the job; otherwise it goes on, or, once its input was ended, restarts. */
  async #performStop(options: StopOptions, savepoint: SavepointRequest | null): Promise<CheckpointSummary | null> {
    this.#keepLast = options.retain === true;
    this.#attempts.beginToStop();
    let summary: CheckpointSummary;
    try {
      if (options.drain === true) await this.#attempts.drain();
      summary = await this.#request('stop', savepoint);
    } catch (error) {
      // It came to its own end first: as well, unless a savepoint was wanted.
      if (this.#attempts.finished && savepoint === null) return null;
      if (this.#attempts.finished) throw finishedFirst(this.jobName, error);
      if (this.#attempts.goOn(error as Error, options)) this.#keepLast = false;
      throw error;
    }
    this.#attempts.stopped();
    await this.done.catch(() => {});
    return this.#store.hasDirectory || savepoint !== null ? summary : null;
  }

  #savepointOfStop({ savepointDirectory, savepointFormat, retain }: StopOptions): SavepointRequest | null {
    // A signal must end the job whatever state the default directory is in.
    const wanted =
      savepointDirectory !== undefined || (retain !== true && this.#config.checkpointing.savepointDirectory !== null);
    return wanted ? this.#savepointRequest(savepointDirectory, savepointFormat) : null;
  }

  #savepointRequest(directory: string | undefined, format: SavepointOptions['format']): SavepointRequest {
    return requestSavepoint(directory ?? this.#config.checkpointing.savepointDirectory, format, this.#store.host);
  }

  async cancel(): Promise<void> {
    this.#attempts.cancel();
    await this.done.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver()) await this.cancel();
  }

  #isOver(): boolean {
    return this.state === 'finished' || this.state === 'stopped' || this.state === 'cancelled' || this.state === 'failed';
  }

  #request(trigger: Trigger, savepoint: SavepointRequest | null = null): Promise<CheckpointSummary> {
    const { checkpointing } = this.#attempts;
    if (checkpointing === null)
      return Promise.reject(
        new TidemarkError(
          'ERR_CHECKPOINT_ABORTED',
          `Job '${this.jobName}' is ${this.state}: there is nothing to take a checkpoint of. Try again when it runs.`,
        ),
      );
    return checkpointing.request(trigger, savepoint);
  }

  async #run(): Promise<JobResult> {
    let ending: Ending;
    // Whoever started the job must have the chance to listen before anything is told.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      ending = await this.#attempts.untilEnd();
    } catch (error) {
      ending = { kind: 'failed', error: error as Error };
    }
    await this.#attempts.past.close();
    try {
      if (ending.kind === 'failed' && isFenced(ending.error)) await this.#store.abandon();
      else await this.#store.close(ending.kind, this.#keepLast);
    } catch (error) {
      if (ending.kind !== 'failed') ending = { kind: 'failed', error: error as Error };
    }
    if (ending.kind === 'failed') {
      this.#attempts.setState('failed');
      throw ending.error;
    }
    this.#attempts.setState(ending.kind);
    const { meter, collected } = this.#attempts;
    const { restarts, completed, failed, lastCheckpoint, restoredFrom } = this.#attempts.status();
    return {
      status: ending.kind,
      jobId: this.jobId,
      jobName: this.jobName,
      records: meter.records,
      durationMs: performance.now() - this.#startedMs,
      checkpoints: { completed, failed },
      lastCheckpoint: this.#store.keptPath(lastCheckpoint?.path ?? null),
      restoredFrom,
      restarts,
      collected: collected.values,
      malformed: meter.malformed,
    };
  }
}

function finishedFirst(jobName: string, cause: unknown): TidemarkError {
  return new TidemarkError(
    'ERR_SAVEPOINT_FAILED',
    `No savepoint was taken: job '${jobName}' finished before it could be stopped.`,
    {
      cause,
    },
  );
}

/** Has another process taken the job over? What is in its directory is not ours to delete then. */
function isFenced(error: Error): boolean {
  return error instanceof TidemarkError && error.code === 'ERR_CHECKPOINT_FENCED';
}

/** A new job id: 32 hex characters. */
export function newJobId(): string {
  return randomBytes(16).toString('hex');
}
