/** Operations on keyed state against the bare table. */
import { callAlone } from '../lib/isolated.mjs';
import { point } from '../lib/program.mjs';
import { median, row } from '../lib/report.mjs';
import { spreadOf } from '../throughput/rates.mjs';
import { OPERATION_NAMES } from './operations.mjs';

const MODULE = new URL('./operations.mjs', import.meta.url).href;
/** Operations on one value, whose aim is a share of the bare table's speed: one at a time, in batches. */
const AIMED_AT = new Set(['get', 'update', 'add']);
const AIMS = { one: 50, batched: 100 };

export const operations = {
  name: 'operations',
  question: 'How fast is each operation on keyed state, one record at a time and in batches, against a bare table?',
  async *rows({ seed, operations: { entries, ...sizes } }) {
    for (const operation of OPERATION_NAMES) {
      const { rates } = await callAlone(MODULE, 'measureOperation', { operation, entries, seed, ...sizes });
      const bare = median(rates.baseline);
      yield row(`${operation}: bare table`, bare, 'per second', null, spreadOf(rates.baseline));
      for (const mode of ['one', 'batched']) {
        if (rates[mode] === undefined) continue;
        const name = `${operation}: ${mode === 'one' ? 'one at a time' : 'in batches'}`;
        yield row(name, median(rates[mode]), 'per second', null, spreadOf(rates[mode]));
        const target = AIMED_AT.has(operation) ? { atLeast: AIMS[mode] } : null;
        yield row(`${name}, against the bare table`, (median(rates[mode]) / bare) * 100, '%', target);
      }
      for (const [mode, runs] of Object.entries(rates))
        yield point({ kind: 'state.operation', operation, mode, entries, perSecond: median(runs), runs });
    }
  },
};
