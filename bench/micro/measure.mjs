/**
 * Measures one task with tinybench. A group of tasks is `{ name, question, tasks }`, and a task
 *
 *     { task, unit, items, reference: 'cache' | 'memory', make() }
 *
 * where `make` returns a function, or `{ run, before, after }`. A call of it handles `items` items, some tens of microseconds at
 * least, so that the clock does not count. `before` and `after` surround all calls of a round and are not timed.
 *
 * Each task is measured in a process of its own: loops that several tasks share would be compiled for all of them.
 */
import { Bench } from 'tinybench';
import { callAlone } from '../lib/isolated.mjs';
import { bestOf } from './best-of.mjs';
import { REFERENCES } from './reference.mjs';

/** @returns {Promise<{ nsPerItem, referenceNs, ratio, rounds }>} of the round with the lowest ratio; all rounds in `rounds` */
export function measureTask(group, task, { warmUpMs, roundMs, rounds, tries, allows }) {
  const once = () => callAlone(import.meta.url, 'measureRounds', { group, task, warmUpMs, roundMs, rounds });
  return bestOf(once, { tries, allows });
}

/** Called in a process of its own. Task and reference take turns. @returns {{ nsPerItem, referenceNs, ratio }[]} */
export async function measureRounds({ group, task: name, warmUpMs, roundMs, rounds }) {
  const module = await import(`./${group}.mjs`);
  const found = module[group].tasks.find(({ task }) => task === name);
  const made = found.make();
  const timed = typeof made === 'function' ? { run: made } : made;
  const reference = REFERENCES[found.reference];
  const referenceRun = reference.make();
  const measured = [];
  // What is compiled in the background is ready then.
  await medianMs(timed, warmUpMs);
  for (let round = 0; round < rounds; round++) {
    const referenceNs = (await medianMs({ run: referenceRun }, roundMs / 2)) * (1e6 / reference.items);
    const nsPerItem = (await medianMs(timed, roundMs)) * (1e6 / found.items);
    measured.push({ nsPerItem, referenceNs, ratio: nsPerItem / referenceNs });
  }
  return measured;
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
