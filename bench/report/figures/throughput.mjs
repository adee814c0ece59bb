/** Throughput over time, with every checkpoint at its place below; what a record costs against a `Map`, and with more keys. */
import { groupBy, quantile, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';

export function throughputFigures(points) {
  const of = (kind) => points.filter((point) => point.kind === kind);
  const jobs = [...groupBy(of('throughput.series'), ({ job, threads }) => JSON.stringify([job, threads])).values()];
  return [
    ...jobs.map((runs, index) => overTime(runs, index === 0)),
    againstMap(of('throughput.against-map')),
    growth(of('throughput.growth')),
  ].filter((figure) => figure !== null);
}

function overTime(runs, isMain) {
  const { job, threads } = runs[0];
  const sorted = runs.toSorted((a, b) => (a.intervalMs ?? 0) - (b.intervalMs ?? 0));
  return {
    kind: 'line',
    name: isMain ? 'throughput' : `throughput-${job}-${threads}`,
    isMain,
    title: `Throughput of ${job} over time`,
    finding: overTimeSentence(sorted),
    note: `${threads} ${threads === 1 ? 'thread' : 'threads'}. A bar below the plot lasts from the trigger of a checkpoint until it is durable.`,
    x: { label: 'time since the first sample', unit: 's', kind: 'linear' },
    y: { label: 'records per second', unit: 'count', kind: 'linear' },
    series: sorted.map((run, slot) => ({ name: nameOf(run), slot, shape: null, points: rates(run.samples) })),
    lanes: sorted
      .map((run, slot) => ({
        name: `checkpoint, ${nameOf(run)}`,
        slot,
        spans: run.checkpoints.map((checkpoint) => spanOf(checkpoint, run)),
      }))
      .filter(({ spans }) => spans.length > 0),
  };
}

/** Of each interval the median and the slowest twentieth of the pieces of time, against the median without checkpoints. */
function overTimeSentence(runs) {
  const known = runs
    .map((run) => ({ run, pieces: rates(run.samples).map(({ y }) => y) }))
    .filter(({ pieces }) => pieces.length > 0);
  const plain = known.find(({ run }) => run.intervalMs === null);
  const said = known.map(({ run, pieces }) => {
    const middle = summary(pieces).value;
    const kept = plain === undefined || plain.run === run ? '' : ` (${readable(middle / summary(plain.pieces).value, 'share')})`;
    return `${nameOf(run)} ${readable(middle, 'count')}/s${kept}, ${readable(quantile(pieces, 0.05), 'count')} in the slowest twentieth`;
  });
  return said.length === 0 ? null : `Median: ${said.join('; ')}.`;
}

/** Samples count all records so far: the rate between two of them is drawn at the later one. */
function rates(samples) {
  return samples.slice(1).map(({ atMs, records }, index) => ({
    x: (atMs - samples[0].atMs) / 1000,
    y: ((records - samples[index].records) * 1000) / (atMs - samples[index].atMs),
  }));
}

/** A checkpoint that was triggered before the first sample is drawn from there. */
function spanOf({ atMs, durableMs }, { samples }) {
  const from = (atMs - samples[0].atMs) / 1000;
  return { from: Math.max(0, from), to: Math.max(0, from + durableMs / 1000) };
}

function againstMap(points) {
  if (points.length === 0) return null;
  const bar = (name, under, slot, runs) => ({
    name,
    under,
    slot,
    ...summary(runs.map(({ records, cpuMs }) => (records * 1000) / cpuMs)),
  });
  return {
    kind: 'bar',
    name: 'throughput-against-map',
    isMain: true,
    title: 'A durable keyed count against a Map, per core',
    finding: `${points
      .map(
        ({ keys, job, map }) => `${keys.toLocaleString('en-US')} keys: ${readable(perCore(job) / perCore(map), 'times')} the Map`,
      )
      .join('; ')}.`,
    note: 'Records for each second of processor time of the whole process. Median of the runs; strokes from the slowest to the fastest.',
    x: { label: 'records per second and core', unit: 'count', kind: 'linear' },
    bars: points.flatMap(({ keys, threads, intervalMs, job, map }) => [
      bar(
        `${keys.toLocaleString('en-US')} keys, Tidemark`,
        `${threads} threads, a durable checkpoint every ${readable(intervalMs, 'ms')}`,
        0,
        job,
      ),
      bar(`${keys.toLocaleString('en-US')} keys, Map loop`, 'not durable', null, map),
    ]),
  };
}

function perCore(runs) {
  return summary(runs.map(({ records, cpuMs }) => (records * 1000) / cpuMs)).value;
}

function growth(points) {
  if (points.length === 0) return null;
  const pairs = [...groupBy(points, ({ intervalMs }) => String(intervalMs)).values()].map((own) => {
    const sorted = own.toSorted((a, b) => a.keys - b.keys);
    const [few, many] = [sorted[0], sorted.at(-1)];
    return `${checkpointsOf(few)} ${readable(many.nsPerRecord / few.nsPerRecord, 'times')} with ${readable(many.keys / few.keys, 'times')} the keys`;
  });
  return {
    kind: 'bar',
    name: 'throughput-growth',
    isMain: true,
    title: 'What a record costs with more keys',
    finding: `${pairs.join('; ')}.`,
    note: 'Processor time of the whole process for each record. Median of the runs; strokes from the least to the most.',
    x: { label: 'processor time of a record', unit: 'ns', kind: 'linear' },
    bars: points.map(({ keys, intervalMs, runs }) => ({
      name: `${keys.toLocaleString('en-US')} keys, ${checkpointsOf({ intervalMs })}`,
      slot: intervalMs === null ? 1 : 0,
      ...summary(runs),
    })),
  };
}

function checkpointsOf({ intervalMs }) {
  return intervalMs === null ? 'no checkpoints' : `a checkpoint every ${readable(intervalMs, 'ms')}`;
}

function nameOf({ intervalMs }) {
  return intervalMs === null ? 'no checkpoints' : `every ${readable(intervalMs, 'ms')}`;
}
