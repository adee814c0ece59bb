/** What the first change of an entry after a barrier costs: a copy to the end of the log. */
import { callAlone } from '../lib/isolated.mjs';
import { point } from '../lib/program.mjs';
import { median, row } from '../lib/report.mjs';
import { spreadOf } from '../throughput/rates.mjs';
import { longKeys } from './keys.mjs';
import { addInBatches, newStateMap } from './loops.mjs';

export const afterBarrier = {
  name: 'after-barrier',
  question: 'How fast is the first update of every key after a barrier, in batches?',
  async *rows({ afterBarrier: { entries, rounds } }) {
    const { runs } = await callAlone(import.meta.url, 'measureFirstTouch', { entries, rounds });
    yield row(`first update of ${entries} keys`, median(runs), 'per second', null, spreadOf(runs));
    yield point({ kind: 'state.after-barrier', entries, perSecond: median(runs), runs });
  },
};

/** Called in a process of its own. Cleaning up what the barrier superseded is part of the cost. */
export function measureFirstTouch({ entries, rounds }) {
  const keys = longKeys(entries);
  const map = newStateMap();
  const addToAll = addInBatches(map);
  addToAll(keys, entries);
  const runs = [];
  for (let epoch = 2; epoch < rounds + 2; epoch++) {
    const started = performance.now();
    map.mark(epoch);
    map.complete(epoch - 1);
    addToAll(keys, entries);
    while (map.clean(1000));
    runs.push((entries / (performance.now() - started)) * 1000);
  }
  return { runs };
}
