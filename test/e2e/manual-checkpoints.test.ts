/** Checkpoints that are asked for, beside periodic ones and without them. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listCheckpoints } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import { startObstructed } from '../support/obstructed-job.ts';

describe('a checkpoint by hand', () => {
  it('while there are no periodic ones: there are exactly those that were asked for', async () => {
    const directory = makeDirectory();
    const config = { 'execution.checkpointing.interval': 'none', 'state.checkpoints.num-retained': 10 };
    const handle = await startObstructed(directory, { config });
    const taken = [await handle.checkpoint(), ...(await Promise.all([handle.checkpoint(), handle.checkpoint()]))];
    taken.push(await handle.checkpoint());
    // Two that are asked for while another is pending wait for one more, and share it or follow each other.
    const numbers = [...new Set(taken.map(({ checkpointId }) => checkpointId))];
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    for (const { trigger, kind } of taken) expect([trigger, kind]).toEqual(['manual', 'checkpoint']);
    expect(handle.progress().checkpoints).toEqual({ completed: numbers.length, failed: 0, inProgress: 0 });
    expect(listCheckpoints(join(directory, 'checkpoints')).map(({ checkpointId }) => checkpointId)).toEqual(numbers);
    expect(await handle.history()).toHaveLength(numbers.length);
  });

  it('between periodic ones: each is complete when it is answered, and both kinds are counted', async () => {
    const directory = makeDirectory();
    const config = { 'execution.checkpointing.interval': '20 ms', 'state.checkpoints.num-retained': 3 };
    const handle = await startObstructed(directory, { config });
    const asked: number[] = [];
    for (let i = 0; i < 5; i++) {
      const { checkpointId, trigger } = await handle.checkpoint();
      expect(trigger).toBe('manual');
      expect(handle.progress().lastCheckpoint?.checkpointId).toBeGreaterThanOrEqual(checkpointId);
      asked.push(checkpointId);
      await until(() => (handle.progress().lastCheckpoint?.checkpointId ?? 0) > checkpointId, 'a periodic one');
    }
    const records = (await handle.history(1000)).filter(({ type }) => type === 'completed');
    const triggers = new Map(records.map((record) => [record.checkpointId, 'trigger' in record ? record.trigger : '']));
    expect([...triggers].filter(([, trigger]) => trigger === 'manual').map(([id]) => id)).toEqual(asked.toReversed());
    // Numbers without a gap: every checkpoint is one of the two kinds.
    expect(records.map(({ checkpointId }) => checkpointId)).toEqual(records.map((_, i) => records.length - i));
    expect([...triggers.values()].filter((trigger) => trigger === 'periodic').length).toBeGreaterThanOrEqual(5);
    await handle.cancel();
    expect(handle.progress().checkpoints.completed).toBeGreaterThanOrEqual(records.length);
    expect(handle.progress().checkpoints.failed).toBe(0);
  });

  it('the history is told after the end as well, also when nothing is kept on disk', async () => {
    const directory = makeDirectory();
    const config = {
      'execution.checkpointing.externalized-checkpoint-retention': 'NO_EXTERNALIZED_CHECKPOINTS',
      'state.checkpoints.num-retained': 1,
    };
    const handle = await startObstructed(directory, { config });
    for (let i = 0; i < 3; i++) await handle.checkpoint();
    const running = await handle.history();
    await handle.stop();
    expect(listCheckpoints(join(directory, 'checkpoints'))).toEqual([]);
    const told = await handle.history();
    expect(told.map(({ checkpointId }) => checkpointId)).toEqual([4, 3, 2, 1]);
    expect(told.slice(1)).toEqual(running);
    expect(await handle.history(1)).toEqual(told.slice(0, 1));
  });
});
