/**
 * What the driver on the main thread and the source of `jobs/chosen-changes.mjs` in the workers tell each other, in shared memory.
 * Worker threads get it as environment data, so it must be there before the job starts. 32-bit words:
 *
 * | word      | written by | meaning                                                                              |
 * |----------:|------------|--------------------------------------------------------------------------------------|
 * |         0 | driver     | number of the interval that the source is to emit; 0: none yet                        |
 * |         1 | driver     | keys that change in it                                                               |
 * |         2 | driver     | what comes when all keys of the interval have changed: a value of `Then`            |
 * | 3 + split | source     | number of the last interval of which the split has emitted all keys                  |
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/** One for each source subtask. */
export const SPLITS = 2;

const NAME = 'tidemark-bench-snapshots';
const RELEASED = 0;
const CHANGES = 1;
const THEN = 2;
const FINISHED = 3;

/** What a source does when all keys of an interval have changed. */
export const Then = {
  /** Waits for the next interval. */
  wait: 0,
  /** Goes on with the same keys, over and over, until the next interval is released. */
  goOn: 1,
  /**
   * The same, and each barrier begins an interval of its own. That the driver cannot do: until the sources see what it releases they would
   * go on with the keys of the interval before, so that a checkpoint had keys of two.
   */
  goOnToBarrier: 2,
};

/** How many of a split's keys change when `changes` of `keys` do. */
export function changesOfSplit(changes, keys, split) {
  return Math.round((changes * keysOfSplit(keys, split)) / keys);
}

/** Not always `changes`: each split rounds its own. */
export function changesOfAllSplits(changes, keys) {
  return Array.from({ length: SPLITS }, (_, split) => changesOfSplit(changes, keys, split)).reduce((sum, own) => sum + own, 0);
}

/** Split s of n has the keys s, s + n, s + 2n, ... below `keys`. */
export function keysOfSplit(keys, split) {
  return Math.ceil((keys - split) / SPLITS);
}

/** Of the driver; call it before the job starts. */
export function createControls() {
  const words = new Int32Array(new SharedArrayBuffer(4 * (FINISHED + SPLITS)));
  setEnvironmentData(NAME, words.buffer);
  return new Controls(words);
}

/** Of a source. A job that was only restored has no driver, and then nothing is ever released. */
export function openControls() {
  return new Controls(new Int32Array(getEnvironmentData(NAME) ?? new SharedArrayBuffer(4 * (FINISHED + SPLITS))));
}

class Controls {
  #words;

  constructor(words) {
    this.#words = words;
  }

  get released() {
    return Atomics.load(this.#words, RELEASED);
  }

  get changes() {
    return Atomics.load(this.#words, CHANGES);
  }

  get goesOn() {
    return Atomics.load(this.#words, THEN) !== Then.wait;
  }

  get goesOnToBarrier() {
    return Atomics.load(this.#words, THEN) === Then.goOnToBarrier;
  }

  /** Begins the next interval. @param changes  keys that change in it @param then  of `Then` */
  release(changes, then = Then.wait) {
    Atomics.store(this.#words, CHANGES, changes);
    Atomics.store(this.#words, THEN, then);
    Atomics.add(this.#words, RELEASED, 1);
  }

  /** No more records than those that the interval still needs. */
  settle() {
    Atomics.store(this.#words, THEN, Then.wait);
  }

  finish(split, interval) {
    Atomics.store(this.#words, FINISHED + split, interval);
  }

  /** Were records for all keys of the interval emitted? A barrier that is triggered then comes after them. */
  get finished() {
    return Array.from({ length: SPLITS }, (_, split) => split).every(
      (split) => Atomics.load(this.#words, FINISHED + split) === this.released,
    );
  }
}
