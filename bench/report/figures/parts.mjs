/** Single parts of the engine: the exchange, restore, start. */
import { ascending, distinct, groupBy, spreadOf, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';
import { barAxis, rateOf } from './runs.mjs';

export function exchangeFigures(points) {
  const runs = points.filter(({ kind }) => kind === 'exchange.point' || kind === 'exchange.generator');
  return [...groupBy(runs, ({ threads }) => threads)].map(([threads, own], index) => ({
    kind: 'bar',
    name: index === 0 ? 'exchange' : `exchange-${threads}`,
    isMain: true,
    title: `Records sent to the next stage, per core, on ${threadsText(threads)}`,
    finding: exchangeSentence(own),
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

function exchangeSentence(points) {
  const said = points
    .filter(({ kind }) => kind === 'exchange.point')
    .map((point) => {
      const alone = points.find((other) => other.kind === 'exchange.generator' && other.recordBytes === point.recordBytes);
      const share =
        alone === undefined
          ? ''
          : ` (${readable(point.perSecondPerCore / alone.perSecondPerCore, 'share')} of making them alone)`;
      return `${readable(point.recordBytes, 'bytes')} ${exchangeName(point)} ${readable(point.perSecondPerCore, 'count')}/s${share}`;
    });
  return said.length === 0 ? null : `Per core: ${said.join('; ')}.`;
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
    finding: restoreSentence(runs),
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

/** The largest state, on each number of threads. */
function restoreSentence(runs) {
  const entries = Math.max(...runs.map((run) => run.entries));
  const said = runs
    .filter((run) => run.entries === entries)
    .toSorted((a, b) => a.threads - b.threads)
    .map(
      ({ threads, durationMs }) =>
        `${readable(durationMs, 'ms')} on ${threadsText(threads)} (${readable((entries / durationMs) * 1000, 'count')} entries/s)`,
    );
  return `${readable(entries, 'count')} entries are back after ${said.join(', ')}.`;
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
      finding: `${starts.map(({ runsMs }) => startSentence(runsMs)).join('; ')}.`,
      note: 'Median of the starts; strokes from the shortest to the longest.',
      x: { label: 'time', unit: 'ms', kind: 'linear' },
      bars: starts.map(({ name, runsMs }) => ({ name: name ?? `${runsMs.length} starts`, slot: 0, ...summary(runsMs) })),
    },
  ];
}

function startSentence(runsMs) {
  const { value, low, high } = summary(runsMs);
  return `${readable(value, 'ms')} at the median of ${runsMs.length} starts, ${readable(low, 'ms')} to ${readable(high, 'ms')}`;
}

function exchangeName({ kind, exchange }) {
  if (kind === 'exchange.generator') return 'no exchange';
  if (exchange === 'hash') return 'by the hash of the key';
  return exchange === 'rebalance' ? 'in turn' : (exchange ?? 'exchange');
}

function threadsText(threads) {
  return `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

/** A run that has no processor time of its own has the same share of it as the median. */
function perCoreOf(run, { perSecond, perSecondPerCore }) {
  if (typeof run === 'object' && run.cpuMs > 0) return (run.perSecond * run.elapsedMs) / run.cpuMs;
  return rateOf(run) * (perSecondPerCore / perSecond);
}
