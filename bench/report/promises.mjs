/**
 * What the project promises, in its order, and which scenarios measure it. The numbers of the targets stand in the programs, beside what
 * they are compared with; here is only where to look, so that a promise that nobody measured shows as such.
 */
import { majorOf } from './documents.mjs';

export const PROMISES = [
  { promise: 'A keyed count is cheaper than by other means', from: ['throughput/against-map', 'peers/count'] },
  { promise: 'An operation on state is as fast as on a bare table', from: ['state/operations'] },
  { promise: 'A checkpoint does not stop the work', from: ['snapshots/stall', 'engine/barrier-stall', 'peers/stall'] },
  { promise: 'An incremental checkpoint costs what changed', from: ['snapshots/grid', 'snapshots/growth'] },
  { promise: 'Frequent checkpoints leave the throughput', from: ['snapshots/frequent', 'engine/checkpoint-cost'] },
  { promise: 'State is back soon', from: ['restore/restore', 'engine/restore', 'peers/restore'] },
  { promise: 'State takes little more memory than its content', from: ['snapshots/memory', 'state/memory'] },
  { promise: 'Records pass between stages at full speed', from: ['exchange/exchange'] },
  { promise: 'Latency stays low with checkpoints', from: ['latency/latency'] },
  { promise: 'A record costs much the same with more keys', from: ['throughput/growth'] },
  {
    promise: 'Jobs are faster than plain programs',
    from: ['engine/count-numbers', 'engine/count-strings', 'engine/count-in-process', 'engine/word-count', 'engine/cpu-heavy'],
  },
  { promise: 'A job starts at once', from: ['startup/startup', 'engine/startup'] },
];

/** Its targets are what was stored of it earlier: they have a figure of their own. */
const OF_ITSELF = 'micro';

/**
 * @param runs  those that are shown
 * @returns     [{ promise, targets, missing }]: `targets` are [{ bench, scenario, measure, target, unit, values: [{ major, quick, row }] }], one value for
 *              each version of Node at most; `missing` are the 'program/scenario' of which no row has a target. Rows of other programs
 *              are under the promise ''
 */
export function promisesOf(runs) {
  const judged = runs.filter(({ document }) => document.bench !== OF_ITSELF);
  const targets = targetsOf(judged);
  const placeOf = ({ bench, scenario }) => `${bench}/${scenario}`;
  const known = PROMISES.map(({ promise, from }) => {
    const own = targets.filter((target) => from.includes(placeOf(target)));
    return { promise, targets: own, missing: from.filter((place) => !own.some((target) => placeOf(target) === place)) };
  });
  const others = targets.filter((target) => !PROMISES.some(({ from }) => from.includes(placeOf(target))));
  return others.length === 0 ? known : [...known, { promise: '', targets: others, missing: [] }];
}

function targetsOf(runs) {
  const targets = new Map();
  for (const { document, name: scenario, rows } of runs) {
    const { bench, quick } = document;
    const major = majorOf(document);
    for (const row of rows.filter(({ target }) => target !== null && target !== undefined)) {
      const { measure, target, unit } = row;
      // A measure that one version has twice, with two sizes of state, has two lines.
      for (let occurrence = 0; ; occurrence++) {
        const key = JSON.stringify([bench, scenario, measure, target, occurrence]);
        const found = targets.get(key) ?? { bench, scenario, measure, target, unit, values: [] };
        if (found.values.some((value) => value.major === major)) continue;
        found.values.push({ major, quick, row });
        targets.set(key, found);
        break;
      }
    }
  }
  return [...targets.values()];
}
