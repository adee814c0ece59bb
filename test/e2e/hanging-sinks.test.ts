/** A sink whose method never returns, through `tidemark run`: the attempt ends within task.timeout, says what hangs, and loses nothing. */
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { makeDirectory, runCli } from '../support/cli.ts';

const JOB = fileURLToPath(new URL('jobs/hanging-sink.mjs', import.meta.url));
const CONFIG = {
  'execution.checkpointing.dir': 'chk',
  'execution.checkpointing.interval': '100 ms',
  'task.timeout': '300 ms',
  'restart-strategy.fixed-delay.attempts': '1',
  'restart-strategy.fixed-delay.delay': '10 ms',
};

function command(config: Readonly<Record<string, string>>): string[] {
  const options = Object.entries({ ...CONFIG, ...config }).flatMap(([key, value]) => ['-D', `${key}=${value}`]);
  return ['run', '--json', '-p', '2', ...options, 'job.mjs'];
}

function directoryWithJob(): string {
  const directory = makeDirectory();
  copyFileSync(JOB, join(directory, 'job.mjs'));
  return directory;
}

/** What is committed, in order. */
function numbersIn(directory: string): number[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith('out-'))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n').map(Number))
    .toSorted((a, b) => a - b);
}

const ALL = Array.from({ length: 400 }, (_, n) => n);

describe('a method of a sink that never returns', () => {
  it.each([
    ['commit awaits', 'commit\\(\\)'],
    ['commit loops', 'commit\\(\\)'],
    ['persist awaits', 'persist\\(\\)'],
    ['prepare awaits', 'prepare\\(\\)'],
    ['flush awaits', 'flush\\(\\)'],
    ['onCheckpoint loops', 'onCheckpoint\\(\\)'],
  ])('%s for ever, once: sink, subtask and method are named, the job restarts, and nothing is lost', async (hang, method) => {
    const directory = directoryWithJob();
    const { code, stderr, json } = await runCli(directory, command({ 'restart-strategy.type': 'fixed-delay' }), [
      'env',
      `HANG=${hang} once`,
    ]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(new RegExp(`${method} of sink 'rows', subtask [01],.*`));
    expect(stderr).toMatch(/has not returned for \d+ ms \(task\.timeout is 300 ms\)/);
    expect(json(), stderr).toMatchObject({ status: 'finished', restarts: 1, records: 400 });
    expect(numbersIn(directory)).toEqual(ALL);
  });

  it.each(['awaits', 'loops'])(
    'recover() %s for ever, once: it is named, nothing has begun, and the next attempt recovers',
    async (how) => {
      const directory = directoryWithJob();
      const args = command({ 'restart-strategy.type': 'fixed-delay' });
      const { code, stderr, json } = await runCli(directory, args, ['env', `HANG=recover ${how} first`]);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/recover\(\) of sink 'rows' has not returned for 300 ms \(task\.timeout is 300 ms\)/);
      expect(json(), stderr).toMatchObject({ status: 'finished', restarts: 1, records: 400 });
      expect(numbersIn(directory)).toEqual(ALL);
    },
  );

  it('recover() always, without a restart strategy: the job fails with ERR_TASK_TIMEOUT', async () => {
    const directory = directoryWithJob();
    const args = command({ 'restart-strategy.type': 'none' });
    const { code, stderr, json } = await runCli(directory, args, ['env', 'HANG=recover awaits always']);
    expect(code, stderr).toBe(1);
    const facts = { uid: 'rows', method: 'recover', timeoutMs: 300 };
    expect(json(), stderr).toMatchObject({ status: 'failed', error: { code: 'ERR_TASK_TIMEOUT', facts } });
  });

  it.each([
    ['awaits', /not closed: close\(\) of sink 'rows', subtask [01], has not returned for 300 ms/],
    ['loops', /not closed: close\(\) of sink 'rows', subtask [01], has not returned for 300 ms/],
    ['throws', /not closed: Sink 'rows', subtask [01], could not close: stuck/],
  ])('close() %s: sink, subtask and method are named, and the job has finished all the same', async (how, named) => {
    const directory = directoryWithJob();
    const args = command({ 'restart-strategy.type': 'none' });
    const { code, stderr, json } = await runCli(directory, args, ['env', `HANG=close ${how} always`]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(named);
    expect(json(), stderr).toMatchObject({ status: 'finished', restarts: 0, records: 400 });
    expect(numbersIn(directory)).toEqual(ALL);
  });

  it('close() that throws in one subtask keeps no other from being closed', async () => {
    const directory = directoryWithJob();
    // Both subtasks are on one thread.
    const args = command({ 'restart-strategy.type': 'none', 'task.threads': '1' });
    const { code, stderr } = await runCli(directory, args, ['env', 'HANG=close throws always']);
    expect(code, stderr).toBe(0);
    expect(readFileSync(join(directory, 'closed'), 'utf8').split('\n').toSorted()).toEqual(['', '0', '1']);
  });

  it('without a restart strategy the job fails with ERR_TASK_TIMEOUT', async () => {
    const directory = directoryWithJob();
    const args = command({ 'restart-strategy.type': 'none' });
    const { code, stderr, json } = await runCli(directory, args, ['env', 'HANG=commit awaits always']);
    expect(code, stderr).toBe(1);
    const facts = { uid: 'rows', method: 'commit', timeoutMs: 300 };
    expect(json(), stderr).toMatchObject({ status: 'failed', error: { code: 'ERR_TASK_TIMEOUT', facts } });
  });
});
