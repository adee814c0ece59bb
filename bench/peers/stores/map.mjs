/** `Map<number, number>` in a loop. Nothing is durable. */
import { keyAt } from '../keys.mjs';

export function open({ keys }) {
  const counts = filledMap(keys);
  return {
    count(from, to) {
      countInto(counts, keys, from, to);
    },
    entries: () => counts,
  };
}

/** Every key once, with nothing counted: to insert is not to update. */
export function filledMap(keys) {
  const counts = new Map();
  for (let key = 0; key < keys; key++) counts.set(key, 0);
  return counts;
}

/** Runs once per chunk; the loop is the same for everyone who counts in a Map. */
export function countInto(counts, keys, from, to) {
  for (let i = from; i < to; i++) {
    const key = keyAt(i, keys);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
}
