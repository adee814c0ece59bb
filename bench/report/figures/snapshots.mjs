/** Full against incremental checkpoints: what each writes, how long each takes, how long each holds the job up. */
import { distinct, groupBy, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';
import { overSize } from './over-size.mjs';
import { MODES, overShare, pointAt, present, sizesOf } from './snapshots-grid.mjs';
import { frequent, growth, memory } from './snapshots-series.mjs';
import { stallOverSize } from './snapshots-stall.mjs';

/** @param points  all points of a program */
export function snapshotFigures(points) {
  const of = (kind) => points.filter((point) => point.kind === kind);
  const grid = of('snapshots.grid');
  const crossovers = of('snapshots.crossover');
  // Values of 100 bytes lie between those that are all overhead and those that are none.
  const oddness = ({ distribution, valueBytes }) => [distribution, Math.abs(Math.log(valueBytes / 100))];
  const panels = [...groupBy(grid, keyOf).values()].toSorted(([a], [b]) => {
    const [[distributionA, oddA], [distributionB, oddB]] = [oddness(a), oddness(b)];
    return distributionA.localeCompare(distributionB) || oddA - oddB;
  });
  const figuresOf = (panel, isMain) =>
    overShare(
      panel,
      crossovers.filter((point) => keyOf(point) === keyOf(panel[0])),
      isMain,
    );
  const [main, ...others] = panels;
  return [
    ...(main === undefined ? [] : figuresOf(main, true)),
    stallOverSize(grid, of('snapshots.stall')),
    growth(of('snapshots.growth')),
    frequent(of('snapshots.frequent')),
    ...memory(of('snapshots.memory')),
    main === undefined ? null : restore(main),
    crossover(crossovers),
    ...others.flatMap((panel) => figuresOf(panel, false)),
  ].filter((figure) => figure !== null);
}

function keyOf({ distribution, valueBytes }) {
  return JSON.stringify([distribution, valueBytes]);
}

function restore(panel) {
  const { distribution, valueBytes } = panel[0];
  const series = present(panel).map((mode) => ({
    name: mode,
    slot: MODES.indexOf(mode),
    points: sizesOf(panel).map((size) =>
      pointAt(
        size,
        summary(panel.filter((point) => point.mode === mode && point.stateBytes === size).map(({ restoreMs }) => restoreMs)),
      ),
    ),
  }));
  const last = series.map(({ name, points }) => ({ name, ...points.at(-1) })).filter(({ y }) => Number.isFinite(y));
  return {
    name: 'snapshots-restore',
    isMain: true,
    title: 'Time to restore after such checkpoints',
    finding:
      last.length === 0
        ? null
        : `${readable(last[0].x, 'bytes')} are back after ${last.map(({ name, y }) => `${readable(y, 'ms')} from ${name} checkpoints`).join(', after ')}.`,
    note: `Keys ${distribution}, values of ${valueBytes} bytes, 2 threads and their start. Median over the shares changed; strokes from the shortest to the longest.`,
    ...overSize({ y: { label: 'restore, log', unit: 'ms', kind: 'log' }, series }),
  };
}

/** From which share changed a full checkpoint is cheaper: a table, since `never` has no place on an axis. */
function crossover(points) {
  if (points.length === 0) return null;
  const known = points.map(({ byTime }) => byTime).filter((share) => Number.isFinite(share));
  const [least, most] = [Math.min(...known), Math.max(...known)].map((share) => readable(Math.min(share, 1), 'share'));
  const isSame = distinct(known, (share) => share).length === 1;
  return {
    kind: 'table',
    name: 'snapshots-crossover',
    title: 'Where a full checkpoint becomes cheaper',
    finding: known.length === 0 ? null : `By time from ${isSame ? least : `${least} to ${most}`} of the keys on.`,
    note: 'Where the line through the shares below 50 % meets the cost of a full one, merging included in the bytes. From 50 % on the runtime itself writes all.',
    table: {
      head: ['State', 'Value', 'Keys', 'By time', 'By bytes'],
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

/** Above 1 the line meets it where more than all keys would have to change. */
function shareOrNever(value) {
  if (!Number.isFinite(value)) return 'not known';
  return value > 1 ? 'never' : readable(value, 'share');
}
