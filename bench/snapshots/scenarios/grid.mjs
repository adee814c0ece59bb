/** Incremental against full over the grid, and the cross-over of each state. */
import { measureAlone } from '../../lib/isolated.mjs';
import { line, point } from '../../lib/program.mjs';
import { median, row } from '../../lib/report.mjs';
import { crossover, crossoverSentence } from '../crossover.mjs';
import { gridHeading, gridLine } from '../grid-table.mjs';
import { jobOf } from '../measure.mjs';
import { entriesOf } from '../settings.mjs';
import { inTemporary, measureSnapshots, whileFilled } from '../temporary.mjs';

/** What the target is about. */
const JUDGED = { stateBytes: 1e9, changedShare: 0.01 };

export const grid = {
  name: 'grid',
  question: 'The same job and the same updates with incremental and with full checkpoints: what does each cost?',
  async *rows(settings) {
    settings.gridPoints = [];
    for (const stateBytes of settings.states)
      for (const valueBytes of settings.values)
        for (const distribution of settings.distributions) yield* ofState(settings, { stateBytes, valueBytes, distribution });
  },
};

async function* ofState(settings, { stateBytes, valueBytes, distribution }) {
  const entries = entriesOf(stateBytes, valueBytes);
  const state = { entries, valueBytes, distribution, seed: settings.seed };
  const described = { stateBytes, entries, valueBytes, distribution };
  yield* whileFilled(state, async function* (filled) {
    yield line(gridHeading(described));
    const points = [];
    for (const changedShare of settings.changed) {
      const pair = {};
      for (const mode of ['incremental', 'full']) {
        const measured = await measureMode(mode, state, Math.max(1, Math.round(entries * changedShare)), filled, settings.grid);
        pair[mode] = { kind: 'snapshots.grid', mode, ...described, changedShare, ...measured };
        yield point(pair[mode]);
      }
      points.push(pair.incremental, pair.full);
      yield line(gridLine(pair));
      if (stateBytes === JUDGED.stateBytes && changedShare === JUDGED.changedShare) yield* judged(pair, described);
    }
    settings.gridPoints.push(...points);
    yield* crossoverOf(points, described);
  });
}

/** The last checkpoint is restored once, in a process of its own. */
function measureMode(mode, state, changes, { path: from, tableBytes }, series) {
  return inTemporary(async (directory) => {
    const { path, ...measured } = await measureSnapshots('measurePoint', {
      mode,
      state,
      changes,
      from,
      tableBytes,
      ...series,
      directory,
    });
    const restored = await measureAlone('restore', { ...jobOf(state), from: path });
    if (restored.entries !== state.entries) throw new Error(`${restored.entries} entries were restored of ${state.entries}`);
    const throughputKept = median(measured.perSecondWith.map((perSecond, pair) => perSecond / measured.perSecondWithout[pair]));
    return { ...measured, throughputKept, restoreMs: restored.durationMs };
  });
}

function* judged({ incremental, full }, { valueBytes, distribution }) {
  const what = `values of ${valueBytes} B, ${distribution}`;
  const ratio = (of) => median(full.checkpoints.map(of)) / median(incremental.checkpoints.map(of));
  // What is durable when the checkpoint is complete; what merging writes later is beside it.
  yield row(
    '1 GB, 1 % changed: bytes of full against incremental, merging left out',
    ratio(newBytesOf),
    'times',
    { atLeast: 50 },
    what,
  );
  const [merged, whole] = [incremental, full].map(({ writtenBytesPerCheckpoint }) => writtenBytesPerCheckpoint);
  if (merged !== null)
    yield row('the same, merging included', whole / merged, 'times', null, `${megabytes(merged)} a checkpoint`);
  const [bytes, ms] = [newBytesOf, durableMsOf].map((of) => median(full.checkpoints.map(of)));
  yield row('1 GB: written by a full checkpoint', bytes / 1e6 / ms, 'GB/s', { atLeast: 1 }, `${megabytes(bytes)}; ${what}`);
  yield row('1 GB, 1 % changed: time of full against incremental', ratio(durableMsOf), 'times', { atLeast: 30 }, what);
}

function* crossoverOf(points, described) {
  const byTime = crossover(points.map((at) => ({ ...at, cost: median(at.checkpoints.map(durableMsOf)) })));
  const isCounted = points.every(({ writtenBytesPerCheckpoint }) => writtenBytesPerCheckpoint !== null);
  const byBytes = isCounted ? crossover(points.map((at) => ({ ...at, cost: at.writtenBytesPerCheckpoint }))) : null;
  const known = [byTime, byBytes].filter((share) => share !== null);
  yield point({
    kind: 'snapshots.crossover',
    ...described,
    changedShare: known.length === 0 ? null : Math.min(...known),
    byTime,
    byBytes,
  });
  yield line(crossoverSentence({ byTime, byBytes }));
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toPrecision(3)} MB`;
}

const newBytesOf = ({ newBytes }) => newBytes;
const durableMsOf = ({ durableMs }) => durableMs;
