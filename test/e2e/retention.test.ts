/** What is left of a job's checkpoints, cell by cell of the table in `snapshot/retain.ts`; and of several jobs in one directory. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type JobHandle, run, type RunOptions } from 'tidemark';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findIncompleteCheckpoints, listCheckpoints } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import { readLines } from '../support/output.mjs';

/** Counts until a file `end` or `fail` appears beside its output. */
const COUNTER = (name: string): string => `
  import { existsSync } from 'node:fs';
  import { files, job, t } from 'tidemark';
  const numbers = (directory) => ({
    name: 'numbers',
    bounded: true,
    splits: () => [{ id: 'all', data: 0 }],
    open(split, position) {
      let next = position ?? 0;
      return {
        read(limit, out) {
          if (existsSync(directory + '/end')) return 'end';
          if (existsSync(directory + '/fail')) throw new Error('on purpose');
          for (let i = 0; i < 10 && !out.full; i++) out.emit({ n: next++ });
          return 2;
        },
        position: () => next,
        close() {},
      };
    },
  });
  export default job('${name}', (flow, [directory]) => {
    const Count = t.record({ n: t.int });
    flow.from(numbers(directory)).returns(Count).keyBy('n').reduce((a) => a).to(files.jsonl(directory + '/out'));
  });
`;

/** Where a job writes, and is told to end. */
function own(directory: string, name: string): string {
  return join(directory, `of-${name}`);
}

function tell(directory: string, what: 'end' | 'fail', name = 'counter'): void {
  mkdirSync(own(directory, name), { recursive: true });
  writeFileSync(join(own(directory, name), what), '');
}

async function start(directory: string, options: RunOptions & { readonly name?: string } = {}): Promise<JobHandle> {
  const { name = 'counter', config, ...others } = options;
  const handle = await run(pathToFileURL(join(directory, `${name}.mjs`)), {
    parallelism: 1,
    threads: 1,
    ...others,
    args: [own(directory, name)],
    config: {
      'state.checkpoints.dir': join(directory, 'checkpoints'),
      'execution.checkpointing.interval': '20 ms',
      'restart-strategy.type': 'none',
      ...config,
    },
  });
  onTestFinished(() => handle.cancel());
  return handle;
}

/** Exactly once: every number up to the last. */
function expectAllNumbers(directory: string, name: string): void {
  const numbers = readLines(join(own(directory, name), 'out')).map((line) => (JSON.parse(line) as { n: number }).n);
  expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, i) => i));
}

/** Checkpoints that are left, and whether the job says where the last one is. */
type Left = readonly [checkpoints: number, told: boolean];
const GONE: Left = [0, false];
const KEPT: Left = [2, true];

const ENDS = {
  finished: (handle: JobHandle, directory: string) => {
    tell(directory, 'end');
    return handle.done;
  },
  stopped: async (handle: JobHandle) => {
    await handle.stop();
    return handle.done;
  },
  'stopped by a signal': async (handle: JobHandle) => {
    await handle.stop({ retain: true });
    return handle.done;
  },
  cancelled: async (handle: JobHandle) => {
    await handle.cancel();
    return handle.done;
  },
  failed: (handle: JobHandle, directory: string) => {
    tell(directory, 'fail');
    return handle.done.catch(() => null);
  },
} as const;

const TABLE: Readonly<Record<string, Readonly<Record<keyof typeof ENDS, Left>>>> = {
  NO_EXTERNALIZED_CHECKPOINTS: { finished: GONE, stopped: GONE, 'stopped by a signal': KEPT, cancelled: GONE, failed: GONE },
  DELETE_ON_CANCELLATION: { finished: GONE, stopped: GONE, 'stopped by a signal': KEPT, cancelled: GONE, failed: KEPT },
  RETAIN_ON_CANCELLATION: { finished: GONE, stopped: GONE, 'stopped by a signal': KEPT, cancelled: KEPT, failed: KEPT },
  RETAIN_ALWAYS: { finished: KEPT, stopped: KEPT, 'stopped by a signal': KEPT, cancelled: KEPT, failed: KEPT },
};

describe('retention', () => {
  for (const [policy, cells] of Object.entries(TABLE)) {
    it.for(Object.entries(cells) as [keyof typeof ENDS, Left][])(`${policy}, %s: %o`, async ([end, [left, told]]) => {
      const directory = makeDirectory({ 'counter.mjs': COUNTER('counter') });
      const handle = await start(directory, {
        config: { 'execution.checkpointing.externalized-checkpoint-retention': policy, 'state.checkpoints.num-retained': 2 },
      });
      await until(() => handle.progress().checkpoints.completed >= 3, 'three checkpoints');
      const savepoint = await handle.savepoint(join(directory, 'savepoints'));
      const result = await ENDS[end](handle, directory);
      const checkpoints = listCheckpoints(join(directory, 'checkpoints'));
      expect(checkpoints).toHaveLength(left);
      expect(findIncompleteCheckpoints(join(directory, 'checkpoints'))).toEqual([]);
      if (left === 0)
        expect(
          readdirSync(join(directory, 'checkpoints')).flatMap((id) => readdirSync(join(directory, 'checkpoints', id))),
        ).not.toContain('shared');
      if (result !== null) expect(result.lastCheckpoint).toBe(told ? checkpoints.at(-1)?.path : null);
      // A savepoint is nobody's but the user's.
      expect(existsSync(join(savepoint.path, '_metadata'))).toBe(true);
    });
  }
});

describe('several jobs in one checkpoint directory', () => {
  it('that start, run, end and are resumed at the same time do not touch each other', async () => {
    const names = ['one', 'two', 'three', 'four'];
    const directory = makeDirectory(Object.fromEntries(names.map((name) => [`${name}.mjs`, COUNTER(name)])));
    const base = join(directory, 'checkpoints');
    const config = { 'execution.checkpointing.interval': '10 ms' };
    // Each looks for directories that were left empty while the others make theirs.
    const handles = await Promise.all(names.map((name) => start(directory, { name, resume: true, config })));
    await until(() => handles.every((handle) => handle.progress().checkpoints.completed >= 2), 'two checkpoints each');
    await handles[0].stop({ retain: true });
    const again = await start(directory, { name: 'one', resume: true, config });
    await until(() => again.state === 'running', 'resumed');
    for (const name of names) tell(directory, 'end', name);
    expect((await again.done).restoredFrom).toContain(handles[0].jobId);
    const [, ...others] = handles;
    for (const handle of others) expect((await handle.done).status).toBe('finished');
    for (const name of names) expectAllNumbers(directory, name);
    expect(findIncompleteCheckpoints(base)).toEqual([]);
    expect(listCheckpoints(base)).toEqual([]);
  });

  it('with one name: a second run does not take over what the first still has', async () => {
    const directory = makeDirectory({ 'counter.mjs': COUNTER('counter') });
    const first = await start(directory);
    await until(() => first.progress().checkpoints.completed >= 1, 'a checkpoint');
    const second = await start(directory, { resume: true });
    await expect(second.done).rejects.toMatchObject({ code: 'ERR_DIR_LOCKED', facts: { pid: process.pid } });
    expect(first.state).toBe('running');
    const third = await start(directory);
    await until(() => third.progress().checkpoints.completed >= 1, 'a checkpoint of another run');
    await third.cancel();
    expect(findIncompleteCheckpoints(join(directory, 'checkpoints'))).toEqual([]);
    expect(listCheckpoints(join(directory, 'checkpoints')).every(({ jobId }) => jobId === first.jobId)).toBe(true);
  });
});
