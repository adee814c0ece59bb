/** What is measured over sizes of state: lines, or bars where there is one size, since one size is no line. */
import { ascending, distinct } from '../statistics.mjs';
import { readable } from '../units.mjs';

const SIZE = { label: 'size of the state, log', unit: 'bytes', kind: 'log' };

/**
 * @param y       { label, unit, kind }, of which the bars take the same
 * @param series  [{ name, slot, points: [{ x: bytes, y, low, high }] }]
 * @returns       the part of a figure that depends on the number of sizes
 */
export function overSize({ y, series, legend, guides = [] }) {
  const sizes = distinct(
    series.flatMap(({ points }) => points),
    ({ x }) => x,
  ).toSorted(ascending);
  if (sizes.length > 1) {
    const ends = [sizes[0], sizes.at(-1)];
    return {
      kind: 'line',
      x: SIZE,
      y,
      series,
      legend,
      guides: guides.map(({ name, value }) => ({ name, points: ends.map((x) => ({ x, y: value })) })),
    };
  }
  return {
    kind: 'bar',
    x: y,
    bars: series.flatMap(({ name, slot, points }) =>
      points.map(({ x, y: value, low, high }) => ({ name: `${readable(x, 'bytes')}, ${name}`, slot, value, low, high })),
    ),
    reference: guides.length === 0 ? null : guides[0],
  };
}
