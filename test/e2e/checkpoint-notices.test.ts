/** Operators and sinks are told how each checkpoint ended: all of them, of each once, and of a stop before the end. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from 'tidemark';
import { expect, it, onTestFinished } from 'vitest';
import { makeDirectory, until } from '../support/cli.ts';

/** Persisting fails as long as there is a file `fail`. */
const JOB = `
  import { appendFileSync, existsSync } from 'node:fs';
  import { generate, job, t, value } from 'tidemark';
  export default job('listeners', (flow, [directory]) => {
    const log = (...words) => appendFileSync(directory + '/log', words.join(' ') + '\\n');
    const listener = (name) => {
      let opened = 0;
      return { onOpen: () => { opened = Math.random(); }, onCheckpoint: ({ checkpointId, status }) => log(name + opened, status, checkpointId) };
    };
    const Tick = t.record({ n: t.i32 });
    flow
      .from(generate({ count: Infinity, ratePerSecond: 1000, schema: Tick, make: (n) => ({ n }) }))
      .process({ ...listener('free'), onRecord: (record, { emit }) => emit(record) }).returns(Tick)
      .keyBy('n')
      .process({ ...listener('keyed'), state: { seen: value(t.i32, 0) }, onRecord: (record, { state, emit }) => { state.seen.set(1); emit(record); } })
      .to({
        name: 'listener',
        open: ({ subtask }) => ({
          write() {},
          prepare: (id) => ({ id }),
          onCheckpoint: ({ checkpointId, status }) => log('sink' + subtask, status, checkpointId),
          close() {},
        }),
        persist() { if (existsSync(directory + '/fail')) throw new Error('no space'); },
        commit() {},
      });
  });
`;

it('checkpoint notices: every operator and sink is told of each completed and each aborted checkpoint exactly once', async () => {
  const directory = makeDirectory({ 'job.mjs': JOB });
  const handle = await run(pathToFileURL(join(directory, 'job.mjs')), {
    parallelism: 2,
    threads: 2,
    args: [directory],
    config: {
      'execution.checkpointing.dir': join(directory, 'checkpoints'),
      'execution.checkpointing.interval': '1 h',
      'execution.checkpointing.tolerable-failed-checkpoints': 2,
    },
  });
  onTestFinished(() => handle.cancel());
  await until(() => handle.progress().records > 100, 'some records');
  await handle.checkpoint();
  writeFileSync(join(directory, 'fail'), '');
  await expect(handle.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
  await expect(handle.savepoint(join(directory, 'savepoints'))).rejects.toMatchObject({ code: 'ERR_SAVEPOINT_FAILED' });
  rmSync(join(directory, 'fail'));
  await handle.checkpoint();
  await handle.savepoint(join(directory, 'savepoints'));
  await handle.stop();

  const told = new Map<string, string[]>();
  for (const line of readFileSync(join(directory, 'log'), 'utf8').trimEnd().split('\n')) {
    const [name, status, id] = line.split(' ');
    told.set(name, [...(told.get(name) ?? []), `${status} ${id}`]);
  }
  expect([...told.keys()].map((name) => name.replace(/\d.*$/, '')).toSorted()).toEqual([
    'free',
    'free',
    'keyed',
    'keyed',
    'sink',
    'sink',
  ]);
  for (const [name, lines] of told) expect(lines, name).toEqual(['completed 1', 'aborted 2', 'completed 4', 'completed 6']);
});
