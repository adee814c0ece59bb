/** What a failure restarts: the whole job, from the tables of its last checkpoint, which lie in its own directory. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobHandle } from 'tidemark';
import { expect, it } from 'vitest';
import { tablesOf } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import { readLines } from '../support/output.mjs';
import { manifestAt, startStanding } from '../support/standing-job.ts';

const RECORDS = 600;

/**
 * Two pipelines that have nothing in common. `first` fails when the file `fail` is there, which it removes. What each source is opened at goes
 * into the file `opened`.
 */
function writeJob(directory: string): string {
  const file = join(directory, 'job.mjs');
  writeFileSync(
    file,
    `
import { appendFileSync, existsSync, rmSync } from 'node:fs';
import { count, discard, files, job } from 'tidemark';
const at = (name) => ${JSON.stringify(`${directory}/`)} + name;
const numbers = (name) => ({
  name,
  bounded: true,
  splits: () => [{ id: 'all', data: null }],
  open(split, position) {
    let next = position ?? 0;
    appendFileSync(at('opened'), name + ' ' + next + '\\n');
    return {
      read(limit, out) {
        if (next === ${RECORDS}) return existsSync(at('end')) ? 'end' : 2;
        out.emit({ key: name + ' ' + (next % 7), n: next++ });
        return 2;
      },
      position: () => next,
      close() {},
    };
  },
});
export default job('two-pipelines', (flow) => {
  for (const name of ['first', 'second']) {
    const records = flow.from(numbers(name)).uid(name).map((record) => {
      if (name === 'first' && existsSync(at('fail'))) {
        rmSync(at('fail'));
        throw new Error('bad luck');
      }
      return record;
    });
    records.keyBy('key').aggregate({ n: count() }).uid(name + '-counts').to(discard());
    records.map(({ key, n }) => ({ name, n })).to(files.jsonl(at('out'))).uid(name + '-out');
  }
});
`,
  );
  return file;
}

function start(directory: string): Promise<JobHandle> {
  return startStanding(writeJob(directory), {
    directory,
    config: {
      'state.checkpoints.num-retained': 100,
      'jobmanager.execution.failover-strategy': 'full',
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.attempts': 3,
      'restart-strategy.fixed-delay.delay': '1 ms',
    },
  });
}

/** What each source was opened at, in order. */
function openedAt(directory: string, name: string): number[] {
  return readFileSync(join(directory, 'opened'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => Number(line.slice(name.length + 1)));
}

/** Where a source was at a checkpoint. */
function positionIn(path: string, name: string): unknown {
  const stages = manifestAt(path).stages.filter(({ operators }) => operators.includes(name));
  const splits = stages.flatMap((stage) => stage.subtasks.flatMap(({ operatorState }) => operatorState[name]?.['$splits'] ?? []));
  return (splits as { readonly position: unknown }[]).map(({ position }) => position);
}

it('one of two pipelines without a connection fails: both go on from the same last checkpoint, exactly once', async () => {
  const directory = makeDirectory();
  const handle = await start(directory);
  const restored: string[] = [];
  handle.on('restored', ({ path }) => restored.push(path));
  await until(() => handle.progress().records > 100, 'some records');
  const { path } = await handle.checkpoint();
  const before = handle.progress().records;
  await until(() => handle.progress().records > before + 100, 'more records');
  writeFileSync(join(directory, 'fail'), '');
  await until(() => restored.length > 0, 'a restart');
  expect(restored).toEqual([path]);
  appendFileSync(join(directory, 'end'), '');
  expect(await handle.done).toMatchObject({ status: 'finished', restarts: 1 });
  for (const name of ['first', 'second']) {
    const [begun, again, ...others] = openedAt(directory, name);
    expect(others).toEqual([]);
    expect(begun).toBe(0);
    expect(positionIn(path, name)).toEqual([again]);
    expect(again).toBeGreaterThan(0);
  }
  const expected = ['first', 'second'].flatMap((name) => Array.from({ length: RECORDS }, (_, n) => JSON.stringify({ name, n })));
  expect(readLines(join(directory, 'out')).toSorted()).toEqual(expected.toSorted());
});

it('a table of the last checkpoint that is gone is named, and the job does not start empty instead', async () => {
  const directory = makeDirectory();
  const handle = await start(directory);
  await until(() => handle.progress().records > 100, 'some records');
  const { path } = await handle.checkpoint();
  const [{ hash }] = tablesOf(manifestAt(path));
  const table = join(path, '../shared', `${hash}.sst`);
  rmSync(table);
  writeFileSync(join(directory, 'fail'), '');
  await expect(handle.done).rejects.toMatchObject({ code: 'ERR_FILE_MISSING', message: expect.stringContaining(table) });
});
