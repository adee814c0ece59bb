/** Operations on state, and the memory that it takes. */
import { ascending, groupBy, spreadOf } from '../statistics.mjs';
import { readable } from '../units.mjs';
import { barAxis, rateOf } from './runs.mjs';

const MODES = ['batched', 'one', 'baseline'];
const MODE_NAMES = { batched: 'in batches', one: 'one at a time', baseline: 'bare table' };
/** What a target allows an entry besides its key and its value, and the target. */
const ENTRY_BYTES = 16;
const MEMORY_AIM = 1.6;

export function stateFigures(points) {
  const bySize = groupBy(
    points.filter(({ kind }) => kind === 'state.operation'),
    ({ entries }) => entries,
  );
  return [...bySize]
    .toSorted(([a], [b]) => ascending(a, b))
    .map(([entries, own], index) => ({
      kind: 'bar',
      name: index === 0 ? 'state' : `state-${entries}`,
      isMain: index === 0,
      title: `Operations on state of ${entries.toLocaleString('en-US')} entries`,
      finding: againstTable(own),
      note: 'Median of the runs; strokes from the slowest to the fastest.',
      x: barAxis('operations per second', own),
      bars: own
        .toSorted((a, b) => a.operation.localeCompare(b.operation) || MODES.indexOf(a.mode) - MODES.indexOf(b.mode))
        .map(({ operation, mode, perSecond, runs }) => ({
          name: `${operation}, ${MODE_NAMES[mode] ?? mode}`,
          value: perSecond,
          ...spreadOf(runs.map(rateOf)),
          slot: mode === 'baseline' ? null : Math.max(0, MODES.indexOf(mode)),
        })),
    }));
}

/** Each operation as a share of the bare table's speed. */
function againstTable(points) {
  const said = [...groupBy(points, ({ operation }) => operation)].flatMap(([operation, own]) => {
    const table = own.find(({ mode }) => mode === 'baseline');
    const modes = MODES.flatMap((mode) => own.filter((point) => point.mode === mode && point !== table));
    if (table === undefined || modes.length === 0) return [];
    return [
      `${operation} ${modes.map(({ perSecond, mode }) => `${readable(perSecond / table.perSecond, 'share')} ${MODE_NAMES[mode] ?? mode}`).join(', ')}`,
    ];
  });
  return said.length === 0 ? null : `Against the bare table: ${said.join('; ')}.`;
}

/** Most memory of an entry under random updates, against what it holds. */
export function stateMemoryFigures(points) {
  const shapes = points.filter(({ kind }) => kind === 'state.memory');
  if (shapes.length === 0) return [];
  const ratioOf = ({ peakBytes, entries, keyBytes, valueBytes }) => peakBytes / entries / (keyBytes + valueBytes + ENTRY_BYTES);
  const ratios = shapes.map(ratioOf);
  return [
    {
      kind: 'bar',
      name: 'state-memory',
      isMain: true,
      title: 'Memory of an entry under random updates',
      finding: `From ${readable(Math.min(...ratios), 'times')} to ${readable(Math.max(...ratios), 'times')} (key + value + ${ENTRY_BYTES} bytes); ${ratios.filter((ratio) => ratio <= MEMORY_AIM).length} of ${ratios.length} shapes are within ${MEMORY_AIM}.`,
      note: 'The most bytes in use in the second half of the updates, 5 % of the keys between two checkpoints.',
      x: { label: `times (key + value + ${ENTRY_BYTES} bytes)`, unit: '', kind: 'linear' },
      bars: shapes.map((shape) => ({
        name: `keys of ${readable(shape.keyBytes, 'bytes')}, values of ${readable(shape.valueBytes, 'bytes')}`,
        slot: 0,
        value: ratioOf(shape),
      })),
      reference: { name: 'target', value: MEMORY_AIM },
    },
  ];
}
