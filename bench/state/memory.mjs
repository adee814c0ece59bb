/** Memory of a state under random updates with checkpoints, against its content. */
import { hashKey } from '../../dist/format/hash.js';
import { Memory } from '../../dist/format/memory.js';
import { callAlone } from '../lib/isolated.mjs';
import { point } from '../lib/program.mjs';
import { row } from '../lib/report.mjs';
import { randomOrder } from './keys.mjs';
import { newStateMap } from './loops.mjs';

const SHAPES = [
  { keyBytes: 4, valueBytes: 8 },
  { keyBytes: 8, valueBytes: 8 },
  { keyBytes: 16, valueBytes: 8 },
  { keyBytes: 16, valueBytes: 100 },
];
/** What the target allows an entry besides its key and its value. */
const ENTRY_BYTES = 16;

export const memory = {
  name: 'memory',
  question: 'How much memory does an entry take under random updates, with 5 % of the keys changed between checkpoints?',
  async *rows({ seed, memory: sizes }) {
    for (const shape of SHAPES) {
      const { peakBytes, cleaningShare } = await callAlone(import.meta.url, 'measureMemory', { ...shape, ...sizes, seed });
      const { keyBytes, valueBytes } = shape;
      const bytes = peakBytes / sizes.entries;
      const name = `keys of ${keyBytes} B, values of ${valueBytes} B`;
      const cleaning = `${bytes.toFixed(1)} B an entry at most; cleaning is ${(cleaningShare * 100).toFixed(0)} % of the time`;
      const ratio = bytes / (keyBytes + valueBytes + ENTRY_BYTES);
      yield row(`${name}: against key + value + ${ENTRY_BYTES}`, ratio, 'times', { atMost: 1.6 }, cleaning);
      yield point({ kind: 'state.memory', ...shape, entries: sizes.entries, peakBytes, cleaningShare });
    }
  },
};

/**
 * Called in a process of its own. Every checkpoint completes at once; a worker cleans as here, between its turns.
 *
 * @returns the most bytes of the log in the second half of the updates, and the share of the time that cleaning took
 */
export function measureMemory({ keyBytes, valueBytes, entries, updatesPerEntry, changedShare, seed }) {
  const map = newStateMap();
  const key = Memory.local(keyBytes);
  const upsert = (number) => {
    key.u32.fill(number, 0, 4);
    map.upsert(hashKey(key, 0, keyBytes), key, 0, keyBytes, valueBytes);
  };
  for (let number = 0; number < entries; number++) upsert(number);
  const order = randomOrder(entries * updatesPerEntry, entries, seed);
  const perEpoch = Math.floor(entries * changedShare);
  let epoch = 1;
  let peakBytes = 0;
  let cleaningMs = 0;
  const started = performance.now();
  for (let i = 0; i < order.length; i++) {
    upsert(order[i]);
    if (i % perEpoch !== 0) continue;
    map.mark(++epoch);
    map.complete(epoch - 1);
    const before = performance.now();
    while (map.clean(1000));
    cleaningMs += performance.now() - before;
    if (i > order.length / 2) peakBytes = Math.max(peakBytes, map.usedBytes);
  }
  return { peakBytes, cleaningShare: cleaningMs / (performance.now() - started) };
}
