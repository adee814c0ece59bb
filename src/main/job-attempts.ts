/**
 * The attempts of a job, one after another, with restarts in between: what an attempt is made of, what ends it, and whether another follows.
 *
 * ```
 *                     +------------------- failure, delay ------------------+
 *                     v                                                     |
 *   starting -> restoring -> running -> finished | stopped | cancelled    restarting -> failed
 * ```
 */
import type { EventEmitter } from 'node:events';
import { type ErrorFacts, TidemarkError } from '../format/errors.ts';
import type { JobGraph } from '../job/graph.ts';
import { recordOfManifest } from '../snapshot/history.ts';
import { type AttemptFacts, attemptOptionsOf, checkpointingOptionsOf } from './attempt-config.ts';
import type { CheckpointHistory } from './checkpoint-history.ts';
import type { CheckpointStore } from './checkpoint-store.ts';
import { Checkpointing } from './checkpointing.ts';
import { CollectedRecords } from './collected-records.ts';
import type { Config } from './config.ts';
import type { CheckpointSummary, JobEvents, JobState, StartOptions, StopOptions } from './handle.ts';
import { ProgressMeter, type ProgressSample } from './progress-meter.ts';
import { NO_FAILURES, nextAttempt, type RestartHistory } from './restart-strategy.ts';
import type { RunningAttempt } from './running-attempt.ts';

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

export type Ending = { readonly kind: 'finished' | 'stopped' | 'cancelled' } | { readonly kind: 'failed'; readonly error: Error };

/** What has become of the job so far. */
export interface AttemptsStatus {
  /** Number of the attempt that runs, or ran last, from 1. */
  readonly attempt: number;
  readonly restarts: number;
  readonly completed: number;
  readonly failed: number;
  readonly lastCheckpoint: (CheckpointSummary & { readonly completedAt: number }) | null;
  readonly restoredFrom: string | null;
  readonly lastError: Error | null;
  readonly nextAttemptInMs: number | null;
}

export class JobAttempts {
  readonly meter: ProgressMeter;
  readonly past: CheckpointHistory;
  readonly collected = new CollectedRecords();
  readonly #graph: JobGraph;
  readonly #moduleUrl: string;
  readonly #options: StartOptions;
  readonly #config: Config;
  readonly #store: CheckpointStore;
  readonly #events: EventEmitter<JobEvents>;
  #state: JobState = 'starting';
  #attempt: RunningAttempt | null = null;
  #checkpointing: Checkpointing | null = null;
  #attempts = 0;
  #restarts = 0;
  #history: RestartHistory = NO_FAILURES;
  #lastCheckpoint: (CheckpointSummary & { completedAt: number }) | null = null;
  #restoredFrom: string | null = null;
  #lastError: Error | null = null;
  #nextAttemptAtMs: number | null = null;
  #completed = 0;
  #failed = 0;
  #end: ((ending: Ending) => void) | null = null;
  #stopping = false;
  #drained: { resolve(): void; reject(error: Error): void } | null = null;
  /** Every subtask of the attempt has finished; and the last checkpoint after that is complete. */
  #allProcessed = false;
  #finished = false;
  #cancelled = false;
  #hasRun = false;
  #wakeDelay: (() => void) | null = null;
  #nextEpoch: number;

  /** @param events  where all that happens is told */
  constructor(
    graph: JobGraph,
    moduleUrl: string,
    options: StartOptions,
    config: Config,
    store: CheckpointStore,
    events: EventEmitter<JobEvents>,
  ) {
    this.#graph = graph;
    this.#moduleUrl = moduleUrl;
    this.#options = options;
    this.#config = config;
    this.#store = store;
    this.#events = events;
    this.#nextEpoch = store.known.highest + 1;
    this.past = store.host.openHistory(store.jobDirectory, (text) => events.emit('notice', text));
    this.meter = new ProgressMeter(graph);
  }

  get state(): JobState {
    return this.#state;
  }

  /** Of the attempt that runs; `null` before it runs and between two. */
  get checkpointing(): Checkpointing | null {
    return this.#checkpointing;
  }

  /** The job has come to its own end, its last checkpoint included. */
  get finished(): boolean {
    return this.#finished;
  }

  status(): AttemptsStatus {
    return {
      attempt: this.#attempts,
      restarts: this.#restarts,
      completed: this.#completed,
      failed: this.#failed,
      lastCheckpoint: this.#lastCheckpoint,
      restoredFrom: this.#restoredFrom,
      lastError: this.#lastError,
      nextAttemptInMs: this.#nextAttemptAtMs === null ? null : Math.max(0, this.#nextAttemptAtMs - performance.now()),
    };
  }

  sample(): ProgressSample {
    return this.meter.sample(this.#attempt);
  }

  beginToStop(): void {
    this.#stopping = true;
    this.setState('stopping');
  }

  /** Resolves when every record that was read has been processed and all results of the end are emitted. */
  drain(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#drained = { resolve, reject };
      if (this.#allProcessed) resolve();
      else this.#checkpointing?.drain();
    });
  }

  /** What a stop asked for is done. */
  stopped(): void {
    this.#end?.({ kind: 'stopped' });
  }

  /**
   * A stop has failed: the job goes on, or, once its input was ended, restarts.
   *
   * @returns whether it does; whoever sent a signal wants the end: an attempt that failed meanwhile is not followed by another
   */
  goOn(error: Error, { drain, retain }: StopOptions): boolean {
    this.#drained = null;
    if (this.#checkpointing === null && retain === true) return false;
    this.#stopping = false;
    if (this.#checkpointing === null) return true;
    // The end of the input cannot be taken back; what it emitted is not committed, and the next attempt does not know of it.
    if (drain === true) this.#end?.({ kind: 'failed', error });
    else if (this.#allProcessed) this.#finish();
    else this.setState('running');
    return true;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#wakeDelay?.();
    this.#end?.({ kind: 'cancelled' });
  }

  async untilEnd(): Promise<Ending> {
    for (;;) {
      const ending = await this.#runAttempt();
      if (ending.kind !== 'failed') return ending;
      if (this.#cancelled) return { kind: 'cancelled' };
      const { error } = ending;
      this.#lastError = error;
      if (this.#stopping || this.#isFinal(error)) return ending;
      const decision = nextAttempt(this.#config.restart, this.#history, performance.now(), Math.random());
      this.#history = decision.history;
      if (decision.delayMs === null) {
        if (this.#restarts === 0) return ending;
        return {
          kind: 'failed',
          error: new TidemarkError(
            'ERR_JOB_FAILED',
            `Job '${this.#graph.name}' failed and is not restarted: ${decision.reason}. ${error.message}`,
            { cause: error, facts: { ...factsOf(error), restarts: this.#restarts } },
          ),
        };
      }
      this.#restarts++;
      this.setState('restarting');
      this.#events.emit('restart', { attempt: this.#attempts + 1, delayMs: decision.delayMs, error });
      this.#nextAttemptAtMs = performance.now() + decision.delayMs;
      await this.#delay(decision.delayMs);
      this.#nextAttemptAtMs = null;
      if (this.#cancelled) return { kind: 'cancelled' };
    }
  }

  /** Input that is not where it was said to be is as final, until the job has run in this process: then its files may be away for a while. */
  #isFinal(error: Error): boolean {
    if (!(error instanceof TidemarkError)) return false;
    return FINAL_CODES.has(error.code) || (error.code === 'ERR_INPUT_NOT_FOUND' && !this.#hasRun);
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
      const point = await this.#store.restorePoint((text) => this.#events.emit('notice', text));
      this.meter.startFrom(point?.manifest.counters ?? {});
      this.setState(point === null ? 'starting' : 'restoring');
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
        this.#events.emit('restored', {
          path: point.path,
          checkpointId: point.manifest.checkpointId,
          durationMs: performance.now() - openedMs,
          entries: attempt.restoredEntries,
        });
        this.past.adopt(point.path);
        this.past.add({
          type: 'restored',
          ...this.#recordOf(point.manifest.checkpointId, new Date(), performance.now() - openedMs),
          path: point.path,
          entries: attempt.restoredEntries,
        });
        this.collected.addRestored(this.#graph, attempt.options.restore);
      }
      this.setState('running');
      this.#hasRun = true;
      attempt.scheduler.start();
      checkpointing.start();
      ending = await ended;
      return ending;
    } catch (error) {
      return { kind: 'failed', error: error as Error };
    } finally {
      this.#end = null;
      this.meter.sample(attempt);
      this.#checkpointing = null;
      await checkpointing?.stop();
      this.#drained?.reject(new TidemarkError('ERR_CHECKPOINT_ABORTED', 'The job failed while it was being drained.'));
      const orderly = ending?.kind === 'finished' || ending?.kind === 'stopped';
      // What the job was to do is done and committed: a writer that cannot be closed is told, and fails nothing.
      await attempt
        ?.destroy(orderly)
        .catch((error: Error) => this.#events.emit('notice', `A source or sink was not closed: ${error.message}`));
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
        this.past.add(recordOfManifest(manifest, summary.path));
        this.#lastCheckpoint = { ...summary, completedAt: Date.now() };
        this.#store.completed();
        this.#events.emit('checkpoint', summary);
      },
      saved: ({ path }, manifest) => this.past.add({ ...recordOfManifest(manifest, path), kind: 'savepoint' }),
      failed: ({ checkpointId, trigger, triggeredAt, durationMs, acknowledged, subtaskCount }, error) => {
        if (isDiskFull(error)) this.past.giveWay();
        this.past.add({
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
        this.#events.emit('checkpointFailed', { checkpointId, error });
      },
      fatal: fail,
      collected: (node, values) => this.collected.add(node, values),
      notice: (text) => this.#events.emit('notice', text),
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
    return { jobId: this.#store.jobId, jobName: this.#graph.name, checkpointId, at: at.toISOString(), durationMs };
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

  setState(state: JobState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#events.emit('state', state);
  }
}

/** What a program wants to know of the last failure, in the error that follows from it. */
function factsOf(error: Error): ErrorFacts {
  return error instanceof TidemarkError ? { ...error.facts, cause: error.code } : {};
}

function isDiskFull(error: Error): boolean {
  const { cause } = error;
  return cause instanceof TidemarkError && cause.code === 'ERR_NO_SPACE';
}
