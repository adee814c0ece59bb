/** The grid of full and incremental checkpoints, each figure over the share of the keys that changed. */
import { ascending, distinct, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';

export const MODES = ['incremental', 'full'];
/** Colour of what a legend shows by dashes and shape alone. */
export const QUIET = 5;
const SHARE = { label: 'keys changed between two checkpoints, log', unit: 'share', kind: 'log' };
/** Where the sentences look, or as near as was measured: most targets are about it. */
const TYPICAL_SHARE = 0.01;

/**
 * @param panel       points of one distribution and one size of values
 * @param crossovers  points of the same
 * @param isMain      the panel whose figures are published
 */
export function overShare(panel, crossovers, isMain) {
  const { distribution, valueBytes } = panel[0];
  const under = `Keys ${distribution}, values of ${valueBytes} bytes`;
  const figure = ({ name, note, valueOf, more = [], ...rest }) => ({
    kind: 'line',
    name: isMain ? name : `${name}-${distribution}-${valueBytes}`,
    isMain,
    group: isMain ? '' : under,
    note: `${under}. ${note}`,
    x: SHARE,
    series: [...seriesOf(panel, valueOf), ...more],
    legend: [
      ...sizesOf(panel).map((size, slot) => ({ name: readable(size, 'bytes'), slot, kind: 'mark' })),
      ...present(panel).map((mode) => ({ name: mode, slot: QUIET, dash: MODES.indexOf(mode), shape: null })),
      ...(more.length === 0 ? [] : [{ name: 'incremental, merging included', slot: QUIET, dash: 2, shape: null }]),
    ],
    ...rest,
  });
  const pair = typicalPair(panel);
  const isCounted = panel.some(({ writtenBytesPerCheckpoint: bytes }) => Number.isFinite(bytes));
  return [
    figure({
      name: 'snapshots-bytes',
      title: 'Bytes that a checkpoint writes',
      finding: bytesSentence(pair),
      note: 'Median of the checkpoints; strokes from the least to the most.',
      y: { label: 'new bytes, log', unit: 'bytes', kind: 'log' },
      valueOf: ({ checkpoints }) => summary(checkpoints.map(newBytesOf)),
      more: isCounted ? withMerging(panel) : [],
    }),
    figure({
      name: 'snapshots-time',
      title: 'Time until a checkpoint is durable',
      finding: timeSentence(pair, crossovers),
      note: 'Median of the checkpoints; strokes from the shortest to the longest.',
      y: { label: 'from trigger to published manifest, log', unit: 'ms', kind: 'log' },
      valueOf: ({ checkpoints }) => summary(checkpoints.map(durableMsOf)),
    }),
    figure({
      name: 'snapshots-throughput',
      title: 'Throughput that is kept while checkpoints are taken',
      finding: extremeSentence('The least that is kept', panel, ({ throughputKept }) => throughputKept, 'share', Math.min),
      note: 'The same job without checkpoints is 100 %.',
      y: { label: 'of the throughput without checkpoints', unit: 'share', kind: 'linear' },
      valueOf: ({ throughputKept, perSecondWith = [], perSecondWithout = [] }) => ({
        ...summary(perSecondWith.map((perSecond, index) => perSecond / perSecondWithout[index])),
        value: throughputKept,
      }),
    }),
    figure({
      name: 'snapshots-write-amplification',
      title: 'Bytes written for each byte that changed',
      finding: writeSentence(pair),
      note: 'All that the process wrote, merges, manifests and history included, over key and value of what changed.',
      y: { label: 'times key and value of what changed, log', unit: '', kind: 'log' },
      valueOf: ({ writeAmplification }) => ({ value: writeAmplification }),
    }),
    figure({
      name: 'snapshots-space-amplification',
      title: 'Space on the disk',
      finding: extremeSentence('Most', panel, ({ spaceAmplification }) => spaceAmplification, 'times one full table', Math.max),
      note: 'The largest size of all tables right after a checkpoint, against one full table.',
      y: { label: 'times one full table', unit: '', kind: 'linear' },
      valueOf: ({ spaceAmplification }) => ({ value: spaceAmplification }),
    }),
    figure({
      name: 'snapshots-memory',
      title: 'Memory of the process',
      finding: extremeSentence('Most', panel, ({ rssBytes }) => rssBytes, 'bytes', Math.max),
      note: 'The peak, node and the code included.',
      y: { label: 'peak of resident memory, log', unit: 'bytes', kind: 'log' },
      valueOf: ({ rssBytes }) => ({ value: rssBytes }),
    }),
  ];
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
      points: ofLine(panel, mode, size).map((point) => pointAt(point.changedShare, valueOf(point))),
    })),
  );
}

function withMerging(panel) {
  return sizesOf(panel).map((size, index) => ({
    name: `incremental, merging included, ${readable(size, 'bytes')}`,
    slot: index,
    shape: null,
    dash: 2,
    points: ofLine(panel, 'incremental', size).map((point) =>
      pointAt(point.changedShare, { value: point.writtenBytesPerCheckpoint }),
    ),
  }));
}

function ofLine(panel, mode, size) {
  return panel
    .filter((point) => point.mode === mode && point.stateBytes === size)
    .toSorted((a, b) => a.changedShare - b.changedShare);
}

/** Incremental and full of the largest state, at the share that is nearest to the typical one; null where either was not measured. */
function typicalPair(panel) {
  const size = sizesOf(panel).at(-1);
  const distance = ({ changedShare }) => Math.abs(Math.log(changedShare / TYPICAL_SHARE));
  const [incremental] = ofLine(panel, 'incremental', size).toSorted((a, b) => distance(a) - distance(b));
  const full = ofLine(panel, 'full', size).find(({ changedShare }) => changedShare === incremental?.changedShare);
  return incremental === undefined || full === undefined ? null : { incremental, full };
}

function bytesSentence(pair) {
  if (pair === null) return null;
  const { incremental, full } = pair;
  const [delta, whole] = [incremental, full].map(({ checkpoints }) => summary(checkpoints.map(newBytesOf)).value);
  const merged = incremental.writtenBytesPerCheckpoint;
  const less = `${placeOf(incremental)} an incremental checkpoint writes ${readable(delta, 'bytes')}, a full one ${readable(whole, 'bytes')}: ${readable(whole / delta, 'times')} as much`;
  if (!Number.isFinite(merged) || merged <= 0) return `${less}, merging left out.`;
  return `${less}. With its merging the incremental one writes ${readable(merged, 'bytes')}: ${readable(whole / merged, 'times')}.`;
}

function timeSentence(pair, crossovers) {
  if (pair === null) return null;
  const { incremental, full } = pair;
  const [delta, whole] = [incremental, full].map(({ checkpoints }) => summary(checkpoints.map(durableMsOf)).value);
  const first = `${placeOf(incremental)} an incremental checkpoint is durable after ${readable(delta, 'ms')}, a full one after ${readable(whole, 'ms')}: ${readable(whole / delta, 'times')} as long.`;
  const byTime = crossovers.find(({ stateBytes }) => stateBytes === incremental.stateBytes)?.byTime;
  if (!Number.isFinite(byTime)) return first;
  return byTime > 1 ? `${first} Full is sooner at no share.` : `${first} Full is sooner from ${readable(byTime, 'share')} on.`;
}

function writeSentence(pair) {
  if (pair === null || !Number.isFinite(pair.incremental.writeAmplification)) return null;
  const [delta, whole] = [pair.incremental, pair.full].map(({ writeAmplification }) => readable(writeAmplification, 'times'));
  return `${placeOf(pair.incremental)} incremental checkpoints write ${delta} what changed, full ones ${whole}.`;
}

/** The least or the most of each mode, with its place. */
function extremeSentence(what, panel, valueOf, unit, choose) {
  const said = present(panel).flatMap((mode) => {
    const own = panel.filter((point) => point.mode === mode && Number.isFinite(valueOf(point)));
    if (own.length === 0) return [];
    const value = choose(...own.map(valueOf));
    const { stateBytes, changedShare } = own.find((point) => valueOf(point) === value);
    return `${readable(value, unit)} with ${mode} checkpoints (${readable(changedShare, 'share')} of ${readable(stateBytes, 'bytes')} changed)`;
  });
  return said.length === 0 ? null : `${what}: ${said.join(', ')}.`;
}

function placeOf({ changedShare, stateBytes }) {
  return `When ${readable(changedShare, 'share')} of ${readable(stateBytes, 'bytes')} changed,`;
}

export function pointAt(x, { value, low = null, high = null }) {
  return { x, y: value, low, high };
}

export function present(grid) {
  return MODES.filter((mode) => grid.some((point) => point.mode === mode));
}

export function sizesOf(points) {
  return distinct(points, ({ stateBytes }) => stateBytes).toSorted(ascending);
}

const newBytesOf = ({ newBytes }) => newBytes;
const durableMsOf = ({ durableMs }) => durableMs;
