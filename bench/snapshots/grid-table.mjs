/** The grid as a table: a line for each point, in each cell what incremental checkpoints cost / what full ones do. */
import { median, percentile } from '../lib/report.mjs';

const COLUMNS = [
  ['written MB', ({ writtenBytesPerCheckpoint: bytes }) => (bytes === null ? '-' : megabytes(bytes))],
  ['needed MB', ({ checkpoints }) => megabytes(median(checkpoints.map((at) => at.newBytes + at.referencedBytes)))],
  ['files', ({ checkpoints }) => median(checkpoints.map(({ files }) => files)).toString()],
  ['durable ms', ({ checkpoints }) => short(median(checkpoints.map(({ durableMs }) => durableMs)))],
  ['stall p50 ms', ({ stallMs }) => short(percentile(stallMs, 0.5))],
  ['p99', ({ stallMs }) => short(percentile(stallMs, 0.99))],
  ['max', ({ stallMs }) => short(Math.max(...stallMs))],
  ['kept %', ({ throughputKept }) => (throughputKept * 100).toFixed(0)],
  ['restore ms', ({ restoreMs }) => restoreMs.toFixed(0)],
  ['write ampl.', ({ writeAmplification }) => (writeAmplification === null ? '-' : short(writeAmplification))],
  ['space ampl.', ({ spaceAmplification }) => spaceAmplification.toFixed(2)],
  ['memory MB', ({ rssBytes }) => (rssBytes / 1e6).toFixed(0)],
  ['checkpoints', ({ checkpoints }) => checkpoints.length.toString()],
];
const WIDTH = 16;
const SHARE_WIDTH = 8;

export function gridHeading({ stateBytes, entries, valueBytes, distribution }) {
  const names = COLUMNS.map(([name]) => name.padStart(WIDTH));
  return [
    '',
    `State of ${short(stateBytes / 1e6)} MB: ${entries} entries, values of ${valueBytes} B, ${distribution}. Incremental / full:`,
    `${'changed'.padStart(SHARE_WIDTH)}${names.join('')}`,
  ].join('\n');
}

/** @param pair  { incremental, full }: points of the same share */
export function gridLine({ incremental, full }) {
  const share = `${short(incremental.changedShare * 100)} %`.padStart(SHARE_WIDTH);
  return share + COLUMNS.map(([, of]) => `${of(incremental)}/${of(full)}`.padStart(WIDTH)).join('');
}

function megabytes(bytes) {
  return short(bytes / 1e6);
}

/** Three digits that count, and no exponent. */
function short(value) {
  return value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
}
