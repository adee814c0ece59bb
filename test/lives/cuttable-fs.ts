/** The disk as one process sees it. Before any operation the process may be killed: no later one of its own takes effect. */
import { SimFs } from '../snapshot/sim-fs.ts';

export class CuttableFs extends SimFs {
  #left = Number.POSITIVE_INFINITY;
  #onCut: () => void = () => undefined;
  #dead = false;

  constructor(disk: SimFs) {
    super(disk.root);
    this.before = () => this.#enter();
  }

  /** Instead of its operation number `operations` from now on, counted from 0, `onCut` is called and the process is dead. */
  arm(operations: number, onCut: () => void): void {
    this.#left = operations;
    this.#onCut = onCut;
  }

  disarm(): void {
    this.#left = Number.POSITIVE_INFINITY;
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

  #enter(): void {
    if (this.#dead) throw killed();
    if (this.#left-- > 0) return;
    this.#dead = true;
    this.#onCut();
    throw killed();
  }
}

function killed(): Error {
  return Object.assign(new Error('the process was killed'), { code: 'EKILLED' });
}
