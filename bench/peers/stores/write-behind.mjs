/**
 * The changes of one interval, gathered in a Map before they are written: what a user does once each record costs a call of the
 * database. The Map holds increments, not counts, so that it is no larger than what changed, whatever the state is.
 */
import { countInto } from './map.mjs';

export class WriteBehind {
  #keys;
  #increments = new Map();

  constructor(keys) {
    this.#keys = keys;
  }

  count(from, to) {
    countInto(this.#increments, this.#keys, from, to);
  }

  /** The increments since the last call, in the order of keys: a tree or a log-structured store writes neighbours together. */
  *take() {
    const increments = this.#increments;
    this.#increments = new Map();
    for (const key of Uint32Array.from(increments.keys()).sort()) yield [key, increments.get(key)];
  }
}
