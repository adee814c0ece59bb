/** Throughput over time, with the checkpoints marked. */
import { FILLED } from '../engine/settings.mjs';
import { measureAlone } from '../lib/isolated.mjs';
import { point } from '../lib/program.mjs';
import { percentile, row } from '../lib/report.mjs';

const JOB = 'count-numbers';

export const series = {
  name: 'series',
  question: 'How even is the throughput of a keyed count over time, without checkpoints and at different intervals?',
  async *rows({ threads, warmUpMs, series: { keys, intervalsMs, windowMs, sampleMs } }) {
    const options = { job: JOB, args: [keys], threads, minimumEntries: FILLED * keys, warmUpMs, windowMs, sampleMs };
    for (const intervalMs of intervalsMs) {
      const { perSecond, samples, checkpoints } = await measureAlone('steadyRate', { ...options, intervalMs });
      const name = intervalMs === null ? 'without checkpoints' : `a checkpoint every ${intervalMs} ms`;
      yield row(name, perSecond, 'records/s', null, `${checkpoints.length} checkpoints in ${windowMs / 1000} s`);
      // Of each piece of the window between two samples.
      const rates = samples.slice(1).map((to, i) => ((to.records - samples[i].records) / (to.atMs - samples[i].atMs)) * 1000);
      yield row(`${name}: slowest twentieth of the time`, percentile(rates, 0.05), 'records/s', null, `pieces of ${sampleMs} ms`);
      yield point({
        kind: 'throughput.series',
        job: JOB,
        threads,
        intervalMs,
        samples,
        // `steadyRate` tells when they were complete.
        checkpoints: checkpoints.map(({ atMs, durationMs, newBytes }) => ({
          atMs: atMs - durationMs,
          durableMs: durationMs,
          newBytes,
        })),
      });
    }
  },
};
