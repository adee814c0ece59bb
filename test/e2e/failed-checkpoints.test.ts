/** Checkpoints that fail: what is told, what the job does, and that nothing of the earlier ones is lost. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobState } from 'tidemark';
import { describe, expect, it } from 'vitest';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { digestsOf, tablesOf } from '../support/checkpoint-reader.mjs';
import { makeDirectory, runCli, until } from '../support/cli.ts';
import { manifestCannotBeWritten, partCannotBeWritten, startObstructed } from '../support/obstructed-job.ts';
import { manifestAt } from '../support/standing-job.ts';

const RESTART = { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.delay': '1 ms' };

describe('a checkpoint that fails where none is tolerated', () => {
  it.each([
    ['a part cannot be written', partCannotBeWritten, 'no space'],
    ['the manifest cannot be written', manifestCannotBeWritten, 'chk-2'],
  ])('%s: the job fails once, with that reason', async (_, obstruct, reason) => {
    const directory = makeDirectory();
    const handle = await startObstructed(directory);
    const states: JobState[] = [];
    handle.on('state', (state) => states.push(state));
    await handle.checkpoint();
    obstruct(directory, handle, [2]);
    await expect(handle.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED', facts: { checkpointId: 2 } });
    const failure = (await handle.done.catch((error: unknown) => error)) as Error;
    expect(failure).toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    expect(failure.message).toContain('execution.checkpointing.tolerable-failed-checkpoints');
    expect((failure.cause as Error).message).toContain(reason);
    expect(states).toEqual(['failed']);
    expect(handle.progress()).toMatchObject({ restarts: 0, checkpoints: { completed: 1, failed: 1, inProgress: 0 } });
  });

  it('with a restart strategy it goes on from the last complete one, to the same state', async () => {
    const undisturbed = await startObstructed(makeDirectory(), { records: 1500 });
    const expected = digestsOf(manifestAt((await undisturbed.done).lastCheckpoint as string));

    const directory = makeDirectory();
    const handle = await startObstructed(directory, { records: 1500, config: RESTART });
    const restored: number[] = [];
    handle.on('restored', ({ checkpointId }) => restored.push(checkpointId));
    await handle.checkpoint();
    const clear = partCannotBeWritten(directory, handle, []);
    await expect(handle.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    clear();
    const result = await handle.done;
    expect(result).toMatchObject({ status: 'finished', records: 1500, restarts: 1 });
    expect(restored).toEqual([1]);
    expect(digestsOf(manifestAt(result.lastCheckpoint as string))).toEqual(expected);
  });
});

describe('after a checkpoint that failed midway', () => {
  it('a job that fails finds every table of the one before, and ends with the same state', async () => {
    // Long enough for three checkpoints where something else has the cores: 2500 records once were not.
    const undisturbed = await startObstructed(makeDirectory(), { records: 4000 });
    const expected = digestsOf(manifestAt((await undisturbed.done).lastCheckpoint as string));

    const directory = makeDirectory();
    const config = { ...RESTART, 'execution.checkpointing.tolerable-failed-checkpoints': 5 };
    const handle = await startObstructed(directory, { records: 4000, config });
    await handle.checkpoint();
    const { path, checkpointId } = await handle.checkpoint();
    // Its tables are written before the sink fails, and are nobody's then.
    const clear = partCannotBeWritten(directory, handle, []);
    await expect(handle.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    clear();
    const restored: number[] = [];
    handle.on('restored', (restore) => restored.push(restore.checkpointId));
    writeFileSync(join(directory, 'operator-throws'), '');
    await until(() => restored.length > 0, 'restored');
    expect(restored).toEqual([checkpointId]);
    expect((await verifyCheckpoint(realFs, path, { deep: true })).problems).toEqual([]);
    const result = await handle.done;
    expect(result).toMatchObject({ status: 'finished', records: 4000, restarts: 1 });
    expect(digestsOf(manifestAt(result.lastCheckpoint as string))).toEqual(expected);
  });
});

describe('what a sink could not make durable', () => {
  it('is made so before a later checkpoint commits it', async () => {
    const directory = makeDirectory();
    const config = { 'execution.checkpointing.tolerable-failed-checkpoints': 5 };
    const handle = await startObstructed(directory, { config });
    await handle.checkpoint();
    const clear = partCannotBeWritten(directory, handle, []);
    for (const checkpointId of [2, 3])
      await expect(handle.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED', facts: { checkpointId } });
    clear();
    await handle.checkpoint();
    const log = readFileSync(join(directory, 'sink-log'), 'utf8').trimEnd().split('\n');
    const committed = log.filter((line) => line.startsWith('committed'));
    expect(committed.toSorted()).toEqual([1, 2, 3, 4].flatMap((id) => [`committed ${id} of 0`, `committed ${id} of 1`]));
    for (const line of committed) expect(log.indexOf(line.replace('committed', 'persisted')), line).toBeGreaterThanOrEqual(0);
    for (const line of committed) expect(log.indexOf(line.replace('committed', 'persisted'))).toBeLessThan(log.indexOf(line));
  });
});

describe('a part that never comes', () => {
  it('the synchronous part hangs: the job fails with stage, subtask, checkpoint and limit', async () => {
    const directory = makeDirectory();
    const handle = await startObstructed(directory, { config: { 'task.timeout': '300 ms' } });
    await handle.checkpoint();
    writeFileSync(join(directory, 'prepare-hangs'), '');
    await expect(handle.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    const failure = (await handle.done.catch((error: unknown) => error)) as Error;
    expect(failure).toMatchObject({
      code: 'ERR_TASK_TIMEOUT',
      facts: { stage: expect.stringContaining('obstructed'), subtask: expect.any(Number), checkpointId: 2, timeoutMs: 300 },
    });
    expect(failure.message).toMatch(/subtask [01]: its part of checkpoint 2 has not returned .*task\.timeout is 300 ms/);
  });

  it.each([
    [
      'its thread ends while it is written',
      'persist-exits',
      { code: 'ERR_CHECKPOINT_ABORTED', cause: { code: 'ERR_WORKER_EXITED' } },
    ],
    ['a sink prepares what cannot be sent', 'prepare-breaks', { code: 'ERR_SINK_FAILED' }],
  ])('%s: it is known at once, and not by the timeout of checkpoints', async (_, obstacle, reason) => {
    const directory = makeDirectory();
    const config = { ...RESTART, 'execution.checkpointing.timeout': '1 h' };
    const handle = await startObstructed(directory, { config });
    await handle.checkpoint();
    const reasons: unknown[] = [];
    handle.on('restart', ({ error }) => {
      reasons.push(error);
      rmSync(join(directory, obstacle), { force: true });
    });
    writeFileSync(join(directory, obstacle), '');
    await expect(handle.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    await until(() => reasons.length > 0 && handle.state === 'running', 'restarted');
    expect(reasons).toMatchObject([reason]);
    expect((await handle.checkpoint()).kind).toBe('checkpoint');
  });
});

describe('two checkpoints of the same state', () => {
  it('name the same tables, and each is complete without the other', async () => {
    const directory = makeDirectory();
    const config = { 'state.checkpoints.num-retained': 3 };
    const handle = await startObstructed(directory, { records: 400, ratePerSecond: Infinity, config });
    const first = (await handle.done).lastCheckpoint as string;
    const own = tablesOf(manifestAt(first));
    // All input has been read: nothing changes any more.
    const again = await startObstructed(directory, { records: 400, from: first, config });
    const result = await again.done;
    const second = result.lastCheckpoint as string;
    expect(second).not.toBe(first);
    expect(tablesOf(manifestAt(second)).map(({ hash }) => hash)).toEqual(own.map(({ hash }) => hash));
    rmSync(first, { recursive: true });
    expect((await verifyCheckpoint(realFs, second, { deep: true })).problems).toEqual([]);
  });
});

describe('a savepoint that fails', () => {
  it("stands in the history with its reason, and is not one of the job's checkpoints", async () => {
    const directory = makeDirectory();
    const handle = await startObstructed(directory);
    const failed: number[] = [];
    handle.on('checkpointFailed', ({ checkpointId }) => failed.push(checkpointId));
    await handle.checkpoint();
    const clear = partCannotBeWritten(directory, handle, []);
    const target = join(directory, 'savepoints');
    await expect(handle.savepoint(target)).rejects.toMatchObject({ code: 'ERR_SAVEPOINT_FAILED' });
    clear();
    await handle.savepoint(target);
    expect(handle.progress().checkpoints).toMatchObject({ completed: 1, failed: 0 });
    expect(failed).toEqual([]);
    const [saved, record] = await handle.history();
    expect(saved).toMatchObject({ type: 'completed', kind: 'savepoint', checkpointId: 3 });
    expect(record).toMatchObject({
      type: 'failed',
      trigger: 'savepoint',
      checkpointId: 2,
      code: 'ERR_SAVEPOINT_FAILED',
      message: expect.stringMatching(/No savepoint was taken in .*savepoints: .*no space/),
      subtaskCount: 4,
    });
    await handle.stop();

    const listed = await runCli(directory, ['checkpoints', 'list', 'checkpoints']);
    expect(listed.stdout).toMatch(/^obstructed +savepoint 2 +failed .* savepoint .*ERR_SAVEPOINT_FAILED: .*no space/m);
    expect(listed.stdout).toMatch(/2 completed, 1 savepoint, 1 failed$/m);
  });
});
