/** Full against incremental checkpoints: what each writes, how long each takes, how long each holds the job up. */
import { ascending, distinct, groupBy, quantile, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';

const MODES = ['incremental', 'full'];
/** Colour of what a legend shows by dashes and shape alone. */
const QUIET = 5;
const SHARE = { label: 'keys changed between two checkpoints, log', unit: 'share', kind: 'log' };
const SIZE = { label: 'size of the state, log', unit: 'bytes', kind: 'log' };

/** @param points  all points of a document */
export function snapshotFigures(points) {
  const grid = points.filter(({ kind }) => kind === 'snapshots.grid');
  if (grid.length === 0) return [];
  const panels = [
    ...groupBy(grid, ({ distribution, valueBytes }) => JSON.stringify([distribution, valueBytes])).values(),
  ].toSorted(([a], [b]) => a.distribution.localeCompare(b.distribution) || a.valueBytes - b.valueBytes);
  const [main, ...others] = panels;
  return [
    ...overShare(main, true),
    restore(main),
    stall(grid),
    crossover(points.filter(({ kind }) => kind === 'snapshots.crossover')),
    ...others.flatMap((panel) => overShare(panel, false)),
  ].filter((figure) => figure !== null);
}

/** Three figures of one distribution and one size of values. */
function overShare(panel, isMain) {
  const { distribution, valueBytes } = panel[0];
  const under = `Keys ${distribution}, values of ${valueBytes} bytes`;
  const figure = (name, title, note, y, valueOf) => ({
    kind: 'line',
    name: isMain ? name : `${name}-${distribution}-${valueBytes}`,
    isMain,
    group: isMain ? '' : under,
    title,
    note: `${under}. ${note}`,
    x: SHARE,
    y,
    series: seriesOf(panel, valueOf),
    legend: [
      ...sizesOf(panel).map((size, slot) => ({ name: readable(size, 'bytes'), slot, kind: 'mark' })),
      ...present(panel).map((mode) => ({ name: mode, slot: QUIET, dash: MODES.indexOf(mode), shape: null })),
    ],
  });
  return [
    figure(
      'snapshots-bytes',
      'Bytes that a checkpoint writes',
      'Median of the checkpoints; strokes from the least to the most.',
      { label: 'new bytes, log', unit: 'bytes', kind: 'log' },
      ({ checkpoints }) => summary(checkpoints.map(({ newBytes }) => newBytes)),
    ),
    figure(
      'snapshots-time',
      'Time until a checkpoint is durable',
      'Median of the checkpoints; strokes from the shortest to the longest.',
      { label: 'from trigger to published manifest, log', unit: 'ms', kind: 'log' },
      ({ checkpoints }) => summary(checkpoints.map(({ durableMs }) => durableMs)),
    ),
    figure(
      'snapshots-throughput',
      'Throughput that is kept while checkpoints are taken',
      '100 % is the same job without checkpoints.',
      { label: 'of the throughput without checkpoints', unit: 'share', kind: 'linear' },
      ({ throughputKept }) => ({ value: throughputKept }),
    ),
  ];
}

/** Of all checkpoints of a size, whatever changed: the synchronous part should depend on neither. */
function stall(grid) {
  const quantiles = [
    ['p50', 0.5],
    ['p99', 0.99],
    ['longest', 1],
  ];
  const series = present(grid).flatMap((mode) =>
    quantiles.map(([name, share], index) => ({
      name: `${mode}, ${name}`,
      slot: MODES.indexOf(mode),
      dash: index,
      shape: index,
      points: sizesOf(grid).map((size) => ({
        x: size,
        y: quantile(
          grid.filter((point) => point.mode === mode && point.stateBytes === size).flatMap(({ stallMs }) => stallMs),
          share,
        ),
      })),
    })),
  );
  const sizes = sizesOf(grid);
  return {
    kind: 'line',
    name: 'snapshots-stall',
    isMain: true,
    title: 'How long a checkpoint stops a subtask',
    note: `The synchronous part of every checkpoint of the grid, over all shares changed${distinct(grid, ({ distribution }) => distribution).length > 1 ? ' and distributions' : ''}.`,
    x: SIZE,
    y: { label: 'synchronous part, log', unit: 'ms', kind: 'log' },
    series,
    legend: [
      ...present(grid).map((mode) => ({ name: mode, slot: MODES.indexOf(mode), kind: 'area' })),
      ...quantiles.map(([name], index) => ({ name, slot: QUIET, dash: index, shape: index })),
    ],
    guides: [{ name: 'target for p99', points: [sizes[0], sizes.at(-1)].map((x) => ({ x, y: 1 })) }],
  };
}

function restore(panel) {
  const { distribution, valueBytes } = panel[0];
  return {
    kind: 'line',
    name: 'snapshots-restore',
    isMain: true,
    title: 'Time to restore after such checkpoints',
    note: `Keys ${distribution}, values of ${valueBytes} bytes. Median over the shares changed; strokes from the shortest to the longest.`,
    x: SIZE,
    y: { label: 'restore, log', unit: 'ms', kind: 'log' },
    series: present(panel).map((mode) => ({
      name: mode,
      slot: MODES.indexOf(mode),
      points: sizesOf(panel).map((size) =>
        pointAt(
          size,
          summary(panel.filter((point) => point.mode === mode && point.stateBytes === size).map(({ restoreMs }) => restoreMs)),
        ),
      ),
    })),
  };
}

/** From which share changed a full checkpoint is cheaper: a table, since `never` has no place on an axis. */
function crossover(points) {
  if (points.length === 0) return null;
  return {
    kind: 'table',
    name: 'snapshots-crossover',
    title: 'Where a full checkpoint becomes cheaper',
    note: 'Share of keys changed between two checkpoints; “never” where the incremental one is cheaper over the whole grid.',
    table: {
      head: ['State', 'Value', 'Keys', 'Cheaper by time from', 'Cheaper by bytes from'],
      rows: points.map(({ stateBytes, valueBytes, distribution, byTime, byBytes }) => [
        readable(stateBytes, 'bytes'),
        readable(valueBytes, 'bytes'),
        distribution,
        shareOrNever(byTime),
        shareOrNever(byBytes),
      ]),
    },
  };
}

/** Colour and shape of a line are its size of state, its dashes are its mode. */
function seriesOf(panel, valueOf) {
  const sizes = sizesOf(panel);
  return present(panel).flatMap((mode) =>
    sizes.map((size, index) => ({
      name: `${mode}, ${readable(size, 'bytes')}`,
      slot: index,
      shape: index,
      dash: MODES.indexOf(mode),
      points: panel
        .filter((point) => point.mode === mode && point.stateBytes === size)
        .toSorted((a, b) => a.changedShare - b.changedShare)
        .map((point) => pointAt(point.changedShare, valueOf(point))),
    })),
  );
}

function pointAt(x, { value, low = null, high = null }) {
  return { x, y: value, low, high };
}

function present(grid) {
  return MODES.filter((mode) => grid.some((point) => point.mode === mode));
}

function sizesOf(grid) {
  return distinct(grid, ({ stateBytes }) => stateBytes).toSorted(ascending);
}

function shareOrNever(value) {
  return typeof value === 'number' ? readable(value, 'share') : 'never';
}
