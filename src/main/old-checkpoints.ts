/**
 * Deletes completed checkpoints beyond those that are retained, and tables that were written for what did not come to be, in the
 * background, one collection after another. Always after a checkpoint of our own was published: whoever does not own the
 * directory any more was fenced by that, and deletes nothing.
 */
import { encodeError } from '../format/errors.ts';
import { checkpointsToRetain } from '../snapshot/retain.ts';
import type { CollectGarbageResult, CollectGarbageTask } from '../worker/protocol.ts';
import type { RunningAttempt } from './running-attempt.ts';

export interface OldCheckpointsOptions {
  readonly jobDirectory: string;
  /** Newest checkpoints to keep. */
  readonly retained: number;
  /** Complete checkpoints that the directory held before, in any order. */
  readonly before: readonly number[];
  /** Hashes of tables that are written, or being written, and that no manifest names yet. */
  inFlight(): readonly string[];
  /** Hashes of tables that no manifest will name. None as long as something is written that might be the same again. */
  abandoned(): readonly string[];
  /** They were deleted. */
  cleared(abandoned: readonly string[]): void;
  /** A collection has ended that chose these tables when it began: what was written meanwhile with one of these hashes may be gone. */
  deleted(chosen: readonly string[]): void;
  /** How many checkpoints wait for their deletion now. */
  waiting(count: number): void;
  notice(text: string): void;
}

export class OldCheckpoints {
  readonly #attempt: RunningAttempt;
  readonly #options: OldCheckpointsOptions;
  #complete: readonly number[];
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(attempt: RunningAttempt, options: OldCheckpointsOptions) {
    this.#attempt = attempt;
    this.#options = options;
    this.#complete = options.before;
  }

  /**
   * A checkpoint is complete.
   *
   * @param after  is waited for before anything is deleted: a committable of an older manifest may be needed until then
   */
  add(checkpointId: number, after: Promise<unknown>): void {
    const complete = [...this.#complete, checkpointId];
    const retain = checkpointsToRetain(complete, this.#options.retained);
    this.#complete = retain;
    const subsumed = complete.length - retain.length;
    if (subsumed === 0 && this.#options.abandoned().length === 0) return;
    this.#note(subsumed);
    this.#last = Promise.allSettled([this.#last, after])
      .then(() => (this.#running = this.#collect(retain)))
      // What could not be deleted is tried again by the next collection, and is not waited for until then.
      .finally(() => {
        this.#running = null;
        this.#note(-subsumed);
      });
  }

  /**
   * Ends when the collection that runs now, if any, has ended. What it deletes it chose when it began: a table that was written
   * since, with the content of an old one, may go with that. One that begins later is told of it.
   */
  async collected(): Promise<void> {
    await this.#running;
  }

  /** No more deletions; ends when the one that has begun has. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#last;
  }

  async #collect(retain: readonly number[]): Promise<void> {
    if (this.#stopped) return;
    const { jobDirectory } = this.#options;
    const abandoned = this.#options.abandoned();
    try {
      const task: CollectGarbageTask = { op: 'gc', jobDirectory, retain, inFlight: this.#options.inFlight(), abandoned };
      const { failures, chosen } = await this.#attempt.run<CollectGarbageResult>(task);
      this.#options.deleted(chosen);
      if (failures === 0) this.#options.cleared(abandoned);
    } catch (error) {
      if (this.#stopped) return;
      this.#options.notice(`Old checkpoints could not be deleted and will be tried again: ${encodeError(error).message}`);
    }
  }

  #note(change: number): void {
    this.#waiting += change;
    this.#options.waiting(this.#waiting);
  }
}
