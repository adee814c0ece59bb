/** Single parts of the engine: operations on state, the exchange, restore, start. */
import { ascending, distinct, groupBy, spreadOf, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';

const MODES = ['batched', 'one', 'baseline'];
const MODE_NAMES = { batched: 'in batches', one: 'one at a time', baseline: 'bare table' };
/** Above this ratio a linear axis would leave the shorter bars without a length. */
const LINEAR_UP_TO = 40;

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

export function exchangeFigures(points) {
  const runs = points.filter(({ kind }) => kind === 'exchange.point' || kind === 'exchange.generator');
  return [...groupBy(runs, ({ threads }) => threads)].map(([threads, own], index) => ({
    kind: 'bar',
    name: index === 0 ? 'exchange' : `exchange-${threads}`,
    isMain: true,
    title: `Records sent to the next stage, per core, on ${threadsText(threads)}`,
    note: 'Records for each second of processor time of the whole process, the making of the records included; grey: making them alone. Median of the runs; strokes from the slowest to the fastest.',
    x: barAxis('records per second and core', own, ({ perSecondPerCore }) => perSecondPerCore),
    bars: own
      .toSorted((a, b) => a.recordBytes - b.recordBytes)
      .map((point) => ({
        name: `${readable(point.recordBytes, 'bytes')}, ${exchangeName(point)}`,
        value: point.perSecondPerCore,
        ...spreadOf(point.runs.map((run) => perCoreOf(run, point))),
        slot: point.kind === 'exchange.generator' ? null : 0,
      })),
  }));
}

export function restoreFigures(points) {
  const runs = points.filter(({ kind }) => kind === 'restore.point');
  if (runs.length === 0) return [];
  const series = distinct(runs, ({ threads }) => threads)
    .toSorted(ascending)
    .map((threads, slot) => ({
      name: threadsText(threads),
      slot,
      points: runs
        .filter((run) => run.threads === threads)
        .map((run) => ({ x: run.bytes, y: run.durationMs, ...spreadOf(run.runs) }))
        .toSorted((a, b) => a.x - b.x),
    }));
  const common = {
    name: 'restore',
    isMain: true,
    title: 'Time to restore',
    note: 'From the files until the last subtask has its state. Median of the runs; strokes from the shortest to the longest.',
  };
  // One size is no line.
  if (distinct(runs, ({ entries }) => entries).length > 1) {
    const [x, y] = [
      { label: 'size of the checkpoint, log', unit: 'bytes', kind: 'log' },
      { label: 'restore, log', unit: 'ms', kind: 'log' },
    ];
    return [{ ...common, kind: 'line', x, y, series }];
  }
  const bars = runs.map(({ threads, entries, bytes, durationMs, runs: each }) => ({
    name: `${readable(entries, 'count')} entries, ${readable(bytes, 'bytes')}, ${threadsText(threads)}`,
    value: durationMs,
    ...spreadOf(each),
    slot: 0,
  }));
  return [{ ...common, kind: 'bar', x: { label: 'restore', unit: 'ms', kind: 'linear' }, bars }];
}

export function startupFigures(points) {
  const starts = points.filter(({ kind }) => kind === 'startup.point');
  if (starts.length === 0) return [];
  return [
    {
      kind: 'bar',
      name: 'startup',
      isMain: true,
      title: 'From the command to the first record at the sink',
      note: 'Median of the starts; strokes from the shortest to the longest.',
      x: { label: 'time', unit: 'ms', kind: 'linear' },
      bars: starts.map(({ name, runsMs }) => ({ name: name ?? `${runsMs.length} starts`, slot: 0, ...summary(runsMs) })),
    },
  ];
}

/** Linear where all bars have a length that can be seen. */
function barAxis(label, points, valueOf = ({ perSecond }) => perSecond) {
  const values = points.map(valueOf).filter((value) => value > 0);
  const isLinear = Math.max(...values) / Math.min(...values) <= LINEAR_UP_TO;
  return { label: isLinear ? label : `${label}, log`, unit: 'count', kind: isLinear ? 'linear' : 'log' };
}

function exchangeName({ kind, exchange }) {
  if (kind === 'exchange.generator') return 'no exchange';
  if (exchange === 'hash') return 'by the hash of the key';
  return exchange === 'rebalance' ? 'in turn' : (exchange ?? 'exchange');
}

function threadsText(threads) {
  return `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

function rateOf(run) {
  return typeof run === 'number' ? run : run.perSecond;
}

/** A run that has no processor time of its own has the same share of it as the median. */
function perCoreOf(run, { perSecond, perSecondPerCore }) {
  if (typeof run === 'object' && run.cpuMs > 0) return (run.perSecond * run.elapsedMs) / run.cpuMs;
  return rateOf(run) * (perSecondPerCore / perSecond);
}
