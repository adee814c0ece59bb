/** A durable keyed count against a Map without durability, by the CPU time that a record takes. */
import { FILLED } from '../engine/settings.mjs';
import { baselineAlone, measureAlone } from '../lib/isolated.mjs';
import { point } from '../lib/program.mjs';
import { median, row } from '../lib/report.mjs';
import { perCoreSecond, spreadOf } from './rates.mjs';

/** How many times the Map loop is aimed at, by number of keys. Other numbers of keys are for information. */
const TARGETS = new Map([
  [2 ** 20, 1.5],
  [2 ** 23, 1.2],
]);

export const againstMap = {
  name: 'against-map',
  question: 'How many records does a core count with a durable checkpoint every second, against a Map in a plain loop?',
  async *rows({ threads, runs, warmUpMs, windowMs, againstMap: { keys: sizes, intervalMs } }) {
    for (const keys of sizes) {
      const options = {
        job: 'count-numbers',
        args: [keys],
        threads,
        intervalMs,
        minimumEntries: FILLED * keys,
        warmUpMs,
        windowMs,
      };
      const plain = [];
      const jobs = [];
      // In turns: what else the machine does then weighs on both.
      for (let run = 0; run < runs; run++) {
        plain.push(await baselineAlone('countNumbers', { keys, warmUpMs, windowMs }));
        jobs.push(await measureAlone('steadyRate', options));
      }
      const name = `${keys} keys`;
      const plainPerCore = plain.map(perCoreSecond);
      const jobPerCore = jobs.map(perCoreSecond);
      const rates = jobs.map(({ perSecond }) => perSecond);
      yield row(`${name}: ${threads} threads`, median(rates), 'records/s', null, spreadOf(rates));
      yield row(`${name}: per core`, median(jobPerCore), 'records/s', null, spreadOf(jobPerCore));
      yield row(`${name}: Map, per core`, median(plainPerCore), 'records/s', null, spreadOf(plainPerCore));
      const aim = TARGETS.get(keys);
      const target = aim === undefined ? null : { atLeast: aim };
      yield row(`${name}: per core against the Map`, median(jobPerCore) / median(plainPerCore), 'times', target);
      yield point({ kind: 'throughput.against-map', keys, threads, intervalMs, job: jobs.map(brief), map: plain.map(brief) });
    }
  },
};

function brief({ perSecond, records, elapsedMs, cpuMs }) {
  return { perSecond, records, elapsedMs, cpuMs };
}
