/**
 * The pools of one attempt, over piscina.
 *
 * Turns go to a chosen worker of the turn pool: the scheduler gives a worker two at most, one that runs and one that waits in
 * its port, so piscina's queue stays empty, and its load balancer only carries out our choice. Work that may take long (writing tables,
 * committing) goes to the background pool, whose threads share the cores by the operating system's time slices, so that no
 * turn waits behind it. Merges have a thread of their own: no checkpoint waits behind one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { assert } from '../format/assert.ts';
import { decodeError, TidemarkError } from '../format/errors.ts';
import { type Deployment, loadedSlotOf, type Outcome, type Task } from '../worker/protocol.ts';

/** Bundled from `worker/pool-entry.ts` by scripts/bundle.mjs. */
const ENTRY = new URL('../bundle/pool-entry.js', import.meta.url).href;

export interface WorkerPoolOptions {
  readonly threads: number;
  readonly deployment: Deployment;
  /** Most heap of a worker in MiB; V8's default otherwise. */
  readonly heapLimitMb?: number;
  /** What a worker is doing, completing "A worker thread exited ": "in a turn of stage 'x', subtask 1". */
  readonly activity: (worker: number) => string | undefined;
}

/**
 * Most that the end of a pool waits for threads that still load: one whose module never returns is ended all the same. A thread that needs
 * 0.3 s took more than one where three programs shared two cores.
 */
const LOADING_LIMIT_MS = 3000;

/** Called once when a thread dies other than by `destroy`. */
export type WorkerLost = (error: TidemarkError) => void;

export class WorkerPool {
  readonly threads: number;
  readonly #turns: Piscina<Task, unknown>;
  readonly #background: Piscina<Task, unknown>;
  readonly #merges: Piscina<Task, unknown>;
  readonly #threadIds: number[] = [];
  readonly #activity: (worker: number) => string | undefined;
  readonly #loaded: Int32Array;
  #target: number | null = null;
  #destroyed = false;

  constructor(options: WorkerPoolOptions, lost: WorkerLost) {
    this.threads = options.threads;
    this.#activity = options.activity;
    this.#loaded = new Int32Array(options.deployment.loadedThreads);
    const greeted = this.#threadIds;
    this.#turns = new Piscina({
      filename: ENTRY,
      minThreads: options.threads,
      maxThreads: options.threads,
      concurrentTasksPerWorker: 2,
      workerData: options.deployment,
      recordTiming: false,
      loadBalancer: (_task, workers) => {
        const target = this.#target;
        if (target !== null) return workers.find((worker) => worker.id === target) ?? null;
        return workers.find((worker) => worker.currentUsage === 0 && !greeted.includes(worker.id)) ?? null;
      },
      ...(options.heapLimitMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: options.heapLimitMb } }),
    });
    const behind = (threads: number): Piscina<Task, unknown> =>
      new Piscina({
        filename: ENTRY,
        minThreads: 0,
        maxThreads: threads,
        concurrentTasksPerWorker: 1,
        // A background thread is kept: starting one costs more than a small checkpoint.
        idleTimeout: 0x7fffffff,
        workerData: options.deployment,
        recordTiming: false,
      });
    this.#background = behind(options.threads);
    this.#merges = behind(1);
    this.#watch(this.#turns, lost);
    for (const pool of [this.#background, this.#merges]) {
      pool.on('error', (error) => {
        if (!this.#destroyed) lost(workerError(error));
      });
    }
  }

  /**
   * Waits until every worker has loaded the job module; the first result of each is that of a `ready` task.
   *
   * @throws TidemarkError ERR_JOB_LOAD
   */
  async ready(): Promise<void> {
    for (let i = 0; i < this.threads; i++) {
      const threadId = unwrap((await this.#turns.run({ op: 'ready' })) as Outcome<number>);
      this.#threadIds.push(threadId);
    }
  }

  /** Runs a task on one worker of the turn pool, which has one task at most. */
  runOn(worker: number, task: Task): Promise<unknown> {
    assert(worker < this.#threadIds.length, 'the worker has started');
    this.#target = this.#threadIds[worker];
    try {
      return this.#turns.run(task);
    } finally {
      this.#target = null;
    }
  }

  /** Runs a task in the background. @throws TidemarkError when its thread ends meanwhile */
  async run(task: Task): Promise<unknown> {
    try {
      return await (task.op === 'merge' ? this.#merges : this.#background).run(task);
    } catch (error) {
      throw workerError(error, ` in a background task (${task.op})`);
    }
  }

  /** Ends all threads, also those that do not return. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    await this.#untilLoaded();
    await Promise.all(this.#pools().map((pool) => pool.destroy()));
  }

  /**
   * Node 20 aborts the whole process (`IsGraphAsync must be used on an instantiated module`) when a thread is ended while it loads a module
   * with a top-level await, which our own has (`format/content-hash.ts`), and a job's may have. Such a thread may also be the one that
   * piscina starts in place of one that died.
   */
  async #untilLoaded(): Promise<void> {
    const deadline = performance.now() + LOADING_LIMIT_MS;
    // A thread that has ended has no id any more.
    const isLoading = ({ threadId }: Worker): boolean =>
      threadId > 0 && Atomics.load(this.#loaded, loadedSlotOf(threadId)) !== threadId;
    while (this.#pools().some((pool) => pool.threads.some(isLoading)) && performance.now() < deadline) await sleep(1);
  }

  #pools(): readonly Piscina<Task, unknown>[] {
    return [this.#turns, this.#background, this.#merges];
  }

  #watch(pool: Piscina<Task, unknown>, lost: WorkerLost): void {
    pool.on('error', (error) => {
      if (!this.#destroyed) lost(workerError(error));
    });
    for (const thread of pool.threads) {
      // Noted now: a thread that has ended has no id any more.
      const { threadId } = thread;
      const report = (error: (doing: string) => TidemarkError): void => {
        if (this.#destroyed) return;
        const doing = this.#activity(this.#threadIds.indexOf(threadId));
        lost(error(doing === undefined ? '' : ` ${doing}`));
      };
      // Before `exit`, which comes in the same tick and says less; piscina's rejection comes after both.
      thread.once('error', (error) => report((doing) => workerError(error, doing)));
      // A worker may exit without a task of its own to reject; its exit is then the only sign.
      thread.once('exit', (exitCode) =>
        report(
          (doing) =>
            new TidemarkError(
              'ERR_WORKER_EXITED',
              `A worker thread exited with code ${exitCode}${doing}. Look for process.exit() in the job's functions and in what they import.`,
              { facts: { exitCode } },
            ),
        ),
      );
    }
  }
}

/**
 * What piscina rejects with when a thread died, as our error.
 *
 * @param doing  "" or " in a turn of ..."
 */
export function workerError(error: unknown, doing = ''): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new TidemarkError(
      'ERR_WORKER_OUT_OF_MEMORY',
      `A worker thread ran out of heap${doing}. Keep large data in keyed state instead of variables of the job module, or raise the limit with --max-old-space-size.`,
      { cause: error },
    );
  }
  return new TidemarkError('ERR_WORKER_EXITED', `A worker thread failed${doing}: ${message ?? String(error)}.`, { cause: error });
}

/** The result of a task. @throws its error, rebuilt */
export function unwrap<T>(outcome: Outcome<T>): T {
  if ('error' in outcome) throw decodeError(outcome.error);
  return outcome.ok;
}
