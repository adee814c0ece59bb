/**
 * How many records a second does a keyed count take, with and without checkpoints, and how does it bear more keys? Jobs of
 * two threads, beside a plain loop over a Map.
 *
 *     npm run bench throughput                        3 to 4 minutes
 *     npm run bench throughput -- --quick             small and short: shows that it runs, not how fast
 *     npm run bench throughput -- --only against-map  one scenario: series, against-map, growth; may be repeated
 *     npm run bench throughput -- --json              one JSON document on stdout; --out <file>: into a file
 *
 * "Per core" is per second of CPU time of the whole process, writing of checkpoints and main thread included. More in
 * docs/benchmarks.md.
 */
import { benchProgram } from './lib/program.mjs';
import { againstMap } from './throughput/against-map.mjs';
import { growth } from './throughput/growth.mjs';
import { series } from './throughput/series.mjs';

await benchProgram({
  bench: 'throughput',
  scenarios: [series, againstMap, growth],
  quick: {
    threads: 2,
    warmUpMs: 300,
    windowMs: 1000,
    runs: 1,
    series: { keys: 2 ** 16, intervalsMs: [null, 300], windowMs: 1500, sampleMs: 50 },
    againstMap: { keys: [2 ** 16, 2 ** 18], intervalMs: 300 },
    growth: { keys: [50_000, 500_000], intervalMs: 300 },
  },
  full: {
    threads: 2,
    warmUpMs: 2500,
    windowMs: 5000,
    runs: 3,
    series: { keys: 2 ** 20, intervalsMs: [null, 1000, 100], windowMs: 10_000, sampleMs: 50 },
    againstMap: { keys: [2 ** 20, 2 ** 23], intervalMs: 1000 },
    growth: { keys: [1_000_000, 10_000_000], intervalMs: 1000 },
  },
});
