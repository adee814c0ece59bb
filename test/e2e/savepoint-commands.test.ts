/** `stop`, `savepoint` and `savepoint --dispose` on the command line. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listCheckpoints } from '../support/checkpoint-reader.mjs';
import { killGroup, makeDirectory, type RunningCli, runCli, startCli, until } from '../support/cli.ts';
import { compareOutput } from '../support/output.mjs';

/** Counts for as long as it is let. */
const COUNTER = `
  import { count, files, generate, job, t } from 'tidemark';
  export default job('counter', (flow, [records = 'Infinity', rate = '5000']) => {
    flow
      .from(generate({ count: Number(records), ratePerSecond: Number(rate), schema: t.record({ k: t.i32 }), make: (i) => ({ k: i % 10 }) }))
      .keyBy('k')
      .aggregate({ n: count() }, { emit: 'end' })
      .uid('counts')
      .to(files.jsonl('out'));
  });
`;
const OPTIONS = ['-D', 'execution.checkpointing.dir=chk', '-D', 'execution.checkpointing.interval=50 ms'];

async function startCounter(directory: string, ...args: readonly string[]): Promise<RunningCli> {
  const run = startCli(directory, ['run', ...OPTIONS, 'job.mjs', ...args]);
  await until(() => existsSync(join(directory, 'chk')) && listCheckpoints(join(directory, 'chk')).length > 0, 'a checkpoint');
  return run;
}

describe('savepoint commands', () => {
  it('take, stop with, restore and dispose of one, with paths as the caller sees them', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const run = await startCounter(directory);

    const taken = await runCli(directory, ['savepoint', 'counter', 'kept', '--type', 'native']);
    expect(taken.code, taken.stderr).toBe(0);
    const [name] = readdirSync(join(directory, 'kept'));
    expect(taken.stdout).toContain(`Savepoint completed. Path: ${join(directory, 'kept', name)}\n`);

    const stopped = await runCli(directory, ['stop', '--savepoint-path', 'last', '--json', 'counter']);
    expect(stopped.code, stopped.stderr).toBe(0);
    const { path } = stopped.json()['savepoint'] as { path: string };
    expect(path.startsWith(join(directory, 'last', 'savepoint-'))).toBe(true);
    const ended = await run.ended;
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toContain(`Savepoint completed: ${path}`);

    const restored = startCli(directory, ['run', '-s', path, ...OPTIONS, 'job.mjs']);
    await until(() => restored.stderr().includes(path), 'restored');
    await until(() => listCheckpoints(join(directory, 'chk')).length > 0, 'a checkpoint of its own');
    const disposed = await runCli(directory, ['savepoint', '--dispose', path]);
    expect(disposed.code, disposed.stderr).toBe(0);
    expect(existsSync(path)).toBe(false);
    const drained = await runCli(directory, ['stop', '--drain', '--json', 'counter']);
    expect(drained.code, drained.stderr).toBe(0);
    expect(drained.json()).toMatchObject({ status: 'stopped', checkpoint: { kind: 'checkpoint', trigger: 'stop' } });
    expect((await restored.ended).code).toBe(0);
    expect(readdirSync(join(directory, 'out')).filter((part) => part.endsWith('.jsonl')).length).toBeGreaterThan(0);
  });

  it('take one that a job is restored from when all of the first is gone, its process killed', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const run = await startCounter(directory, '50000');
    const taken = await runCli(directory, ['savepoint', 'counter', 'kept', '--json']);
    expect(taken.code, taken.stderr).toBe(0);
    killGroup(run.process);
    await run.ended;
    for (const left of ['chk', 'out']) rmSync(join(directory, left), { recursive: true, force: true });
    const path = join(directory, 'kept', readdirSync(join(directory, 'kept'))[0]);
    const restored = await runCli(directory, ['run', '--json', '-s', path, ...OPTIONS, 'job.mjs', '50000', 'Infinity']);
    expect(restored.code, restored.stderr).toBe(0);
    expect(restored.json()).toMatchObject({ status: 'finished', records: 50_000, restoredFrom: path });
    const counts = Array.from({ length: 10 }, (_, k) => ({ k, n: 5000 }));
    expect(compareOutput(join(directory, 'out'), counts)).toMatchObject({ lost: [], extra: [] });
    const disposed = await runCli(directory, ['savepoint', '--dispose', path]);
    expect(disposed.code, disposed.stderr).toBe(0);
    expect(readdirSync(join(directory, 'kept'))).toEqual([]);
  });

  it('go on with the job when the savepoint cannot be written, and say why', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER, file: '' });
    const run = await startCounter(directory);
    for (const args of [
      ['savepoint', 'counter', 'file'],
      ['stop', '--savepoint-path', 'file/below', 'counter'],
      ['savepoint', 'counter'],
    ]) {
      const refused = await runCli(directory, args);
      expect(refused.stderr).toContain('ERR_SAVEPOINT_FAILED');
      expect(refused.code).toBe(1);
    }
    expect(run.process.exitCode).toBeNull();
    expect((await runCli(directory, ['cancel', 'counter'])).code).toBe(0);
    expect((await run.ended).code).toBe(1);
  });

  it('name the job that does not run, and refuse to dispose of what is no savepoint', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const none = await runCli(directory, ['savepoint', '0123456789abcdef0123456789abcdef']);
    expect(none.stderr).toMatch(/ERR_NO_SUCH_JOB.*0123456789abcdef0123456789abcdef/);
    expect(none.code).toBe(2);

    const run = await startCounter(directory);
    const [{ path }] = listCheckpoints(join(directory, 'chk'));
    const checkpoint = await runCli(directory, ['savepoint', '--dispose', path]);
    expect([checkpoint.code, checkpoint.stderr]).toEqual([expect.any(Number), expect.not.stringContaining('Disposed')]);
    expect(checkpoint.code).not.toBe(0);
    expect((await runCli(directory, ['savepoint', '--dispose', 'nowhere'])).code).toBe(3);
    expect((await runCli(directory, ['savepoint', '--dispose', 'nowhere', 'counter'])).code).toBe(2);
    expect((await runCli(directory, ['savepoint'])).code).toBe(2);
    mkdirSync(join(directory, 'kept'));
    const { path: kept } = (await runCli(directory, ['stop', '--savepoint-path', 'kept', '--json', 'counter'])).json()[
      'savepoint'
    ] as {
      path: string;
    };
    await run.ended;
    writeFileSync(join(kept, 'notes.txt'), 'mine');
    const left = await runCli(directory, ['savepoint', '--dispose', kept]);
    expect(left.stderr).toContain('notes.txt');
    expect(readdirSync(kept)).toEqual(['notes.txt']);
  });
});
