/**
 * How does throughput grow with the number of threads? The same jobs on one thread, two, and so on up to the number of cores.
 *
 *     npm run bench scaling                    2 minutes on 2 cores
 *     npm run bench scaling -- --threads 8     up to 8 threads instead of the number of cores
 *     npm run bench scaling -- --quick         short: shows that it runs, not how fast
 *     npm run bench scaling -- --json          one JSON document on stdout; --out <file>: into a file
 *
 * Every run is durable, with a checkpoint each second; its tables are written by threads of their own, also when the job has one
 * thread. More in docs/benchmarks.md.
 */
import { availableParallelism } from 'node:os';
import { calibrateBurn } from './engine/burn.mjs';
import { FILLED } from './engine/settings.mjs';
import { measureAlone } from './lib/isolated.mjs';
import { benchProgram, point } from './lib/program.mjs';
import { median, row } from './lib/report.mjs';
import { spreadOf } from './throughput/rates.mjs';

/** Milliseconds of a record of the job that is all computing. */
const BURN_MS = 0.1;

const JOBS = [
  { job: 'burn', name: `a function of ${BURN_MS} ms`, argsOf: () => [calibrateBurn(BURN_MS)], entriesOf: () => 0 },
  {
    job: 'count-numbers',
    name: 'keyed count of numbers',
    argsOf: ({ keys }) => [keys],
    entriesOf: ({ keys }) => FILLED * keys,
  },
  {
    job: 'count-strings',
    name: 'keyed count of strings',
    argsOf: ({ keys }) => [keys],
    entriesOf: ({ keys }) => FILLED * keys,
  },
];

const scenarios = JOBS.map(({ job, name, argsOf, entriesOf }) => ({
  name: job,
  question: `How does throughput grow with threads: ${name}?`,
  async *rows(settings) {
    const { mostThreads, runs, intervalMs, warmUpMs, windowMs } = settings;
    const args = argsOf(settings);
    const threadCounts = Array.from({ length: mostThreads }, (_, i) => i + 1);
    const measured = new Map(threadCounts.map((threads) => [threads, []]));
    // In turns: what else the machine does then weighs on all.
    for (let run = 0; run < runs; run++)
      for (const threads of threadCounts) {
        const options = { job, args, threads, intervalMs, minimumEntries: entriesOf(settings), warmUpMs, windowMs };
        measured.get(threads).push(await measureAlone('steadyRate', options));
      }
    let one;
    for (const [threads, results] of measured) {
      const rates = results.map(({ perSecond }) => perSecond);
      const perSecond = median(rates);
      one ??= perSecond;
      const gained = threads === 1 ? '' : `${(perSecond / one).toFixed(2)} times 1 thread; `;
      yield row(`${threads} ${threads === 1 ? 'thread' : 'threads'}`, perSecond, 'records/s', null, gained + spreadOf(rates));
      yield point({
        kind: 'scaling.point',
        job,
        threads,
        perSecond,
        cpuMs: median(results.map(({ cpuMs }) => cpuMs)),
        runs: rates,
      });
    }
  },
}));

await benchProgram({
  bench: 'scaling',
  scenarios,
  quick: { mostThreads: availableParallelism(), keys: 2 ** 16, runs: 1, intervalMs: 300, warmUpMs: 300, windowMs: 700 },
  full: { mostThreads: availableParallelism(), keys: 2 ** 20, runs: 3, intervalMs: 1000, warmUpMs: 2000, windowMs: 4000 },
  options: { threads: { type: 'string' } },
  settle(settings, { threads }) {
    if (threads === undefined) return settings;
    const mostThreads = Number(threads);
    if (!Number.isInteger(mostThreads) || mostThreads < 1) throw new Error(`--threads takes a count, not '${threads}'.`);
    return { ...settings, mostThreads };
  },
});
