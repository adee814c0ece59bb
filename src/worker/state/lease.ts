/**
 * A lease in shared memory: one thread at a time holds it. The engine needs none, since its scheduler gives each subtask to one
 * worker at a time; `SharedMap` does.
 *
 * | word | field  | meaning                                                                    | written by |
 * |-----:|--------|----------------------------------------------------------------------------|------------|
 * |    0 | holder | id of the holding thread plus 1, 0 = free; Atomics, and what waiters wait on | all        |
 * |    1 | since  | when it was taken, milliseconds of the clock modulo 2^32                    | holder     |
 *
 * Taking it is a compare-and-exchange and giving it back a store and a notify, both Atomics: what a holder wrote is visible to the next one.
 * Nobody can tell whether a thread that holds a lease has died, so waiting has a timeout, and its error names the holder.
 */
import { threadId } from 'node:worker_threads';

import { TidemarkError } from '../../format/errors.ts';

export const LEASE_BYTES = 8;

const HOLDER = 0;
const SINCE = 1;
const FREE = 0;

export class Lease {
  readonly #words: Int32Array;
  readonly #name: string;
  readonly #me = threadId + 1;

  constructor(memory: SharedArrayBuffer, name: string) {
    this.#words = new Int32Array(memory);
    this.#name = name;
  }

  /** Does this thread hold it? */
  get isHeld(): boolean {
    return Atomics.load(this.#words, HOLDER) === this.#me;
  }

  /** Id of the thread that holds it (0 is the main thread), or undefined. */
  get holder(): number | undefined {
    const holder = Atomics.load(this.#words, HOLDER);
    return holder === FREE ? undefined : holder - 1;
  }

  /**
   * Takes the lease, blocking the thread until it is free.
   *
   * @throws TidemarkError ERR_LEASE_TIMEOUT when it is not free within `timeoutMs`
   * @throws TidemarkError ERR_INVALID_ARG when this thread holds it already: it would wait for itself
   */
  acquire(timeoutMs: number): void {
    if (this.isHeld)
      throw misuse(`acquire: this thread (${this.#me - 1}) already holds the lease of ${this.#name}. Release it first.`);
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const holder = Atomics.compareExchange(this.#words, HOLDER, FREE, this.#me);
      if (holder === FREE) break;
      const leftMs = deadlineMs - performance.now();
      if (!(leftMs > 0) || Atomics.wait(this.#words, HOLDER, holder, leftMs) === 'timed-out')
        throw this.#timeout(holder - 1, timeoutMs);
    }
    Atomics.store(this.#words, SINCE, Date.now() | 0);
  }

  /** @throws TidemarkError ERR_INVALID_ARG when this thread does not hold it */
  release(): void {
    this.check('release');
    Atomics.store(this.#words, HOLDER, FREE);
    Atomics.notify(this.#words, HOLDER, 1);
  }

  /** @throws TidemarkError ERR_INVALID_ARG naming the operation, when this thread does not hold the lease */
  check(operation: string): void {
    if (this.isHeld) return;
    const holder = this.holder === undefined ? 'nobody does' : `thread ${this.holder} does`;
    throw misuse(
      `${operation}: this thread (${this.#me - 1}) does not hold the lease of ${this.#name}, ${holder}. Call acquire() first, or use withLease().`,
    );
  }

  #timeout(holder: number, timeoutMs: number): TidemarkError {
    const heldMs = ((Date.now() | 0) - Atomics.load(this.#words, SINCE)) >>> 0;
    return new TidemarkError(
      'ERR_LEASE_TIMEOUT',
      `The lease of ${this.#name} was not free within ${timeoutMs} ms: thread ${holder} has held it for ${heldMs} ms. ` +
        'Wait longer; or, if that thread has ended, create the map anew: an operation may have been cut short.',
      { facts: { name: this.#name, holder, heldMs, timeoutMs } },
    );
  }
}

function misuse(message: string): TidemarkError {
  return new TidemarkError('ERR_INVALID_ARG', message);
}
