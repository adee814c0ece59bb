/**
 * What runs in a process of its own: fill a state, and checkpoint it while a chosen share of it changes. The job is
 * `jobs/chosen-changes.mjs`; `state` is `{ entries, valueBytes, distribution, seed }`.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { partsOf, entriesOf, orFailure, until, withJob } from '../lib/measure.mjs';
import { changesOfAllSplits, createControls, Then } from './controls.mjs';

const THREADS = 2;
/** Before these are over neither the compiler nor the tables are in their usual state. */
const WARM_UP_CHECKPOINTS = 2;
/** Merges have ended when for so long nothing was written. */
const QUIET_MS = 200;
const QUIET_BYTES = 1 << 16;

/** @returns {{ job: string, args: readonly (string | number)[], threads: number }} */
export function jobOf({ entries, valueBytes, distribution, seed }) {
  return { job: 'chosen-changes', args: [entries, valueBytes, distribution, seed], threads: THREADS };
}

/** Sets every key once and stops with a checkpoint. @returns {Promise<{ path: string, tableBytes: number }>} */
export async function fill({ state, directory }) {
  const controls = createControls();
  return withJob({ ...jobOf(state), directory }, async (handle) => {
    controls.release(state.entries);
    await orFailure(
      handle,
      until(() => controls.finished && entriesOf(handle) === state.entries),
    );
    const { path, newBytes } = await handle.stop({ retain: true });
    return { path, tableBytes: newBytes };
  });
}

/**
 * Checkpoints, each when exactly `changes` keys have changed since the one before and nothing else is going on; then the same stream
 * of updates at full speed, without checkpoints and with one every `intervalMs`, in turns.
 *
 * @param mode         'full' | 'incremental'
 * @param from         a checkpoint that `fill` made
 * @param tableBytes   what its tables take
 * @param checkpoints  how many there are to be at most, and `least` of them however long they take; after `budgetMs` it is enough
 * @param stream       { intervalMs, windowMs, warmUpMs, pairs }, the warm-up as long as a window where it is absent; null: none
 * @returns {Promise<object>} what `grid.mjs` makes a point of
 */
export async function measurePoint({ mode, state, changes, from, tableBytes, checkpoints, least, budgetMs, stream, directory }) {
  const controls = createControls();
  const config = { 'execution.checkpointing.incremental': mode === 'incremental' };
  return withJob({ ...jobOf(state), directory, from, config }, async (handle) => {
    const measured = async () => {
      await until(() => entriesOf(handle) === state.entries);
      const shared = join(directory, handle.jobId, 'shared');
      const changedEntries = changesOfAllSplits(changes, state.entries);
      let released = 0;
      const one = async () => {
        controls.release(changes);
        released += changedEntries;
        // Not only emitted: what waits in the channels would be in the time of the checkpoint.
        await until(() => controls.finished && recordsInLastStage(handle) >= released, 1);
        const started = performance.now();
        const summary = await handle.checkpoint();
        const durableMs = performance.now() - started;
        const { newBytes, referencedBytes, files, syncMs, path } = summary;
        const { changedEntries: writtenEntries } = partsOf(path);
        return {
          newBytes,
          referencedBytes,
          files,
          syncMs,
          durableMs,
          changedEntries,
          writtenEntries,
          diskBytes: bytesIn(shared),
        };
      };
      for (let i = 0; i < WARM_UP_CHECKPOINTS; i++) {
        const { writtenEntries } = await one();
        // From half on each subtask decides for itself whether it writes all of its part.
        if (mode === 'incremental' && changedEntries < 0.45 * state.entries && writtenEntries !== changedEntries)
          throw new Error(`${changedEntries} entries were to change, and ${writtenEntries} were written`);
      }
      await untilQuiet();
      const series = [];
      const before = bytesWrittenSoFar();
      const started = performance.now();
      while (series.length < least || (series.length < checkpoints && performance.now() - started < budgetMs))
        series.push(await one());
      await untilQuiet();
      const written = before === null ? null : bytesWrittenSoFar() - before;
      const streamed = stream === null ? null : await keptByStream(handle, controls, changes, stream);
      return { ...ofSeries(series, written, state, tableBytes), ...streamed, rssBytes: peakRss() };
    };
    const result = await orFailure(handle, measured());
    const { path } = await handle.stop({ retain: true });
    return { path, ...result };
  });
}

function recordsInLastStage(handle) {
  return handle.progress().stages.at(-1).recordsIn;
}

function ofSeries(series, writtenBytes, { valueBytes }, tableBytes) {
  const changed = series.reduce((sum, { changedEntries }) => sum + changedEntries, 0);
  return {
    checkpoints: series,
    // Tables of checkpoints and of merges, manifests, and the history.
    writtenBytesPerCheckpoint: writtenBytes === null ? null : writtenBytes / series.length,
    writeAmplification: writtenBytes === null ? null : writtenBytes / (changed * (KEY_BYTES + valueBytes)),
    spaceAmplification: Math.max(...series.map(({ diskBytes }) => diskBytes)) / tableBytes,
  };
}

/** Of a key in state: a number of 8 bytes. */
export const KEY_BYTES = 8;

/**
 * Updates at full speed of a job that was restored, in windows without and with checkpoints, in turns. Keys that change in an
 * interval are updated over and over until the next one begins, so the share that changes does not depend on the speed.
 */
export async function measureStream({ state, changes, from, stream, directory }) {
  const controls = createControls();
  return withJob({ ...jobOf(state), directory, from }, async (handle) => {
    const measured = async () => {
      await until(() => entriesOf(handle) === state.entries);
      const result = await keptByStream(handle, controls, changes, stream);
      return { ...result, rssBytes: peakRss() };
    };
    return orFailure(handle, measured());
  });
}

async function keptByStream(handle, controls, changes, { intervalMs, windowMs, warmUpMs = windowMs, pairs }) {
  const window = async (isCheckpointed, lastsMs = windowMs) => {
    const summaries = [];
    controls.release(changes, isCheckpointed ? Then.goOnToBarrier : Then.goOn);
    if (isCheckpointed) {
      // All that changed in a window without: it is no cost of a window with them.
      await handle.checkpoint();
      await untilQuiet();
    }
    const before = { atMs: performance.now(), records: handle.progress().records };
    let pending = Promise.resolve();
    for (let tick = 1; tick * intervalMs <= lastsMs; tick++) {
      await sleep(Math.max(0, before.atMs + tick * intervalMs - performance.now()));
      if (!isCheckpointed) {
        controls.release(changes, Then.goOn);
        continue;
      }
      // Like the runtime's own timer: the next one waits for the last one.
      await pending;
      pending = handle.checkpoint().then((summary) => summaries.push({ ...summary, ...partsOf(summary.path) }));
    }
    // What the last one costs belongs to the window as well.
    await pending;
    const elapsedMs = performance.now() - before.atMs;
    return { perSecond: ((handle.progress().records - before.records) / elapsedMs) * 1000, summaries };
  };
  const without = [];
  const withThem = [];
  await window(true, warmUpMs);
  for (let pair = 0; pair < pairs; pair++) {
    // Either goes first as often as the other: what comes first finds more merged, and less to clean.
    const order = pair % 2 === 0 ? [false, true] : [true, false];
    for (const isCheckpointed of order) (isCheckpointed ? withThem : without).push(await window(isCheckpointed));
  }
  controls.settle();
  const summaries = withThem.flatMap(({ summaries: own }) => own);
  return {
    perSecondWithout: without.map(({ perSecond }) => perSecond),
    perSecondWith: withThem.map(({ perSecond }) => perSecond),
    stallMs: summaries.map(({ syncMs }) => syncMs),
    streamed: summaries.map(({ durationMs, newBytes, changedEntries }) => ({ durationMs, newBytes, changedEntries })),
  };
}

/**
 * Memory of the process under random updates with a checkpoint every `intervalMs`.
 *
 * @returns {Promise<{ rssBytes: number[], stateBytes: number, records: number, checkpoints: number }>}  a sample each interval
 */
export async function measureMemory({ state, changes, intervalMs, durationMs, directory, from }) {
  const controls = createControls();
  return withJob({ ...jobOf(state), directory, from }, async (handle) => {
    const measured = async () => {
      await until(() => entriesOf(handle) === state.entries);
      const rssBytes = [];
      const started = performance.now();
      while (performance.now() - started < durationMs) {
        controls.release(changes);
        const next = sleep(intervalMs);
        await until(() => controls.finished, 1);
        await handle.checkpoint();
        rssBytes.push(process.memoryUsage.rss());
        await next;
      }
      const { records, stages, checkpoints } = handle.progress();
      const stateBytes = stages.reduce((sum, stage) => sum + stage.stateBytes, 0);
      return { rssBytes, stateBytes, records, checkpoints: checkpoints.completed };
    };
    return orFailure(handle, measured());
  });
}

/** Bytes that this process has written so far, on Linux; elsewhere nobody counts them: null. */
function bytesWrittenSoFar() {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))[1]);
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

async function untilQuiet() {
  for (let before = bytesWrittenSoFar(); before !== null; ) {
    await sleep(QUIET_MS);
    const now = bytesWrittenSoFar();
    if (now - before < QUIET_BYTES) return;
    before = now;
  }
}

/** Of the files of a directory. One may be deleted while it is looked at. */
function bytesIn(directory) {
  return readdirSync(directory).reduce(
    (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

function peakRss() {
  return process.resourceUsage().maxRSS * 1024;
}
