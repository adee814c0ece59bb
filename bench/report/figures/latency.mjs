/** From the record that goes in to the record that comes out, by quantile. */
import { readable } from '../units.mjs';

const QUANTILES = [
  ['p50', 'p50'],
  ['p90', 'p90'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
  ['p9999', 'p99.99'],
  ['max', 'longest'],
];

/** Of the highest rate: where the targets are. */
const AIMED_SHARE = 0.5;

export function latencyFigures(points) {
  const runs = points.filter(({ kind }) => kind === 'latency.point').toSorted((a, b) => a.rate - b.rate);
  if (runs.length === 0) return [];
  // The run that has targets, and the same without checkpoints.
  const judged = runs.filter(({ intervalMs }) => intervalMs !== null);
  const main = judged.find(({ share }) => share === AIMED_SHARE) ?? judged[0] ?? runs[0];
  const plain = runs.find(({ rate, intervalMs }) => rate === main.rate && intervalMs === null);
  return [
    {
      kind: 'line',
      name: 'latency',
      isMain: true,
      title: 'Latency of a record by quantile',
      finding: sentence(main, plain),
      note: `From the moment a record is due at the source until it is at the sink. At least ${readable(Math.min(...runs.map(({ samples }) => samples)), 'count')} records each.`,
      x: { label: 'share of records that take no longer', kind: 'places', names: QUANTILES.map(([, name]) => name) },
      y: { label: 'latency, log', unit: 'ms', kind: 'log' },
      series: runs.map((run, slot) => ({
        name: `${loadOf(run)}, ${run.intervalMs === null ? 'no checkpoints' : `checkpoint every ${readable(run.intervalMs, 'ms')}`}`,
        slot,
        points: QUANTILES.map(([field], x) => ({ x, y: run.quantilesMs[field] ?? null })),
      })),
    },
  ];
}

function sentence(run, plain) {
  const said = ({ quantilesMs: { p99, p999 } }) => `p99 ${readable(p99, 'ms')}, p99.9 ${readable(p999, 'ms')}`;
  if (run.intervalMs === null) return `${loadOf(run)} without checkpoints: ${said(run)}.`;
  const without = plain === undefined ? '' : `; without checkpoints ${said(plain)}`;
  return `${loadOf(run)} with a checkpoint every ${readable(run.intervalMs, 'ms')}: ${said(run)}${without}.`;
}

function loadOf({ rate, share }) {
  const load = `${readable(rate, 'count')}/s`;
  return Number.isFinite(share) ? `${load} (${readable(share, 'share')} of the highest rate)` : load;
}
