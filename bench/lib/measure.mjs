/**
 * Runs a job of `bench/jobs/` in this process and measures it. Functions here are called through `isolated.mjs`, each in a process
 * of its own, so that no measurement inherits heap, compiled code or threads of another.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../dist/main/run.js';

/** A job that does not do in this time what is waited for is taken as stuck. */
const PATIENCE_MS = 120_000;

/**
 * Throughput of an unbounded job once it is warm: the records that its sources emitted in a window of time. What is in
 * flight at both ends of the window is bounded by the channels' time, tens of milliseconds. The window is longer where no
 * checkpoint was completed in it.
 *
 * @param job             name of a file in `bench/jobs/`, without extension
 * @param intervalMs      between checkpoints; null: none
 * @param minimumEntries  entries of keyed state before the warm-up begins
 * @param minimumCheckpoints  that are waited for, however long the window becomes
 * @param sampleMs        between two samples of the records emitted so far; null: none are taken
 * @returns records per second, CPU time of the process, completed checkpoints and samples in the window, bytes of state after it;
 *          times are milliseconds from the beginning of the window
 * @throws when the job fails, or does not become ready or complete a checkpoint in `PATIENCE_MS`
 */
export async function steadyRate({
  job,
  args,
  threads,
  intervalMs,
  minimumEntries = 0,
  warmUpMs,
  windowMs,
  // Without a single checkpoint it would not be the throughput of a durable job.
  minimumCheckpoints = 1,
  sampleMs = null,
}) {
  return withJob({ job, args, threads, intervalMs }, async (handle) => {
    const checkpoints = [];
    handle.on('checkpoint', (summary) =>
      checkpoints.push({ ...summary, ...partsOf(summary.path), completedMs: performance.now() }),
    );
    const measured = async () => {
      await until(() => handle.progress().records > 0 && entriesOf(handle) >= minimumEntries);
      await sleep(warmUpMs);
      checkpoints.length = 0;
      const before = sample(handle);
      const samples = [];
      const take = () => {
        const { atMs, records } = sample(handle);
        samples.push({ atMs: atMs - before.atMs, records: records - before.records });
      };
      const sampling = sampleMs === null ? undefined : setInterval(take, sampleMs);
      await sleep(windowMs);
      // Each may take its time, on a slow disk: a job is stuck when none comes.
      if (intervalMs !== null)
        for (let next = 1; next <= minimumCheckpoints; next++) await until(() => checkpoints.length >= next);
      clearInterval(sampling);
      const after = sample(handle);
      const elapsedMs = after.atMs - before.atMs;
      const records = after.records - before.records;
      return {
        perSecond: (records / elapsedMs) * 1000,
        records,
        elapsedMs,
        cpuMs: after.cpuMs - before.cpuMs,
        stateBytes: stateBytesOf(handle),
        checkpoints: checkpoints.map(({ completedMs, ...checkpoint }) => ({ ...checkpoint, atMs: completedMs - before.atMs })),
        samples,
      };
    };
    return orFailure(handle, measured());
  });
}

/**
 * A bounded job from its first record to its end.
 *
 * @returns {Promise<{ elapsedMs: number, checkpoints: number }>}
 */
export async function timeToEnd({ job, args, threads, intervalMs }) {
  return withJob({ job, args, threads, intervalMs }, async (handle) => {
    await orFailure(
      handle,
      until(() => handle.progress().records > 0 || handle.state === 'finished', 1),
    );
    const started = performance.now();
    const result = await handle.done;
    return { elapsedMs: performance.now() - started, checkpoints: result.checkpoints.completed };
  });
}

/**
 * Fills the state of a job, takes one checkpoint of it into `directory`, and stops.
 *
 * @returns {Promise<{ path: string, liveBytes: number, fileBytes: number }>} of the checkpoint; bytes in memory, and of its tables
 */
export async function fill({ job, args, threads, minimumEntries, directory }) {
  return withJob({ job, args, threads, directory }, async (handle) => {
    await orFailure(
      handle,
      until(() => entriesOf(handle) >= minimumEntries),
    );
    const summary = await handle.stop({ retain: true });
    return { path: summary.path, liveBytes: summary.liveBytes, fileBytes: summary.newBytes + summary.referencedBytes };
  });
}

/** Starts a job from a checkpoint, and stops when its state is there. @returns {Promise<{ entries: number, durationMs: number }>} */
export async function restore({ job, args, threads, from }) {
  return withJob({ job, args, threads, from }, (handle) => {
    const restored = new Promise((resolve) => {
      handle.once('restored', ({ entries, durationMs }) => resolve({ entries, durationMs }));
    });
    return orFailure(handle, restored);
  });
}

/**
 * Starts a job, and ends it whatever happens. Without a directory of the caller's its checkpoints go to a temporary one.
 *
 * @param config  further keys of the configuration
 */
export async function withJob({ job, args, threads, directory, intervalMs = null, from, config = {} }, use) {
  const checkpoints = directory ?? mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  try {
    const handle = await run(new URL(`../jobs/${job}.mjs`, import.meta.url), {
      args: args.map(String),
      threads,
      parallelism: threads,
      ...(from !== undefined && { from }),
      config: {
        'execution.checkpointing.dir': checkpoints,
        ...(intervalMs !== null && { 'execution.checkpointing.interval': `${String(intervalMs)} ms` }),
        // A failure is to be seen, not to be measured.
        'restart-strategy.type': 'none',
        ...config,
      },
    });
    try {
      return await use(handle);
    } finally {
      await handle.cancel();
    }
  } finally {
    if (directory === undefined) rmSync(checkpoints, { recursive: true, force: true });
  }
}

/** The promise's value, unless the job ends before. */
export function orFailure(handle, promise) {
  const ended = handle.done.then((result) => {
    throw new Error(`job '${handle.jobName}' ended (${result.status}) before it was measured`);
  });
  ended.catch(() => {});
  return Promise.race([promise, ended]);
}

export async function until(condition, everyMs = 5) {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms in vain for: ${condition}`);
    await sleep(everyMs);
  }
}

function sample(handle) {
  const { records } = handle.progress();
  const { user, system } = process.cpuUsage();
  return { atMs: performance.now(), records, cpuMs: (user + system) / 1000 };
}

export function entriesOf(handle) {
  return handle.progress().stages.reduce((sum, stage) => sum + stage.stateEntries, 0);
}

function stateBytesOf(handle) {
  return handle.progress().stages.reduce((sum, stage) => sum + stage.stateBytes, 0);
}

/** What the subtasks did, from the manifest: lines of JSON, then a line with their checksum. It may be gone already, when a newer one is complete. */
export function partsOf(path) {
  let text;
  try {
    text = readFileSync(join(path, '_metadata'), 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return { changedEntries: null, subtaskSyncMs: null };
  }
  const manifest = JSON.parse(text.trimEnd().split('\n').slice(0, -1).join('\n'));
  const subtasks = manifest.stages.flatMap((stage) => stage.subtasks);
  return {
    changedEntries: subtasks.reduce((sum, { statistics }) => sum + statistics.changedEntries, 0),
    subtaskSyncMs: subtasks.map(({ statistics }) => statistics.syncMs),
  };
}
