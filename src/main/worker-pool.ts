/**
 * The pools of one attempt, over piscina.
 *
 * Turns go to a chosen worker of the turn pool: the scheduler keeps one task per worker, so piscina's queue stays
 * empty, and its load balancer only carries out our choice. Work that may take long (writing tables, merging,
 * committing) goes to the background pool, whose threads share the cores by the operating system's time slices, so that no
 * turn waits behind it.
 */
import { Piscina } from 'piscina';
import { assert } from '../format/assert.ts';
import { TidemarkError } from '../format/errors.ts';
import type { Deployment, Task } from '../worker/protocol.ts';

const ENTRY = new URL('../worker/pool-entry.js', import.meta.url).href;

export interface WorkerPoolOptions {
  readonly threads: number;
  readonly deployment: Deployment;
  /** Most heap of a worker in MiB; V8's default otherwise. */
  readonly heapLimitMb?: number;
}

/** Called once when a thread dies other than by `destroy`. */
export type WorkerLost = (error: TidemarkError) => void;

export class WorkerPool {
  readonly threads: number;
  readonly #turns: Piscina<Task, unknown>;
  readonly #background: Piscina<Task, unknown>;
  readonly #threadIds: number[] = [];
  #target: number | null = null;
  #destroyed = false;

  constructor(options: WorkerPoolOptions, lost: WorkerLost) {
    this.threads = options.threads;
    const greeted = this.#threadIds;
    this.#turns = new Piscina({
      filename: ENTRY,
      minThreads: options.threads,
      maxThreads: options.threads,
      concurrentTasksPerWorker: 1,
      workerData: options.deployment,
      recordTiming: false,
      loadBalancer: (_task, workers) => {
        const target = this.#target;
        if (target !== null) return workers.find((worker) => worker.id === target) ?? null;
        return workers.find((worker) => worker.currentUsage === 0 && !greeted.includes(worker.id)) ?? null;
      },
      ...(options.heapLimitMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: options.heapLimitMb } }),
    });
    this.#background = new Piscina({
      filename: ENTRY,
      minThreads: 0,
      maxThreads: options.threads,
      concurrentTasksPerWorker: 1,
      // A background thread is kept: starting one costs more than a small checkpoint.
      idleTimeout: 0x7fffffff,
      workerData: options.deployment,
      recordTiming: false,
    });
    this.#watch(this.#turns, lost);
    this.#background.on('error', (error) => {
      if (!this.#destroyed) lost(workerError(error));
    });
  }

  /** Waits until every worker has started; the first result of each is that of a `ready` task. */
  async ready(): Promise<void> {
    for (let i = 0; i < this.threads; i++) {
      const threadId = await this.#turns.run({ op: 'ready' });
      this.#threadIds.push(threadId as number);
    }
  }

  /** Runs a task on one worker of the turn pool, which must be free. */
  runOn(worker: number, task: Task): Promise<unknown> {
    assert(worker < this.#threadIds.length, 'the worker has started');
    this.#target = this.#threadIds[worker];
    try {
      return this.#turns.run(task);
    } finally {
      this.#target = null;
    }
  }

  /** Runs a task in the background. */
  run(task: Task): Promise<unknown> {
    return this.#background.run(task);
  }

  /** Ends all threads, also those that do not return. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    await Promise.all([this.#turns.destroy(), this.#background.destroy()]);
  }

  #watch(pool: Piscina<Task, unknown>, lost: WorkerLost): void {
    pool.on('error', (error) => {
      if (!this.#destroyed) lost(workerError(error));
    });
    // A worker may exit without a task of its own to reject; its exit is then the only sign.
    for (const thread of pool.threads) {
      thread.once('exit', (code) => {
        if (this.#destroyed) return;
        lost(
          new TidemarkError(
            'ERR_WORKER_EXITED',
            `A worker thread exited with code ${code}. The job restarts from its last checkpoint; look for process.exit() in the job's functions.`,
            { facts: { exitCode: code } },
          ),
        );
      });
    }
  }
}

/** What piscina rejects with when a thread died, as our error. */
export function workerError(error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new TidemarkError(
      'ERR_WORKER_OUT_OF_MEMORY',
      'A worker thread ran out of heap. Keep large data in keyed state instead of variables of the job module, or raise the limit with --max-old-space-size.',
      { cause: error },
    );
  }
  return new TidemarkError('ERR_WORKER_EXITED', `A worker thread failed: ${message ?? String(error)}.`, { cause: error });
}
