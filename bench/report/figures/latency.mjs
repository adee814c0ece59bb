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

export function latencyFigures(points) {
  const runs = points.filter(({ kind }) => kind === 'latency.point').toSorted((a, b) => a.rate - b.rate);
  if (runs.length === 0) return [];
  return [
    {
      kind: 'line',
      name: 'latency',
      isMain: true,
      title: 'Latency of a record by quantile',
      note: `From the moment a record is due at the source until it is at the sink. At least ${readable(Math.min(...runs.map(({ samples }) => samples)), 'count')} records each.`,
      x: { label: 'share of records that take no longer', kind: 'places', names: QUANTILES.map(([, name]) => name) },
      y: { label: 'latency, log', unit: 'ms', kind: 'log' },
      series: runs.map((run, slot) => ({
        name: `${readable(run.rate, 'count')}/s, ${run.intervalMs === null ? 'no checkpoints' : `checkpoint every ${readable(run.intervalMs, 'ms')}`}`,
        slot,
        points: QUANTILES.map(([field], x) => ({ x, y: run.quantilesMs[field] ?? null })),
      })),
    },
  ];
}
