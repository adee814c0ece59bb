/**
 * A job from its start to its end: attempts one after another, with restarts in between, and the handle that a program or
 * the command line holds.
 *
 * ```
 *                     +------------------- failure, delay ------------------+
 *                     v                                                     |
 *   starting -> restoring -> running -> finished | stopped | cancelled    restarting -> failed
 * ```
 */
import { EventEmitter, once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { type ErrorFacts, TidemarkError } from '../format/errors.ts';
import type { JobGraph } from '../job/graph.ts';
import { type HistoryRecord, recordOfManifest } from '../snapshot/history.ts';
import { type AttemptFacts, attemptOptionsOf, checkpointingOptionsOf } from './attempt-config.ts';
import type { CheckpointStore } from './checkpoint-store.ts';
import type { CheckpointHistory } from './checkpoint-history.ts';
import { Checkpointing } from './checkpointing.ts';
import { CollectedRecords } from './collected-records.ts';
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
import { ProgressMeter } from './progress-meter.ts';
import type { RunningAttempt } from './running-attempt.ts';
import { requestSavepoint, type SavepointRequest } from './savepoint-request.ts';
import { NO_FAILURES, nextAttempt, type RestartHistory } from './restart-strategy.ts';

/**
 * Errors that another attempt cannot cure: the job fails at once, whatever the restart strategy. ERR_JOB_LOAD is not one of
 * them: the main thread has loaded the module, so a worker that cannot is a worker that failed.
 */
const FINAL_CODES = new Set<string>([
  'ERR_JOB_INVALID',
  'ERR_CHECKPOINT_NOT_FOUND',
  'ERR_MANIFEST_CORRUPT',
  'ERR_TABLE_CORRUPT',
  'ERR_FILE_MISSING',
  'ERR_FORMAT_UNSUPPORTED',
  'ERR_STATE_UNMATCHED',
  'ERR_STATE_INCOMPATIBLE',
  'ERR_MAX_PARALLELISM',
  'ERR_CHECKPOINT_DIR',
  'ERR_DIR_LOCKED',
  'ERR_CHECKPOINT_FENCED',
  'ERR_SOURCE_CHANGED',
  'ERR_CONFIG_INVALID',
  'ERR_INVALID_ARG',
]);

type Ending = { readonly kind: 'finished' | 'stopped' | 'cancelled' } | { readonly kind: 'failed'; readonly error: Error };

export class JobRunner extends EventEmitter<JobEvents> implements JobHandle {
  readonly jobId: string;
  readonly jobName: string;
  readonly done: Promise<JobResult>;
  readonly #graph: JobGraph;
  readonly #moduleUrl: string;
  readonly #options: StartOptions;
  readonly #config: Config;
  readonly #store: CheckpointStore;
  readonly #startedMs = performance.now();
  readonly #meter: ProgressMeter;
  #state: JobState = 'starting';
  #attempt: RunningAttempt | null = null;
  #checkpointing: Checkpointing | null = null;
  #attempts = 0;
  #restarts = 0;
  #history: RestartHistory = NO_FAILURES;
  readonly #past: CheckpointHistory;
  #lastCheckpoint: (CheckpointSummary & { completedAt: number }) | null = null;
  #restoredFrom: string | null = null;
  #lastError: Error | null = null;
  #nextAttemptAtMs: number | null = null;
  #completed = 0;
  #failed = 0;
  readonly #collected = new CollectedRecords();
  #end: ((ending: Ending) => void) | null = null;
  #stopping = false;
  #stop: Promise<CheckpointSummary | null> | null = null;
  #drained: { resolve(): void; reject(error: Error): void } | null = null;
  /** Every subtask of the attempt has finished; and the last checkpoint after that is complete. */
  #allProcessed = false;
  #finished = false;
  #keepLast = false;
  #cancelled = false;
  #wakeDelay: (() => void) | null = null;
  #nextEpoch: number;

  constructor(graph: JobGraph, moduleUrl: string, options: StartOptions, config: Config, store: CheckpointStore) {
    super();
    this.jobId = store.jobId;
    this.jobName = graph.name;
    this.#graph = graph;
    this.#moduleUrl = moduleUrl;
    this.#options = options;
    this.#config = config;
    this.#store = store;
    this.#nextEpoch = store.highestNumber() + 1;
    this.#past = store.host.openHistory(store.jobDirectory, (text) => this.emit('notice', text));
    this.#meter = new ProgressMeter(graph);
    this.done = this.#run();
    // Whoever is interested awaits it; a job that nobody awaits must not end the process by an unhandled rejection.
    this.done.catch(() => {});
    const { signal } = options;
    if (signal?.aborted) void this.cancel();
    else signal?.addEventListener('abort', () => void this.cancel(), { once: true });
  }

  get state(): JobState {
    return this.#state;
  }

  progress(): JobProgress {
    const counts = this.#checkpointing?.counts ?? { completed: 0, failed: 0, inProgress: 0 };
    const sample = this.#meter.sample(this.#attempt);
    return {
      jobId: this.jobId,
      jobName: this.jobName,
      state: this.#state,
      startedAt: Date.now() - (performance.now() - this.#startedMs),
      runningMs: performance.now() - this.#startedMs,
      attempt: this.#attempts,
      restarts: this.#restarts,
      stages: sample.stages,
      checkpoints: { completed: this.#completed, failed: this.#failed, inProgress: counts.inProgress },
      lastCheckpoint: this.#lastCheckpoint,
      inputProgress: sample.inputProgress,
      etaMs:
        sample.inputProgress === null || sample.inputProgress <= 0
          ? null
          : ((1 - sample.inputProgress) / sample.inputProgress) * sample.elapsedMs,
      records: sample.records,
      malformed: sample.malformed,
      nextAttemptInMs: this.#nextAttemptAtMs === null ? null : Math.max(0, this.#nextAttemptAtMs - performance.now()),
      lastError: this.#lastError?.message ?? null,
    };
  }

  history(limit = 100): Promise<HistoryRecord[]> {
    return this.#past.list(limit);
  }

  checkpoint(): Promise<CheckpointSummary> {
    return this.#request('manual');
  }

  async savepoint(directory?: string, options: SavepointOptions = {}): Promise<CheckpointSummary> {
    return this.#request('savepoint', this.#savepointRequest(directory, options.format));
  }

  async stop(options: StopOptions = {}): Promise<CheckpointSummary | null> {
    // A job that is still starting, or waits to be restarted, has nothing to take a checkpoint of until it runs.
    while (this.#checkpointing === null && !this.#isOver()) await Promise.race([once(this, 'state'), this.done.catch(() => {})]);
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
    this.#stopping = true;
    this.#keepLast = options.retain === true;
    this.#setState('stopping');
    let summary: CheckpointSummary;
    try {
      if (options.drain === true) await this.#drain();
      summary = await this.#request('stop', savepoint);
    } catch (error) {
      // It came to its own end first: as well, unless a savepoint was wanted.
      if (this.#finished && savepoint === null) return null;
      if (this.#finished) throw finishedFirst(this.jobName, error);
      this.#goOn(error as Error, options);
      throw error;
    }
    this.#end?.({ kind: 'stopped' });
    await this.done.catch(() => {});
    return this.#store.hasDirectory || savepoint !== null ? summary : null;
  }

  /** Resolves when every record that was read has been processed and all results of the end are emitted. */
  #drain(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#drained = { resolve, reject };
      if (this.#allProcessed) resolve();
      else this.#checkpointing?.drain();
    });
  }

  #goOn(error: Error, { drain, retain }: StopOptions): void {
    this.#drained = null;
    // Whoever sent a signal wants the end: an attempt that failed meanwhile is not followed by another.
    if (this.#checkpointing === null && retain === true) return;
    this.#stopping = false;
    this.#keepLast = false;
    if (this.#checkpointing === null) return;
    // The end of the input cannot be taken back; what it emitted is not committed, and the next attempt does not know of it.
    if (drain === true) this.#end?.({ kind: 'failed', error });
    else if (this.#allProcessed) this.#finish();
    else this.#setState('running');
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
    this.#cancelled = true;
    this.#wakeDelay?.();
    this.#end?.({ kind: 'cancelled' });
    await this.done.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver()) await this.cancel();
  }

  #isOver(): boolean {
    return this.#state === 'finished' || this.#state === 'stopped' || this.#state === 'cancelled' || this.#state === 'failed';
  }

  #request(trigger: Trigger, savepoint: SavepointRequest | null = null): Promise<CheckpointSummary> {
    if (this.#checkpointing === null)
      return Promise.reject(
        new TidemarkError(
          'ERR_CHECKPOINT_ABORTED',
          `Job '${this.jobName}' is ${this.#state}: there is nothing to take a checkpoint of. Try again when it runs.`,
        ),
      );
    return this.#checkpointing.request(trigger, savepoint);
  }

  async #run(): Promise<JobResult> {
    let ending: Ending;
    // Whoever started the job must have the chance to listen before anything is told.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      ending = await this.#attemptsUntilEnd();
    } catch (error) {
      ending = { kind: 'failed', error: error as Error };
    }
    await this.#past.close();
    try {
      if (ending.kind === 'failed' && isFenced(ending.error)) await this.#store.abandon();
      else await this.#store.close(ending.kind, this.#keepLast);
    } catch (error) {
      if (ending.kind !== 'failed') ending = { kind: 'failed', error: error as Error };
    }
    if (ending.kind === 'failed') {
      this.#setState('failed');
      throw ending.error;
    }
    this.#setState(ending.kind);
    return {
      status: ending.kind,
      jobId: this.jobId,
      jobName: this.jobName,
      records: this.#meter.records,
      durationMs: performance.now() - this.#startedMs,
      checkpoints: { completed: this.#completed, failed: this.#failed },
      lastCheckpoint: this.#store.keptPath(this.#lastCheckpoint?.path ?? null),
      restoredFrom: this.#restoredFrom,
      restarts: this.#restarts,
      collected: this.#collected.values,
      malformed: this.#meter.malformed,
    };
  }

  async #attemptsUntilEnd(): Promise<Ending> {
    for (;;) {
      const ending = await this.#runAttempt();
      if (ending.kind !== 'failed') return ending;
      if (this.#cancelled) return { kind: 'cancelled' };
      const { error } = ending;
      this.#lastError = error;
      if (this.#stopping || (error instanceof TidemarkError && FINAL_CODES.has(error.code))) return ending;
      const decision = nextAttempt(this.#config.restart, this.#history, performance.now(), Math.random());
      this.#history = decision.history;
      if (decision.delayMs === null) {
        if (this.#restarts === 0) return ending;
        return {
          kind: 'failed',
          error: new TidemarkError(
            'ERR_JOB_FAILED',
            `Job '${this.jobName}' failed and is not restarted: ${decision.reason}. ${error.message}`,
            { cause: error, facts: { ...factsOf(error), restarts: this.#restarts } },
          ),
        };
      }
      this.#restarts++;
      this.#setState('restarting');
      this.emit('restart', { attempt: this.#attempts + 1, delayMs: decision.delayMs, error });
      this.#nextAttemptAtMs = performance.now() + decision.delayMs;
      await this.#delay(decision.delayMs);
      this.#nextAttemptAtMs = null;
      if (this.#cancelled) return { kind: 'cancelled' };
    }
  }

  async #runAttempt(): Promise<Ending> {
    this.#attempts++;
    this.#allProcessed = false;
    let end: (ending: Ending) => void = () => {};
    const ended = new Promise<Ending>((resolve) => {
      end = resolve;
    });
    this.#end = end;
    if (this.#cancelled) return { kind: 'cancelled' };
    const fail = (error: Error): void => end({ kind: 'failed', error });
    let attempt: RunningAttempt | null = null;
    let checkpointing: Checkpointing | null = null;
    let ending: Ending | null = null;
    try {
      const point = await this.#store.restorePoint((text) => this.emit('notice', text));
      this.#meter.startFrom(point?.manifest.counters ?? {});
      this.#setState(point === null ? 'starting' : 'restoring');
      const facts: AttemptFacts = {
        graph: this.#graph,
        moduleUrl: this.#moduleUrl,
        args: this.#options.args ?? [],
        config: this.#config,
        store: this.#store,
        point,
        attempt: this.#attempts,
        nextEpoch: this.#nextEpoch,
      };
      attempt = this.#createAttempt(facts, fail, () => checkpointing);
      this.#attempt = attempt;
      const openedMs = performance.now();
      const outcome = await Promise.race([attempt.open().then(() => null), ended]);
      if (outcome !== null) return outcome;
      checkpointing = this.#createCheckpointing(attempt, facts, fail);
      this.#checkpointing = checkpointing;
      if (point !== null) {
        this.#restoredFrom = point.path;
        this.emit('restored', {
          path: point.path,
          checkpointId: point.manifest.checkpointId,
          durationMs: performance.now() - openedMs,
          entries: attempt.restoredEntries,
        });
        this.#past.adopt(point.path);
        this.#past.add({
          type: 'restored',
          ...this.#recordOf(point.manifest.checkpointId, new Date(), performance.now() - openedMs),
          path: point.path,
          entries: attempt.restoredEntries,
        });
        this.#collected.addRestored(this.#graph, attempt.options.restore);
      }
      this.#setState('running');
      attempt.scheduler.start();
      checkpointing.start();
      ending = await ended;
      return ending;
    } catch (error) {
      return { kind: 'failed', error: error as Error };
    } finally {
      this.#end = null;
      this.#meter.sample(attempt);
      this.#checkpointing = null;
      await checkpointing?.stop();
      this.#drained?.reject(new TidemarkError('ERR_CHECKPOINT_ABORTED', 'The job failed while it was being drained.'));
      const orderly = ending?.kind === 'finished' || ending?.kind === 'stopped';
      // What the job was to do is done and committed: a writer that cannot be closed is told, and fails nothing.
      await attempt
        ?.destroy(orderly)
        .catch((error: Error) => this.emit('notice', `A source or sink was not closed: ${error.message}`));
      checkpointing?.discardUnfinished();
      this.#attempt = null;
    }
  }

  #createAttempt(facts: AttemptFacts, fail: (error: Error) => void, checkpointing: () => Checkpointing | null): RunningAttempt {
    const options = attemptOptionsOf(facts);
    this.#nextEpoch = options.firstEpoch;
    return this.#store.host.createAttempt(options, {
      snapshot: (subtask, snapshot) => {
        this.#nextEpoch = Math.max(this.#nextEpoch, snapshot.checkpointId + 1);
        checkpointing()?.synced(subtask, snapshot);
      },
      backlog: (backlog) => checkpointing()?.backlog(backlog),
      failed: fail,
      finished: () => this.#onAllProcessed(),
      printed: (text) => process.stdout.write(text),
    });
  }

  #createCheckpointing(attempt: RunningAttempt, facts: AttemptFacts, fail: (error: Error) => void): Checkpointing {
    return new Checkpointing(attempt, this.#graph, checkpointingOptionsOf(facts), {
      completed: (summary, manifest) => {
        this.#completed++;
        this.#past.add(recordOfManifest(manifest, summary.path));
        this.#lastCheckpoint = { ...summary, completedAt: Date.now() };
        this.#store.completed();
        this.emit('checkpoint', summary);
      },
      saved: ({ path }, manifest) => this.#past.add({ ...recordOfManifest(manifest, path), kind: 'savepoint' }),
      failed: ({ checkpointId, trigger, triggeredAt, durationMs, acknowledged, subtaskCount }, error) => {
        if (isDiskFull(error)) this.#past.giveWay();
        this.#past.add({
          type: 'failed',
          ...this.#recordOf(checkpointId, triggeredAt, durationMs),
          trigger,
          code: error instanceof TidemarkError ? error.code : 'ERR_INTERNAL',
          message: error.message,
          acknowledged,
          subtaskCount,
        });
        // Whoever asked for a savepoint has been told; the job's own checkpoints are as they were.
        if (trigger === 'savepoint') return;
        this.#failed++;
        this.emit('checkpointFailed', { checkpointId, error });
      },
      fatal: fail,
      collected: (node, values) => this.#collected.add(node, values),
      notice: (text) => this.emit('notice', text),
    });
  }

  #onAllProcessed(): void {
    this.#allProcessed = true;
    // A stop that is under way takes the last checkpoint itself.
    if (this.#stopping) this.#drained?.resolve();
    else this.#finish();
  }

  /** All records are processed: a last checkpoint makes the output of the end visible, then the job has finished. */
  #finish(): void {
    this.#checkpointing?.request('final').then(
      () => {
        this.#finished = true;
        this.#end?.({ kind: 'finished' });
      },
      (error: unknown) => this.#end?.({ kind: 'failed', error: error as Error }),
    );
  }

  #recordOf(checkpointId: number, at: Date, durationMs: number) {
    return { jobId: this.jobId, jobName: this.jobName, checkpointId, at: at.toISOString(), durationMs };
  }

  #delay(ms: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wakeDelay = () => {
        clearTimeout(timer);
        resolve();
      };
    }).then(() => {
      this.#wakeDelay = null;
    });
  }

  #setState(state: JobState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.emit('state', state);
  }
}

/** What a program wants to know of the last failure, in the error that follows from it. */
function factsOf(error: Error): ErrorFacts {
  return error instanceof TidemarkError ? { ...error.facts, cause: error.code } : {};
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

function isDiskFull(error: Error): boolean {
  const { cause } = error;
  return cause instanceof TidemarkError && cause.code === 'ERR_NO_SPACE';
}
