/** What a record costs when there are ten times as many keys. */
import { FILLED } from '../engine/settings.mjs';
import { measureAlone } from '../lib/isolated.mjs';
import { point } from '../lib/program.mjs';
import { median, row } from '../lib/report.mjs';
import { perCoreSecond, spreadOf } from './rates.mjs';

export const growth = {
  name: 'growth',
  question: 'What does a record of a keyed count cost with ten times as many keys?',
  async *rows({ threads, runs, warmUpMs, windowMs, growth: { keys: sizes, intervalMs } }) {
    // What is written differs besides: with more keys fewer records of an interval meet the same one.
    for (const checkpoints of [null, intervalMs]) {
      const kind = checkpoints === null ? 'without checkpoints' : `a checkpoint every ${checkpoints} ms`;
      const options = { job: 'count-numbers', threads, intervalMs: checkpoints, warmUpMs, windowMs };
      const costs = new Map(sizes.map((keys) => [keys, []]));
      for (let run = 0; run < runs; run++)
        for (const keys of sizes) {
          const measured = await measureAlone('steadyRate', { ...options, args: [keys], minimumEntries: FILLED * keys });
          costs.get(keys).push(1e9 / perCoreSecond(measured));
        }
      for (const [keys, ns] of costs) {
        yield row(`${kind}, ${keys} keys: CPU time of a record`, median(ns), 'ns', null, spreadOf(ns));
        yield point({ kind: 'throughput.growth', keys, threads, intervalMs: checkpoints, nsPerRecord: median(ns), runs: ns });
      }
      const [few, many] = sizes.map((keys) => median(costs.get(keys)));
      yield row(`${kind}: ${sizes[1]} keys against ${sizes[0]}`, many / few, 'times', { atMost: 2 });
    }
  },
};
