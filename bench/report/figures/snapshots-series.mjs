/** Growth of the cost with what changed, frequent checkpoints, and memory over time. */
import { summary } from '../statistics.mjs';
import { readable } from '../units.mjs';

/** What a target allows an entry besides key and value, and its factor. */
const ENTRY_BYTES = 16;
const FACTOR = 1.6;
const KEY_BYTES = 8;
const CURVE_POINTS = 40;

export function growth(points) {
  const fits = points.filter(({ samples }) => samples?.length > 0);
  if (fits.length === 0) return null;
  return {
    kind: 'line',
    name: 'snapshots-growth',
    isMain: true,
    title: 'Time of a checkpoint against what changed',
    finding: fits
      .map(
        ({ valueBytes, fixedMs, perEntryMs, rSquared, samples }) =>
          `Values of ${readable(valueBytes, 'bytes')}: ${readable(fixedMs, 'ms')} and ${readable(perEntryMs, 'ms')} an entry, R² = ${rSquared.toFixed(3)} over ${samples.length} points.`,
      )
      .join(' '),
    note: 'Incremental checkpoints of the grid below half changed, over all sizes of state: medians, and the line of least squares, bent by the logarithms.',
    x: { label: 'entries changed, log', unit: 'count', kind: 'log' },
    y: { label: 'until durable, log', unit: 'ms', kind: 'log' },
    series: fits.map(({ valueBytes, samples }, slot) => ({
      name: `values of ${readable(valueBytes, 'bytes')}`,
      slot,
      isScattered: true,
      points: samples.map(({ changedEntries, durableMs }) => ({ x: changedEntries, y: durableMs })).toSorted((a, b) => a.x - b.x),
    })),
    guides: fits.map((fit) => ({
      name: fits.length === 1 ? 'fixed time + time an entry' : `fit, ${readable(fit.valueBytes, 'bytes')}`,
      points: curveOf(fit),
    })),
  };
}

/** The line, at places that are even on a logarithmic axis; where it lies below 0 the axis has no place for it. */
function curveOf({ fixedMs, perEntryMs, samples }) {
  const entries = samples.map(({ changedEntries }) => changedEntries);
  const [low, high] = [Math.min(...entries), Math.max(...entries)];
  return Array.from({ length: CURVE_POINTS }, (_, index) => low * (high / low) ** (index / (CURVE_POINTS - 1)))
    .map((x) => ({ x, y: fixedMs + perEntryMs * x }))
    .filter(({ y }) => y > 0);
}

export function frequent(points) {
  if (points.length === 0) return null;
  const keptOf = ({ perSecondWith, perSecondWithout }) =>
    summary(perSecondWith.map((perSecond, pair) => perSecond / perSecondWithout[pair]));
  const said = points.map((point) => {
    const { value, low, high } = keptOf(point);
    return `${readable(value, 'share')} of the throughput is kept with ${readable(point.stateBytes, 'bytes')} (pairs from ${readable(low, 'share')} to ${readable(high, 'share')})`;
  });
  return {
    kind: 'bar',
    name: 'snapshots-frequent',
    isMain: true,
    title: `Throughput with a checkpoint every ${readable(points[0].intervalMs, 'ms')}`,
    finding: `${said.join('; ')}.`,
    note: 'Updates at full speed, 1 % of the keys change in a second; windows with and without checkpoints in turns. Median; strokes from the slowest to the fastest.',
    x: { label: 'records per second', unit: 'count', kind: 'linear' },
    bars: points.flatMap(({ stateBytes, perSecondWithout, perSecondWith, streamed }) => [
      { name: `${readable(stateBytes, 'bytes')}, no checkpoints`, slot: null, ...summary(perSecondWithout) },
      {
        name: `${readable(stateBytes, 'bytes')}, ${streamed.length} checkpoints`,
        slot: 0,
        ...summary(perSecondWith),
      },
    ]),
  };
}

/** Over time, one figure for each state. */
export function memory(points) {
  return points
    .filter(({ rssBytes }) => rssBytes?.length > 0)
    .map((point, index) => {
      const { entries, valueBytes, intervalMs, durationMs, rssBytes, processBytes, stateBytes } = point;
      const content = entries * (KEY_BYTES + valueBytes + ENTRY_BYTES);
      const allowed = processBytes + FACTOR * content;
      const high = Math.max(...rssBytes.slice(-Math.ceil(rssBytes.length / 4)));
      const times = (bytes) => readable(bytes / content, 'times');
      return {
        kind: 'line',
        name: index === 0 ? 'snapshots-memory-over-time' : `snapshots-memory-over-time-${index}`,
        isMain: index === 0,
        title: 'Memory under random updates with checkpoints',
        finding: `In the last quarter at most ${readable(high, 'bytes')}: beyond the bare process ${times(high - processBytes)} (key + value + ${ENTRY_BYTES} bytes) of each entry, of which the segments of the state are ${times(stateBytes)}.`,
        note: `${readable(entries, 'count')} entries of ${KEY_BYTES} + ${valueBytes} bytes, 5 % of them updated before each checkpoint, one every ${readable(intervalMs, 'ms')}; ${readable(durationMs, 'ms')} in all.`,
        x: { label: 'time', unit: 's', kind: 'linear' },
        y: { label: 'resident memory', unit: 'bytes', kind: 'linear' },
        series: [
          {
            name: 'the process',
            slot: 0,
            shape: null,
            points: rssBytes.map((bytes, sample) => ({ x: ((sample + 1) * intervalMs) / 1000, y: bytes })),
          },
        ],
        guides: [
          {
            name: `target: bare process + ${FACTOR} times the entries`,
            points: [0, (rssBytes.length * intervalMs) / 1000].map((x) => ({ x, y: allowed })),
          },
        ],
      };
    });
}
