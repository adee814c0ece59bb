/** Keyed count by numbers, by strings, and through a user function, each against a Map in one thread. */
import { baselineAlone, measureAlone } from '../lib/isolated.mjs';
import { median, row } from '../lib/report.mjs';
import { FILLED } from '../engine/settings.mjs';

export const countNumbers = {
  name: 'count-numbers',
  question: 'How fast is a keyed count of generated numbers, checkpointed every second?',
  async *rows(settings) {
    yield row(
      'generated numbers alone, 1 thread, no job',
      (await baselineAlone('generateNumbers', settings)).perSecond,
      'records/s',
    );
    const plain = await baselineAlone('countNumbers', settings);
    yield row('Map<number, number>, 1 thread, no durability', plain.perSecond, 'records/s');
    // In turns: what comes and goes on the machine in between is the same for both.
    const ones = [];
    const twos = [];
    for (let pair = 0; pair < settings.countPairs; pair++) {
      ones.push(await throughput(settings, 'count-numbers', [settings.keys], 1));
      twos.push(await throughput(settings, 'count-numbers', [settings.keys], 2));
    }
    const [one, two] = [ones, twos].map((runs) => median(runs.map(({ perSecond }) => perSecond)));
    yield row('1 thread', one, 'records/s', null, checkpointsOf(ones[0]));
    yield row('2 threads', two, 'records/s', null, checkpointsOf(twos[0]));
    yield row('2 threads against the Map', two / plain.perSecond, 'times', { atLeast: 3 });
    const ratios = twos.map(({ perSecond }, i) => perSecond / ones[i].perSecond);
    const each = `pairs: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`;
    yield row('2 threads against 1 thread', median(ratios), 'times', { atLeast: 1.8 }, each);
  },
};

export const countStrings = {
  name: 'count-strings',
  question: 'How fast is a keyed count of generated strings, checkpointed every second?',
  async *rows(settings) {
    yield row(
      'generated strings alone, 1 thread, no job',
      (await baselineAlone('generateStrings', settings)).perSecond,
      'records/s',
    );
    const plain = await baselineAlone('countStrings', settings);
    yield row('Map<string, number>, 1 thread, no durability', plain.perSecond, 'records/s');
    const two = await throughput(settings, 'count-strings', [settings.keys], 2);
    yield row('2 threads', two.perSecond, 'records/s', null, checkpointsOf(two));
    yield row('2 threads against the Map', two.perSecond / plain.perSecond, 'times', { atLeast: 3 });
  },
};

export const countInProcess = {
  name: 'count-in-process',
  question: 'How fast is a keyed count by a user function with state, on plain objects and on reused ones?',
  async *rows(settings) {
    const plain = await baselineAlone('countNumbers', settings);
    yield row('Map<number, number>, 1 thread, no durability', plain.perSecond, 'records/s');
    const objects = await throughput(settings, 'count-in-process', [settings.keys, 'objects'], 2);
    yield row('plain objects, 2 threads', objects.perSecond, 'records/s', null, checkpointsOf(objects));
    const reuse = await throughput(settings, 'count-in-process', [settings.keys, 'reuse'], 2);
    yield row('objectReuse, 2 threads', reuse.perSecond, 'records/s', null, checkpointsOf(reuse));
    yield row('plain objects against the Map', objects.perSecond / plain.perSecond, 'times', { atLeast: 1 });
    yield row('objectReuse against the Map', reuse.perSecond / plain.perSecond, 'times', { atLeast: 2 });
  },
};

function throughput({ keys, warmUpMs, windowMs, intervalMs }, job, args, threads) {
  return measureAlone('steadyRate', { job, args, threads, intervalMs, minimumEntries: FILLED * keys, warmUpMs, windowMs });
}

function checkpointsOf({ checkpoints }) {
  const bytes = checkpoints.reduce((sum, { newBytes }) => sum + newBytes, 0);
  return `${checkpoints.length} checkpoints of ${Math.round(bytes / 1e6 / Math.max(1, checkpoints.length))} MB`;
}
