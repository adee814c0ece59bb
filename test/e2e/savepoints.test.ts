/** Savepoints: taken while a job runs and when it stops, restored elsewhere, and never anyone's but the user's. */
import { cpSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type JobHandle, run, type RunOptions } from 'tidemark';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { digestsOf, listCheckpoints, readManifest, tablesOf } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import { ledgerRecords } from '../support/oracle-ledger.mjs';
import { compareOutput, readLines } from '../support/output.mjs';
import { projectRoot } from '../support/sources.ts';

const ENTRIES = 12_000;
const ACCOUNTS = 120;
/** Records of one split of the standing job, which has four. */
const STANDING = 1_500;

type Config = NonNullable<RunOptions['config']>;
const CHECKPOINTS_OFF: Config = { 'state.checkpoints.dir': 'none', 'execution.checkpointing.interval': 'none' };

async function startJob(file: string, directory: string, args: readonly string[], options: RunOptions): Promise<JobHandle> {
  const handle = await run(pathToFileURL(join(projectRoot, 'test/e2e/jobs', file)), {
    parallelism: 2,
    ...options,
    args,
    config: {
      'state.checkpoints.dir': join(directory, 'checkpoints'),
      'state.savepoints.dir': join(directory, 'savepoints'),
      'execution.checkpointing.interval': '30 ms',
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
      'pipeline.max-parallelism': 64,
      ...options.config,
    },
  });
  onTestFinished(() => handle.cancel());
  return handle;
}

/** Bounded: it finishes. */
function startLedger(directory: string, options: RunOptions & { readonly rate?: number } = {}): Promise<JobHandle> {
  const { rate = 10_000, ...others } = options;
  return startJob('ledger.mjs', directory, [String(ENTRIES), String(ACCOUNTS), String(rate), join(directory, 'out')], others);
}

/** Reads all there is, and then stands still until it is stopped. */
async function startStanding(directory: string, options: RunOptions & { readonly pauseMs?: number } = {}): Promise<JobHandle> {
  const { pauseMs = 0, ...others } = options;
  const args = [String(STANDING), join(directory, 'out'), String(pauseMs)];
  return startJob('standing.mjs', directory, args, { threads: 1, ...others });
}

async function standingStill(handle: JobHandle): Promise<void> {
  await until(() => handle.state === 'running', 'running');
  await reached(handle, 4 * STANDING);
}

async function reached(handle: JobHandle, records: number): Promise<void> {
  await until(() => handle.progress().records >= records, `${records} records`);
}

function manifestOf(path: string): Manifest {
  return readManifest(join(path, '_metadata')) as Manifest;
}

/** What sinks have committed. */
function readOutput(directory: string): Record<string, unknown>[] {
  const out = join(directory, 'out');
  return existsSync(out) ? readLines(out).map((line) => JSON.parse(line) as Record<string, unknown>) : [];
}

function expectWholeLedger(directory: string): void {
  expect(compareOutput(join(directory, 'out'), ledgerRecords(ENTRIES, ACCOUNTS))).toMatchObject({ lost: [], extra: [] });
}

/** Content of every table of a savepoint, by name. */
function tablesIn(savepoint: string): Readonly<Record<string, string>> {
  const names = readdirSync(savepoint).filter((name) => name.endsWith('.sst'));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(savepoint, name), 'base64')]));
}

/** What a canonical savepoint says of operators and their state, without what was measured and what went to the sinks. */
function contentOf(savepoint: string): unknown {
  const { operators, stages } = manifestOf(savepoint);
  // The name of the file sink is its directory.
  const others = new Set(['statistics', 'committables', 'name', 'createdBy']);
  return JSON.parse(JSON.stringify({ operators, stages }, (key, value: unknown) => (others.has(key) ? 0 : value)));
}

/** Damages a table of the newest checkpoint so that only who reads it notices. */
function damageATable(directory: string): void {
  const { path, metadata } = listCheckpoints(join(directory, 'checkpoints')).at(-1) as { path: string; metadata: string };
  const [{ hash }] = tablesOf(readManifest(metadata));
  const fd = openSync(join(path, '../shared', `${hash}.sst`), 'r+');
  writeSync(fd, Buffer.from('damaged!'), 0, 8, 64);
  closeSync(fd);
}

/** Between the check of the directory and the writing. */
function becomeAFile(directory: string): void {
  rmSync(directory, { recursive: true });
  writeFileSync(directory, '');
}

describe('a savepoint of a running job', () => {
  it.for(['canonical', 'native'] as const)('%s: is moved elsewhere and restored at another parallelism', async (format) => {
    const directory = makeDirectory();
    const handle = await startLedger(directory);
    await reached(handle, 2_000);
    const summary = await handle.savepoint(undefined, { format });
    expect(summary).toMatchObject({ kind: 'savepoint', trigger: 'savepoint', referencedBytes: 0 });
    expect(summary.path.startsWith(join(directory, 'savepoints', `savepoint-${handle.jobId.slice(0, 6)}-`))).toBe(true);
    const { lastCheckpoint } = await handle.done;
    expectWholeLedger(directory);

    const manifest = manifestOf(summary.path);
    expect(manifest).toMatchObject({ kind: 'savepoint', savepointFormat: format, checkpointId: summary.checkpointId });
    const own = new Set(tablesOf(manifest).map(({ hash }) => `${hash}.sst`));
    expect(readdirSync(summary.path).toSorted()).toEqual([...own, '_metadata'].toSorted());

    const elsewhere = makeDirectory();
    cpSync(summary.path, join(elsewhere, 'archive'), { recursive: true });
    const digests = digestsOf(manifestOf(lastCheckpoint as string));
    rmSync(join(directory, 'checkpoints'), { recursive: true });
    rmSync(join(directory, 'savepoints'), { recursive: true });
    const again = await startLedger(elsewhere, { from: join(elsewhere, 'archive'), parallelism: 3, rate: Infinity });
    const result = await again.done;
    expect(result).toMatchObject({ status: 'finished', records: ENTRIES, restoredFrom: join(elsewhere, 'archive') });
    expect(digestsOf(manifestOf(result.lastCheckpoint as string))).toEqual(digests);
  });

  it('canonical: is the same bytes for the same state, whatever the parallelism, the threads and the history', async () => {
    const savepoints: string[] = [];
    const take = async (options: Parameters<typeof startStanding>[1]): Promise<void> => {
      const directory = makeDirectory();
      const handle = await startStanding(directory, options);
      await standingStill(handle);
      savepoints.push((await handle.savepoint(join(directory, 'kept'))).path);
      await handle.cancel();
    };
    await take({ parallelism: 1, threads: 1 });
    await take({ parallelism: 2, pauseMs: 5, config: { 'execution.checkpointing.interval': '5 ms' } });
    await take({ parallelism: 3, threads: 2, config: { 'execution.checkpointing.incremental': false } });
    await take({ parallelism: 3, config: CHECKPOINTS_OFF });

    // A life with a stop, a restore from a checkpoint, and one from a native savepoint, each at another parallelism.
    const directory = makeDirectory();
    const first = await startStanding(directory, { pauseMs: 20 });
    await reached(first, STANDING);
    const { path } = (await first.stop({ savepointDirectory: join(directory, 'own'), savepointFormat: 'native' })) as {
      path: string;
    };
    await take({ parallelism: 3, from: path });
    await take({ parallelism: 1, from: savepoints[2] });

    for (const savepoint of savepoints) {
      expect(tablesIn(savepoint)).toEqual(tablesIn(savepoints[0]));
      expect(contentOf(savepoint)).toEqual(contentOf(savepoints[0]));
    }
  });

  it('commits no sink, leaves no checkpoint, and is not counted among those that are retained', async () => {
    const directory = makeDirectory();
    const config = { 'execution.checkpointing.interval': '1 h', 'state.checkpoints.num-retained': 2 };
    const handle = await startStanding(directory, { config });
    await standingStill(handle);
    const numbers = (): number[] => listCheckpoints(join(directory, 'checkpoints')).map(({ checkpointId }) => checkpointId);
    const savepoint = await handle.savepoint();
    expect(numbers()).toEqual([]);
    expect(readOutput(directory)).toEqual([]);
    const first = await handle.checkpoint();
    expect(readOutput(directory)).toHaveLength(4 * STANDING);
    for (let i = 0; i < 3; i++) await handle.savepoint();
    expect(numbers()).toEqual([first.checkpointId]);
    const last = await handle.checkpoint();
    expect(numbers()).toEqual([first.checkpointId, last.checkpointId]);
    expect(manifestOf(last.path).parent).toEqual({ jobId: handle.jobId, checkpointId: first.checkpointId });

    // No checkpoint needs a file of a savepoint, and no savepoint needs one of the job.
    expect(readdirSync(join(directory, 'savepoints'))).toHaveLength(4);
    rmSync(join(directory, 'savepoints'), { recursive: true });
    await handle.cancel();
    const again = await startStanding(makeDirectory(), { from: last.path });
    await until(() => again.state === 'running', 'restored');
    expect(savepoint.checkpointId).toBe(1);
  });

  it('is whole however checkpoints, merges and deletions go on around it, and leaves them whole', async () => {
    const directory = makeDirectory();
    // One checkpoint is retained: whatever a savepoint still reads is about to be deleted.
    const config = { 'execution.checkpointing.interval': '4 ms', 'execution.checkpointing.max-concurrent-checkpoints': 3 };
    const handle = await startLedger(directory, { rate: 8_000, config });
    await reached(handle, 100);
    const taken: Promise<{ readonly path: string }>[] = [];
    for (let i = 0; handle.progress().records < ENTRIES - 1_000; i++) {
      taken.push(handle.savepoint(undefined, { format: i % 2 === 0 ? 'native' : 'canonical' }));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const savepoints = await Promise.all(taken);
    const { lastCheckpoint } = await handle.done;
    expectWholeLedger(directory);
    expect(savepoints.length).toBeGreaterThan(20);
    for (const { path } of [...savepoints, { path: lastCheckpoint as string }])
      expect((await verifyCheckpoint(realFs, path, { deep: true })).problems).toEqual([]);
  });

  it.for([{}, CHECKPOINTS_OFF])('that cannot be written leaves the job running and nothing behind (%o)', async (config) => {
    const directory = makeDirectory({ file: '' });
    const handle = await startLedger(directory, { config });
    await reached(handle, 1_000);
    await expect(handle.savepoint(join(directory, 'file', 'savepoints'))).rejects.toMatchObject({
      code: 'ERR_SAVEPOINT_FAILED',
      message: expect.stringContaining('is a file'),
    });
    await expect(handle.savepoint(undefined, { format: 'other' as 'native' })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG' });
    expect((await handle.done).status).toBe('finished');
    expectWholeLedger(directory);
  });

  it('whose tables are found damaged fails alone: the job goes on and the target is empty', async () => {
    const directory = makeDirectory();
    const handle = await startStanding(directory, { config: { 'execution.checkpointing.interval': '1 h' } });
    await standingStill(handle);
    await handle.checkpoint();
    damageATable(directory);
    await expect(handle.savepoint()).rejects.toMatchObject({
      code: 'ERR_SAVEPOINT_FAILED',
      message: expect.stringContaining('.sst'),
    });
    expect(readdirSync(join(directory, 'savepoints'))).toEqual([]);
    expect(handle.state).toBe('running');
    expect((await handle.checkpoint()).kind).toBe('checkpoint');
    expect(await handle.stop({ retain: true })).toMatchObject({ kind: 'checkpoint', trigger: 'stop' });
  });

  it('is refused without a directory to go to', async () => {
    const directory = makeDirectory();
    const handle = await startLedger(directory, { config: { 'state.savepoints.dir': 'none' } });
    await reached(handle, 100);
    await expect(handle.savepoint()).rejects.toMatchObject({
      code: 'ERR_SAVEPOINT_FAILED',
      message: expect.stringContaining('execution.checkpointing.savepoint-dir'),
    });
  });

  it('leaves no half of one behind when the job is cancelled while it is written', async () => {
    const directory = makeDirectory();
    const handle = await startStanding(directory, { config: CHECKPOINTS_OFF });
    await standingStill(handle);
    const taking = handle.savepoint().catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 3));
    await handle.cancel();
    const outcome = await taking;
    const names = readdirSync(join(directory, 'savepoints'));
    if (outcome instanceof Error) expect(names).toEqual([]);
    else expect(names).toHaveLength(1);
  });
});

describe('stop', () => {
  it.for([{}, CHECKPOINTS_OFF])(
    'with a savepoint: sinks have committed exactly what it holds when it returns (%o)',
    async (config) => {
      const directory = makeDirectory();
      const handle = await startLedger(directory, { config });
      await reached(handle, 3_000);
      const summary = await handle.stop();
      expect(summary).toMatchObject({ kind: 'savepoint', trigger: 'stop' });
      const { path } = summary as { path: string };
      const { records } = manifestOf(path).counters;
      expect(records).toBeLessThan(ENTRIES);
      expect(readOutput(directory)).toHaveLength(records);
      expect(await handle.done).toMatchObject({ status: 'stopped', records });

      const again = await startLedger(directory, { from: path, rate: Infinity, parallelism: 1, config });
      expect((await again.done).status).toBe('finished');
      expectWholeLedger(directory);
      expect(existsSync(path)).toBe(true);
    },
  );

  it('with a savepoint: what resumes after a kill before the end goes on from the same place', async () => {
    const directory = makeDirectory();
    const handle = await startLedger(directory);
    await reached(handle, 3_000);
    const { checkpointId } = (await handle.stop()) as { checkpointId: number };
    // The checkpoint of the same barrier: what was committed with the savepoint is not written again by a resume.
    const newest = listCheckpoints(join(directory, 'checkpoints')).at(-1);
    expect(newest?.checkpointId).toBe(checkpointId);
    const again = await startLedger(directory, { resume: true, rate: Infinity });
    expect((await again.done).status).toBe('finished');
    expectWholeLedger(directory);
  });

  it('without a directory for savepoints ends with a checkpoint', async () => {
    const directory = makeDirectory();
    const handle = await startLedger(directory, { config: { 'state.savepoints.dir': 'none' } });
    await reached(handle, 1_000);
    expect(await handle.stop()).toMatchObject({ kind: 'checkpoint', trigger: 'stop' });
    expect((await handle.done).status).toBe('stopped');
  });

  it('whose savepoint cannot be written leaves the job running: it reads on, and may be stopped again', async () => {
    const directory = makeDirectory();
    const handle = await startLedger(directory, { rate: 6_000, config: { 'execution.checkpointing.interval': '1 h' } });
    await reached(handle, 1_000);
    const stopping = handle.stop();
    becomeAFile(join(directory, 'savepoints'));
    await expect(stopping).rejects.toMatchObject({ code: 'ERR_SAVEPOINT_FAILED' });
    expect(handle.state).toBe('running');
    expect(listCheckpoints(join(directory, 'checkpoints'))).toEqual([]);
    expect(readOutput(directory)).toEqual([]);
    await reached(handle, handle.progress().records + 500);
    expect(await handle.stop({ retain: true })).toMatchObject({ kind: 'checkpoint' });
    expect((await handle.done).status).toBe('stopped');
  });

  it('is answered once for all who ask for it while it is under way', async () => {
    const directory = makeDirectory();
    const handle = await startLedger(directory);
    await reached(handle, 1_000);
    const both = await Promise.all([handle.stop(), handle.stop({ retain: true })]);
    expect(both[0]).toEqual(both[1]);
    expect(await handle.stop()).toBeNull();
  });

  it('with drain: the input ends where it was read to, all results of the end come out once, and then it is taken', async () => {
    const directory = makeDirectory();
    const handle = await startLedger(directory);
    await reached(handle, 3_000);
    const { path } = (await handle.stop({ drain: true })) as { path: string };
    const { counters, stages } = manifestOf(path);
    expect(counters['records']).toBeLessThan(ENTRIES);
    expect(stages.every((stage) => stage.subtasks.every((subtask) => subtask.finished))).toBe(true);
    const out = readOutput(directory);
    const entries = out.filter(({ index }) => index !== undefined);
    expect(entries).toHaveLength(counters['records']);
    const ends = out.filter(({ balance }) => balance !== undefined);
    expect(ends).toHaveLength(ACCOUNTS);
    expect(out.filter(({ sum }) => sum !== undefined)).toHaveLength(ACCOUNTS);
  });

  it('with drain, failing: what the end emitted is undone, and the job starts again from its last checkpoint', async () => {
    const directory = makeDirectory();
    const handle = await startLedger(directory, {
      rate: 5_000,
      config: {
        'execution.checkpointing.interval': '1 h',
        'restart-strategy.type': 'fixed-delay',
        'restart-strategy.fixed-delay.delay': '1 ms',
      },
    });
    await reached(handle, 1_000);
    await handle.checkpoint();
    const stopping = handle.stop({ drain: true });
    becomeAFile(join(directory, 'savepoints'));
    await expect(stopping).rejects.toMatchObject({ code: 'ERR_SAVEPOINT_FAILED' });
    expect((await handle.done).status).toBe('finished');
    expectWholeLedger(directory);
  });
});
