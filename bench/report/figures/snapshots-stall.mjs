/** How long a subtask stands still at a barrier, against the size of the state. */
import { quantile } from '../statistics.mjs';
import { readable } from '../units.mjs';
import { overSize } from './over-size.mjs';
import { MODES, present, QUIET, sizesOf } from './snapshots-grid.mjs';

const QUANTILES = [
  ['p50', 0.5],
  ['p99', 0.99],
  ['longest', 1],
];
const AIM_MS = 1;

/**
 * Of all checkpoints of a size, whatever changed: the synchronous part should depend on neither.
 *
 * @param grid    points of the grid
 * @param stalls  points of the scenario that measures nothing else, all incremental
 */
export function stallOverSize(grid, stalls) {
  const all = [...grid, ...stalls.map((point) => ({ ...point, mode: 'incremental' }))];
  if (all.length === 0) return null;
  const sizes = sizesOf(all);
  const at = (mode, size) => all.filter((point) => point.mode === mode && point.stateBytes === size).flatMap((p) => p.stallMs);
  const series = present(all).flatMap((mode) =>
    QUANTILES.map(([name, share], index) => ({
      name: `${mode}, ${name}`,
      slot: MODES.indexOf(mode),
      dash: index,
      shape: index,
      points: sizes.map((size) => ({ x: size, y: quantile(at(mode, size), share) })).filter(({ y }) => y !== null),
    })),
  );
  return {
    name: 'snapshots-stall',
    isMain: true,
    title: 'How long a checkpoint stops a subtask',
    finding: sentence(series.find(({ name }) => name === 'incremental, p99')),
    note: 'The synchronous part of the checkpoints under updates at full speed, the longest of its subtasks; over all shares changed, sizes of values and distributions.',
    ...overSize({
      y: { label: 'synchronous part, log', unit: 'ms', kind: 'log' },
      series,
      legend: [
        ...present(all).map((mode) => ({ name: mode, slot: MODES.indexOf(mode), kind: 'area' })),
        ...QUANTILES.map(([name], index) => ({ name, slot: QUIET, dash: index, shape: index })),
      ],
      guides: [{ name: 'target for p99', value: AIM_MS }],
    }),
  };
}

function sentence(p99) {
  if (p99 === undefined || p99.points.length === 0) return null;
  const [first, last] = [p99.points[0], p99.points.at(-1)];
  const said = ({ x, y }) => `${readable(y, 'ms')} with ${readable(x, 'bytes')}`;
  const where = last.y <= AIM_MS ? 'within' : 'above';
  const target = `${where} the target of ${readable(AIM_MS, 'ms')}`;
  if (first === last) return `p99 of incremental checkpoints: ${said(last)}, ${target}.`;
  return `p99 of incremental checkpoints: ${said(first)}, ${said(last)}, ${target}: ${readable(last.x / first.x, 'times')} the state, ${readable(last.y / first.y, 'times')} the stop.`;
}
