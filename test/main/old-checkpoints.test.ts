import { describe, expect, test } from 'vitest';
import type { Attempt } from '../../src/main/attempt.ts';
import { OldCheckpoints } from '../../src/main/old-checkpoints.ts';
import type { CollectGarbageTask } from '../../src/worker/protocol.ts';

/** Collections that end when they are told to. */
function slow(retained: number, before: readonly number[] = [], abandoned: readonly string[] = []) {
  const tasks: { readonly task: CollectGarbageTask; end(error?: Error, failures?: number): void }[] = [];
  const waiting: number[] = [];
  const notices: string[] = [];
  const cleared: string[] = [];
  const deleted: string[] = [];
  const attempt = {
    run: (task: CollectGarbageTask) =>
      new Promise((resolve, reject) =>
        tasks.push({
          task,
          end: (error, failures = 0) => (error === undefined ? resolve({ failures, chosen: ['b'] }) : reject(error)),
        }),
      ),
  };
  const old = new OldCheckpoints(attempt as unknown as Attempt, {
    jobDirectory: '/chk/job',
    retained,
    before,
    inFlight: () => ['a'],
    abandoned: () => abandoned,
    cleared: (hashes) => cleared.push(...hashes),
    deleted: (hashes) => deleted.push(...hashes),
    waiting: (count) => waiting.push(count),
    notice: (text) => notices.push(text),
  });
  return { old, tasks, waiting, notices, cleared, deleted };
}

/** Lets what is due happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('old checkpoints', () => {
  test('nothing is deleted before more are complete than are retained, those of an earlier attempt included', async () => {
    const { old, tasks } = slow(2, [4]);
    old.add(5, Promise.resolve());
    await settle();
    expect(tasks).toEqual([]);
    old.add(6, Promise.resolve());
    await settle();
    expect(tasks[0].task).toEqual({ op: 'gc', jobDirectory: '/chk/job', retain: [5, 6], inFlight: ['a'], abandoned: [] });
  });

  test('collections are one after another, and all that waits is counted until its own has ended', async () => {
    const { old, tasks, waiting } = slow(1);
    for (const id of [1, 2, 3]) old.add(id, Promise.resolve());
    await settle();
    expect(waiting).toEqual([1, 2]);
    expect(tasks).toHaveLength(1);
    tasks[0].end();
    await settle();
    expect(waiting).toEqual([1, 2, 1]);
    tasks[1].end();
    await settle();
    expect(waiting.at(-1)).toBe(0);
    expect(tasks.map(({ task }) => task.retain)).toEqual([[2], [3]]);
  });

  test('abandoned tables are deleted although nothing is subsumed, and are remembered until they are gone', async () => {
    const { old, tasks, cleared } = slow(3, [], ['x']);
    old.add(1, Promise.resolve());
    await settle();
    expect(tasks[0].task).toMatchObject({ retain: [1], abandoned: ['x'] });
    tasks[0].end(undefined, 1);
    await settle();
    expect(cleared).toEqual([]);
    old.add(2, Promise.resolve());
    await settle();
    tasks[1].end();
    await settle();
    expect(cleared).toEqual(['x']);
  });

  /** A table may be written again, with the content of one that is being deleted: then it goes too, after publication has looked. */
  test('a publication waits for the collection that runs, and not for those that have not begun', async () => {
    const { old, tasks, deleted } = slow(1);
    let committed = (): void => undefined;
    await old.collected();
    old.add(1, Promise.resolve());
    old.add(2, Promise.resolve());
    old.add(3, new Promise<void>((resolve) => (committed = resolve)));
    await settle();
    let ended = false;
    const collected = old.collected().then(() => (ended = true));
    await settle();
    expect({ running: tasks.length, ended }).toEqual({ running: 1, ended: false });
    tasks[0].end();
    await collected;
    expect(tasks).toHaveLength(1);
    expect(deleted).toEqual(['b']);
    committed();
    await settle();
    tasks[1].end();
    await old.stop();
  });

  test('nothing is deleted before the sinks have committed', async () => {
    const { old, tasks } = slow(1, [1]);
    let committed = (): void => undefined;
    old.add(2, new Promise<void>((resolve) => (committed = resolve)));
    await settle();
    expect(tasks).toEqual([]);
    committed();
    await settle();
    expect(tasks).toHaveLength(1);
  });

  test('a collection that fails is told and does not hold up the job; after the end there is none', async () => {
    const { old, tasks, waiting, notices } = slow(1, [1]);
    old.add(2, Promise.resolve());
    await settle();
    tasks[0].end(new Error('EIO'));
    await settle();
    expect(notices.join()).toContain('EIO');
    expect(waiting.at(-1)).toBe(0);
    old.add(3, Promise.resolve());
    await old.stop();
    expect(tasks).toHaveLength(1);
  });
});
