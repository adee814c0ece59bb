/** Operators and sinks are told how each checkpoint ended: all of them, of each once, and of a stop before the end. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeDirectory } from '../support/cli.ts';
import { manifestCannotBeWritten, partCannotBeWritten, startObstructed } from '../support/obstructed-job.ts';

/** What each operator and sink was told, in order. */
function noticesIn(directory: string): ReadonlyMap<string, readonly string[]> {
  const told = new Map<string, string[]>();
  for (const line of readFileSync(join(directory, 'log'), 'utf8').trimEnd().split('\n')) {
    const [name, ...notice] = line.split(' ');
    told.set(name, [...(told.get(name) ?? []), notice.join(' ')]);
  }
  return told;
}

const LISTENERS = ['free', 'free', 'keyed', 'keyed', 'sink', 'sink'];

describe('checkpoint notices', () => {
  it.each([
    ['a part cannot be written', partCannotBeWritten],
    ['the manifest cannot be written', manifestCannotBeWritten],
  ])(
    'when %s: every operator and sink is told of each checkpoint once, and the job survives as many as are tolerated',
    async (_, obstruct) => {
      const directory = makeDirectory();
      const config = { 'execution.checkpointing.tolerable-failed-checkpoints': 2 };
      const handle = await startObstructed(directory, { config });
      await handle.checkpoint();
      const clear = obstruct(directory, handle, [2, 3]);
      for (let i = 0; i < 2; i++) await expect(handle.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
      clear();
      await handle.checkpoint();
      expect(await handle.stop()).toMatchObject({ checkpointId: 5 });
      expect(await handle.done).toMatchObject({ status: 'stopped', restarts: 0, checkpoints: { completed: 3, failed: 2 } });

      const told = noticesIn(directory);
      expect([...told.keys()].map((name) => name.replace(/[\d.].*$/, '')).toSorted()).toEqual(LISTENERS);
      // A notice of completion never comes before the checkpoint is there to restore from.
      const expected = [
        'completed 1 published',
        'aborted 2 absent',
        'aborted 3 absent',
        'completed 4 published',
        'completed 5 published',
      ];
      for (const [name, notices] of told) expect(notices, name).toEqual(expected);
    },
  );

  it('savepoints on the way are none of theirs, whether they come to be or not', async () => {
    const directory = makeDirectory();
    const handle = await startObstructed(directory);
    await handle.savepoint(join(directory, 'savepoints'));
    const clear = partCannotBeWritten(directory, handle, []);
    await expect(handle.savepoint(join(directory, 'savepoints'))).rejects.toMatchObject({ code: 'ERR_SAVEPOINT_FAILED' });
    clear();
    await handle.checkpoint();
    await handle.stop();
    for (const [name, notices] of noticesIn(directory))
      expect(notices, name).toEqual(['completed 3 published', 'completed 4 published']);
  });
});
