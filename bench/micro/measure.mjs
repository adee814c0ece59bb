/**
 * Runs the tasks of a group with tinybench. A task is
 *
 *     { task, unit, items, reference: 'cache' | 'memory', run(), before?(), after?() }
 *
 * where a call of `run` handles `items` items, some tens of microseconds at least, so that the clock does not count. `before` and
 * `after` surround all calls of a round and are not timed.
 */
import { Bench } from 'tinybench';
import { REFERENCES } from './reference.mjs';

/**
 * Task and reference take turns, `rounds` times. The ratio is the lowest of the rounds: a busy machine makes a round slower, never
 * faster. A task that `allows` does not let pass is measured again, `tries` times in all, for the same reason.
 *
 * @param allows  (task, ratio) => is it as fast as it should be?
 * @returns {Promise<{ task, unit, nsPerItem, referenceNs, ratio, rounds: { nsPerItem, referenceNs, ratio }[] }[]>}
 */
export async function measureGroup(tasks, { roundMs, rounds, tries, allows }) {
  const references = {};
  const results = [];
  for (const task of tasks) {
    const reference = REFERENCES[task.reference];
    const run = (references[task.reference] ??= reference.make());
    const measured = [];
    let best;
    for (let attempt = 0; attempt < tries && (attempt === 0 || !allows(task.task, best.ratio)); attempt++) {
      for (let round = 0; round < rounds; round++) {
        const referenceNs = (await medianMs({ run }, roundMs / 2)) * (1e6 / reference.items);
        const nsPerItem = (await medianMs(task, roundMs)) * (1e6 / task.items);
        measured.push({ nsPerItem, referenceNs, ratio: nsPerItem / referenceNs });
      }
      best = measured.reduce((least, result) => (result.ratio < least.ratio ? result : least));
    }
    results.push({ task: task.task, unit: task.unit, ...best, rounds: measured });
  }
  return results;
}

/** Median time of a call, warm-up apart. */
async function medianMs({ run, before, after }, timeMs) {
  const bench = new Bench({ time: timeMs, warmupTime: timeMs / 3, warmupIterations: 3, iterations: 5, throws: true });
  bench.add('task', () => keep(run()), { async: false, beforeAll: before, afterAll: after });
  await bench.run();
  return bench.tasks[0].result.latency.p50;
}

/** What runs return is used, so that no loop can be dropped. */
let kept = 0;
function keep(result) {
  kept = (kept + Number(result)) % 1e9;
}
