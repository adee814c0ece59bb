/** Parts of the engine by themselves, against what was stored of them. */
import { groupBy, spreadOf } from '../statistics.mjs';
import { readable } from '../units.mjs';

/** From here on `bench micro` calls a part slower (`TOLERANCE` in bench/micro.mjs), unless told otherwise. */
const SLOWER = 1.35;

export function microFigures(points) {
  const known = points.filter(({ kind, ratio }) => kind === 'micro.task' && Number.isFinite(ratio));
  return [...groupBy(known, ({ group }) => group)].map(([group, own]) => {
    const stored = own.filter(({ storedRatio }) => storedRatio > 0);
    return stored.length === own.length ? againstStored(group, stored) : againstReference(group, own);
  });
}

function againstStored(group, tasks) {
  const changes = tasks.map((task) => ({ ...task, change: task.ratio / task.storedRatio }));
  const slower = changes.filter(({ change }) => change > SLOWER);
  const slowest = changes.reduce((most, next) => (next.change > most.change ? next : most));
  return {
    kind: 'bar',
    name: `micro-${group}`,
    isMain: false,
    title: `Time of ${group} against what is stored`,
    finding: `${tasks.length - slower.length} of ${tasks.length} are within ${readable(SLOWER, 'times')} of what is stored; the farthest is “${slowest.task}” with ${readable(slowest.change, 'times')}.`,
    note: 'Both as ratios to a loop of plain JavaScript in the same process, so that the speed of the machine cancels out. The best round; strokes to the slowest.',
    x: { label: 'times what is stored', unit: '', kind: 'linear' },
    bars: changes.map(({ task, unit, nsPerItem, storedRatio, rounds, change }) => ({
      name: task,
      slot: change > SLOWER ? 1 : 0,
      value: change,
      detail: `${readable(nsPerItem, `ns/${unit}`)}`,
      ...spreadOf(rounds.map(({ ratio }) => ratio / storedRatio)),
    })),
    legend: [
      { name: 'within', slot: 0, kind: 'area' },
      ...(slower.length > 0 ? [{ name: 'slower', slot: 1, kind: 'area' }] : []),
    ],
    reference: { name: `${readable(SLOWER, 'times')}`, value: SLOWER },
  };
}

/** Where nothing is stored yet for this version of Node. */
function againstReference(group, tasks) {
  return {
    kind: 'bar',
    name: `micro-${group}`,
    isMain: false,
    title: `Time of ${group} against a plain loop`,
    finding: `Of this version of Node ${tasks.filter(({ storedRatio }) => !(storedRatio > 0)).length} of ${tasks.length} have no stored figure to be compared with.`,
    note: 'Ratios to a loop of plain JavaScript in the same process. The best round; strokes to the slowest.',
    x: { label: 'times the loop, log', unit: '', kind: 'log' },
    bars: tasks.map(({ task, unit, nsPerItem, ratio, rounds }) => ({
      name: task,
      slot: 0,
      value: ratio,
      detail: `${readable(nsPerItem, `ns/${unit}`)}`,
      ...spreadOf(rounds.map((round) => round.ratio)),
    })),
  };
}
