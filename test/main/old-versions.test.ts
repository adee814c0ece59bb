/**
 * The word `completed`, by which the state maps drop old versions, under the real checkpointing: it is never beyond the barrier to which
 * a delta is being written, or the delta's digest would be counted from versions that are gone (`StateMap.complete`).
 */
import { describe, expect, test } from 'vitest';
import type { PersistTask, Task } from '../../src/worker/protocol.ts';
import { type SimulatedJob, World } from './simulated-job.ts';

const isPersist = (task: Task): task is PersistTask => task.op === 'persist';
const persistOf = (checkpointId: number) => (task: Task) => isPersist(task) && task.checkpointId === checkpointId;
const ofSubtask = (subtask: number) => (task: Task) => isPersist(task) && task.subtask === subtask;

/** A job with one complete checkpoint, and another state than that one's. */
async function started(world: World, maxConcurrent = 1): Promise<SimulatedJob> {
  const job = world.start({ maxConcurrent });
  world.change(job.state);
  await job.checkpoint();
  expect(job.completedWord).toBe(1);
  world.change(job.state);
  return job;
}

describe('old versions of a state', () => {
  test('are kept for a delta whose barrier passed before the last checkpoint was complete', async () => {
    const world = new World();
    const job = await started(world, 2);
    job.hold = persistOf(3);
    const second = job.begin();
    world.change(job.state);
    const third = job.begin();
    await second;
    await job.idle();
    expect(job.held.map(({ task }) => (task as PersistTask).after)).toEqual([1, 1]);
    expect(job.completedWord).toBe(1);
    await job.release(ofSubtask(0));
    expect(job.completedWord).toBe(1);
    await job.release(ofSubtask(1));
    expect((await third).checkpointId).toBe(3);
    expect(job.completedWord).toBe(3);
    world.check(job.jobDir);
    job.kill();
  });

  for (const kind of ['checkpoint', 'savepoint'] as const) {
    test(`are kept for a part of an aborted ${kind} that is still being written, while later checkpoints complete`, async () => {
      const world = new World();
      const job = await started(world);
      job.hold = (task) => persistOf(2)(task) && ofSubtask(0)(task);
      job.fail = (task) => {
        if (persistOf(2)(task) && ofSubtask(1)(task)) throw new Error('the disk is full');
      };
      await expect(kind === 'checkpoint' ? job.checkpoint() : job.savepoint('canonical')).rejects.toThrow('the disk is full');
      for (const id of [3, 4]) {
        world.change(job.state);
        expect((await job.checkpoint()).checkpointId).toBe(id);
        expect(job.completedWord).toBe(1);
      }
      await job.release();
      expect(job.completedWord).toBe(4);
      world.check(job.jobDir);
      job.kill();
    });
  }

  test('are given up when the last part of an aborted checkpoint fails late', async () => {
    const world = new World();
    const job = await started(world);
    job.hold = (task) => persistOf(2)(task) && ofSubtask(0)(task);
    job.fail = (task) => {
      if (persistOf(2)(task)) throw new Error('the disk is full');
    };
    await expect(job.checkpoint()).rejects.toThrow('the disk is full');
    expect((await job.checkpoint()).checkpointId).toBe(3);
    expect(job.completedWord).toBe(1);
    await job.release();
    expect(job.completedWord).toBe(3);
    job.kill();
  });

  test('are not kept for a part that is written whole: it looks at nothing before its barrier', async () => {
    const world = new World();
    const job = await started(world);
    job.full = true;
    job.hold = (task) => persistOf(2)(task) && ofSubtask(0)(task);
    job.fail = (task) => {
      if (persistOf(2)(task) && ofSubtask(1)(task)) throw new Error('the disk is full');
    };
    await expect(job.checkpoint()).rejects.toThrow('the disk is full');
    expect((await job.checkpoint()).checkpointId).toBe(3);
    expect(job.completedWord).toBe(3);
    job.kill();
  });
});
