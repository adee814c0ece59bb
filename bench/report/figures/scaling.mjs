/** More threads, more throughput: how near to the ideal? */
import { groupBy, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';

export function scalingFigures(points) {
  const jobs = [
    ...groupBy(
      points.filter(({ kind }) => kind === 'scaling.point'),
      ({ job }) => job,
    ),
  ];
  if (jobs.length === 0) return [];
  const most = Math.max(...jobs.flatMap(([, own]) => own.map(({ threads }) => threads)));
  const said = jobs.map(([name, own]) => {
    const { x, y } = speedUps(own).at(-1);
    return `${name} ${readable(y, 'times')} on ${x + 1}`;
  });
  const counts = Array.from({ length: most }, (_, index) => index + 1);
  return [
    {
      kind: 'line',
      name: 'scaling',
      isMain: true,
      title: 'Throughput against the number of threads',
      finding: `Against one thread: ${said.join(', ')}.`,
      note: 'Each job against itself on the fewest threads. Median of the runs; strokes from the slowest to the fastest.',
      x: { label: 'threads', kind: 'places', names: counts.map(String) },
      y: { label: 'times the throughput of one thread', unit: 'count', kind: 'linear' },
      series: jobs.map(([name, own], slot) => ({ name, slot, points: speedUps(own) })),
      guides: [{ name: 'ideal', points: counts.map((threads, index) => ({ x: index, y: threads })) }],
    },
  ];
}

function speedUps(points) {
  const sorted = points.toSorted((a, b) => a.threads - b.threads);
  const one = sorted[0].perSecond / sorted[0].threads;
  return sorted.map(({ threads, perSecond, runs }) => {
    const { low, high } = summary(runs);
    return { x: threads - 1, y: perSecond / one, low: low === null ? null : low / one, high: high === null ? null : high / one };
  });
}
