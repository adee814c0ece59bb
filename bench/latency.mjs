/**
 * How long does a record take from when it was due at the source to the sink? At shares of the highest rate that the job takes on this
 * machine, with a checkpoint every second and without.
 *
 *     npm run bench latency                   2 minutes
 *     npm run bench latency -- --rate 200000  at this rate instead, in records per second
 *     npm run bench latency -- --quick        short: shows that it runs, not how fast
 *     npm run bench latency -- --json         one JSON document on stdout; --out <file>: into a file
 *
 * The load is open: records are due at times that do not depend on how the job keeps up, and what a record waited before the source
 * got to it counts. More in docs/benchmarks.md.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LatencyHistogram } from './lib/histogram.mjs';
import { measureAlone } from './lib/isolated.mjs';
import { benchProgram, point } from './lib/program.mjs';
import { median, row } from './lib/report.mjs';

/** The share of the highest rate at which there are targets. */
const AIMED_SHARE = 0.5;
const AIMS_MS = { p99: 10, p999: 25 };
const QUANTILES = { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999, p9999: 0.9999 };

const latency = {
  name: 'latency',
  question: 'How long does a record take through an exchange, a keyed count and a sink?',
  async *rows(settings) {
    const { shares, intervalMs } = settings;
    let highest = settings.ratePerSecond;
    if (highest === null) {
      const rates = await highestRates(settings);
      highest = median(rates);
      yield row('highest rate, with checkpoints', highest, 'records/s', null, `median of ${rates.length}`);
    }
    for (const share of settings.ratePerSecond === null ? shares : [1]) {
      const ratePerSecond = Math.round(highest * share);
      for (const interval of [null, intervalMs]) {
        const histogram = await latenciesAt(ratePerSecond, interval, settings);
        const quantilesMs = quantilesOf(histogram);
        const load = settings.ratePerSecond === null ? `${share * 100} % of the highest rate` : `${named(ratePerSecond)}/s`;
        const name = `${load}, ${interval === null ? 'no checkpoints' : `a checkpoint every ${interval} ms`}`;
        const aimed = share === AIMED_SHARE && interval !== null;
        for (const [quantile, ms] of Object.entries(quantilesMs))
          yield row(
            `${name}: ${quantile}`,
            ms,
            'ms',
            aimed && quantile in AIMS_MS ? { atMost: AIMS_MS[quantile] } : null,
            `${named(ratePerSecond)}/s`,
          );
        yield point({
          kind: 'latency.point',
          rate: ratePerSecond,
          share: settings.ratePerSecond === null ? share : null,
          intervalMs: interval,
          quantilesMs,
          samples: histogram.count,
          buckets: histogram.buckets(),
        });
      }
    }
  },
};

/** Of the same job without a timetable. */
async function highestRates({ threads, keys, intervalMs, warmUpMs, probes, probeMs }) {
  const args = ['Infinity', 'Infinity', keys, 0];
  const rates = [];
  for (let i = 0; i < probes; i++) {
    const options = { job: 'latency', args, threads, intervalMs, minimumEntries: keys * 0.9, warmUpMs, windowMs: probeMs };
    rates.push((await measureAlone('steadyRate', options)).perSecond);
  }
  return rates;
}

async function latenciesAt(ratePerSecond, intervalMs, { threads, keys, warmUpMs, windowMs }) {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-latency-'));
  try {
    const args = [ratePerSecond, (warmUpMs + windowMs) / 1000, keys, warmUpMs, directory];
    await measureAlone('timeToEnd', { job: 'latency', args, threads, intervalMs });
    const histogram = new LatencyHistogram();
    for (const file of readdirSync(directory)) histogram.add(JSON.parse(readFileSync(join(directory, file), 'utf8')));
    if (histogram.count === 0) throw new Error('no record was timed');
    return histogram;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function quantilesOf(histogram) {
  const quantiles = Object.entries(QUANTILES).map(([name, share]) => [name, histogram.quantileMs(share)]);
  return { ...Object.fromEntries(quantiles), max: histogram.maxMs };
}

function named(ratePerSecond) {
  return ratePerSecond >= 1e6 ? `${(ratePerSecond / 1e6).toFixed(2)} M` : `${Math.round(ratePerSecond / 1e3)} k`;
}

await benchProgram({
  bench: 'latency',
  scenarios: [latency],
  quick: { threads: 2, keys: 2 ** 14, shares: [0.5], intervalMs: 300, warmUpMs: 300, windowMs: 1000, probes: 1, probeMs: 700 },
  full: {
    threads: 2,
    keys: 2 ** 20,
    shares: [0.1, 0.5, 0.8],
    intervalMs: 1000,
    warmUpMs: 3000,
    windowMs: 12_000,
    probes: 3,
    probeMs: 4000,
  },
  options: { rate: { type: 'string' } },
  settle(settings, { rate }) {
    if (rate === undefined) return { ...settings, ratePerSecond: null };
    const ratePerSecond = Number(rate);
    if (!(ratePerSecond > 0 && ratePerSecond < Infinity)) throw new Error(`--rate takes records per second, not '${rate}'.`);
    return { ...settings, ratePerSecond };
  },
});
