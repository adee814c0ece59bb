/**
 * A Monte Carlo study without any input: how long until a stock of spare parts runs out, for each size of the stock?
 *
 *     npx tidemark run examples/simulate.ts [trials per stock size] [output]
 *
 * What it shows: a source that makes records from their number and a seed, a function that only computes (about a
 * millisecond a record), progress with the time left, and statistics of a key that are exact after any number of crashes:
 * a trial depends on its number alone, so a trial that is repeated has the same result.
 */
import { avg, count, files, generate, job, max, min, t } from 'tidemark';

const STOCK_SIZES = [12, 14, 16, 18, 20, 22];
const MACHINES = 400;
const DAILY_FAILURE_RATE = 0.0021;
const DELIVERY_DAYS = 14;

const Trial = t.record({ stock: t.i32, seed: t.i32 });
const Outcome = t.record({ stock: t.i32, days: t.f64 });

export default job('simulate', (flow, [trials = '2000', output = 'out/simulate']) => {
  flow
    .from(
      generate({
        count: Number(trials) * STOCK_SIZES.length,
        schema: Trial,
        make: (index, random) => ({ stock: STOCK_SIZES[index % STOCK_SIZES.length], seed: random.int(0, 2 ** 31 - 1) }),
      }),
    )
    .map(({ stock, seed }) => ({ stock, days: daysUntilShortage(stock, seed) }), { schema: Outcome })
    .name('simulate')
    .keyBy('stock')
    .aggregate({ trials: count(), shortest: min('days'), mean: avg('days'), longest: max('days') }, { emit: 'end' })
    .uid('outcomes')
    .to(files.jsonl(output));
});

/** Days until a machine fails while no part is in stock. A part that is taken is ordered again and comes two weeks later. */
function daysUntilShortage(stock: number, seed: number): number {
  const random = randomNumbers(seed);
  const deliveries = new Int32Array(DELIVERY_DAYS);
  let parts = stock;
  for (let day = 0; day < 36_500; day++) {
    parts += deliveries[day % DELIVERY_DAYS];
    let failures = 0;
    for (let machine = 0; machine < MACHINES; machine++) if (random() < DAILY_FAILURE_RATE) failures++;
    if (failures > parts) return day;
    parts -= failures;
    deliveries[day % DELIVERY_DAYS] = failures;
  }
  return 36_500;
}

/** Numbers in [0, 1) that depend only on the seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
