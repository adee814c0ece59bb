/** The disk as one process sees it. Before any operation the process may be killed, so that no later one of its own takes
 * effect; or the operation fails. */
import { type Operation, SimFs } from '../snapshot/sim-fs.ts';
import type { Cut } from './steps.ts';

export class CuttableFs extends SimFs {
  #left = Number.POSITIVE_INFINITY;
  #waiting: (() => void) | null = null;
  #onCut: () => Error | null = () => null;
  #dead = false;

  constructor(disk: SimFs) {
    super(disk.root);
    this.before = (operation, path) => this.#enter(operation, path);
  }

  /**
   * Something happens instead of an operation from now on, or from the next publication on.
   *
   * @param onCut  what the operation fails with; null: the process is dead
   */
  arm({ operations, from }: Cut, onCut: () => Error | null): void {
    const begin = (): void => {
      this.#left = operations;
      this.#onCut = onCut;
      this.#waiting = null;
    };
    if (from === 'step') begin();
    else this.#waiting = begin;
  }

  disarm(): void {
    this.#left = Number.POSITIVE_INFINITY;
    this.#waiting = null;
  }

  die(): void {
    this.#dead = true;
  }

  /** One thread of the process is ended after so many operations of what it does; the others go on. */
  cutAfter(operations: number, thread: () => void): void {
    const { before } = this;
    let left = operations;
    this.before = (operation, path) => {
      if (left-- <= 0) throw killed();
      return before(operation, path);
    };
    try {
      thread();
    } finally {
      this.before = before;
    }
  }

  #enter(operation: Operation, path: string): void {
    if (this.#dead) throw killed();
    // Checkpoints and savepoints are published by renaming them.
    if (operation === 'rename' && path.includes('/.new-')) this.#waiting?.();
    if (this.#left-- > 0) return;
    this.disarm();
    const error = this.#onCut();
    this.#dead ||= error === null;
    throw error ?? killed();
  }
}

function killed(): Error {
  return Object.assign(new Error('the process was killed'), { code: 'EKILLED' });
}
