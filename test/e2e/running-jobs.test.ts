/** Commands that reach a running job from another process: `run -d`, `list`, `checkpoint`, `stop`, `cancel`; for people and as JSON. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { CLI, type CliResult, makeDirectory, runCli, startCli, until } from '../support/cli.ts';
import { listCheckpoints } from '../support/checkpoint-reader.mjs';
import { compareOutput, readLines } from '../support/output.mjs';

/** The numbers below 20,000, so many a second, into `out`. */
const NUMBERS = `
  import { files, generate, job, t, value } from 'tidemark';
  export default job('numbers', (flow, [rate = '2000']) => {
    flow
      .from(generate({ count: 20_000, ratePerSecond: Number(rate), schema: t.record({ i: t.int, k: t.i32 }), make: (i) => ({ i, k: i % 5 }) }))
      .filter((r) => r.i >= 0)
      .keyBy('k')
      .process({ state: { n: value(t.int, 0) }, onRecord(r, { state, emit }) { state.n.update((n) => n + 1); emit({ i: r.i }); } })
      .uid('numbers')
      .to(files.jsonl('out'));
  });
`;

const CHECKPOINTED = ['-D', 'state.checkpoints.dir=chk', '-D', 'execution.checkpointing.interval=1 h'];
const RETAINED = ['-D', 'execution.checkpointing.externalized-checkpoint-retention=RETAIN_ALWAYS'];

interface Started {
  readonly jobId: string;
  readonly pid: number;
  readonly log: string;
}

async function runDetached(directory: string, options: readonly string[] = []): Promise<Started> {
  const started = await runCli(directory, ['run', '-d', '--json', ...options, 'job.mjs']);
  expect(started.code, started.stderr).toBe(0);
  const document = started.json() as unknown as Started;
  onTestFinished(() => killIfThere(document.pid));
  return document;
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

async function jsonOf(directory: string, ...args: string[]): Promise<Record<string, unknown>> {
  const result = await runCli(directory, args);
  expect(result.code, result.stderr).toBe(0);
  // One document, and nothing else on standard output.
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

async function listed(directory: string): Promise<Record<string, unknown>[]> {
  return (await jsonOf(directory, 'list', '--json'))['jobs'] as Record<string, unknown>[];
}

function expectAllNumbers(directory: string): void {
  const expected = Array.from({ length: 20_000 }, (_, i) => ({ i }));
  const { lost, extra } = compareOutput(join(directory, 'out'), expected);
  expect({ lost: lost.slice(0, 5), extra: extra.slice(0, 5) }).toEqual({ lost: [], extra: [] });
}

describe('a detached job', () => {
  it('as JSON: is started, listed, takes a checkpoint, is stopped with a last one, and resumes from it exactly', async () => {
    const directory = makeDirectory({ 'job.mjs': NUMBERS });
    const { jobId, pid, log } = await runDetached(directory, [...CHECKPOINTED, ...RETAINED]);
    expect(jobId).toMatch(/^[0-9a-f]{32}$/);
    expect(existsSync(log)).toBe(true);

    const [entry] = await listed(directory);
    expect(entry).toMatchObject({ jobId, pid, jobName: 'numbers', cwd: directory, progress: { jobId, state: 'running' } });

    const asked = await jsonOf(directory, 'checkpoint', '--json', jobId);
    expect(asked).toMatchObject({ jobId, checkpoint: { checkpointId: 1, trigger: 'manual', kind: 'checkpoint' } });
    expect(listCheckpoints(join(directory, 'chk'))).toHaveLength(1);

    const stopped = await jsonOf(directory, 'stop', '--json', 'numbers');
    expect(stopped).toMatchObject({ jobId, status: 'stopped', checkpoint: { checkpointId: 2, trigger: 'stop' } });
    expect(await listed(directory)).toEqual([]);
    const { path } = stopped['checkpoint'] as { path: string };
    expect(existsSync(join(path, '_metadata'))).toBe(true);

    const rest = await runCli(directory, ['run', '--json', '-s', path, ...CHECKPOINTED, 'job.mjs', 'Infinity']);
    expect(rest.code, rest.stderr).toBe(0);
    expect(rest.json()).toMatchObject({ status: 'finished', restoredFrom: path });
    expectAllNumbers(directory);
  });

  it('for people: each command says what it did and names the job', async () => {
    const directory = makeDirectory({ 'job.mjs': NUMBERS });
    const started = await runCli(directory, ['run', '-d', ...CHECKPOINTED, ...RETAINED, 'job.mjs']);
    expect(started.code, started.stderr).toBe(0);
    const [jobId, says] = started.stdout.split('\n');
    const pid = Number(/process (\d+)/.exec(says)?.[1]);
    onTestFinished(() => killIfThere(pid));

    const table = await runCli(directory, ['list']);
    expect(table.stdout.split('\n')).toEqual([
      expect.stringMatching(/job id +name +state/),
      expect.stringMatching(new RegExp(`^${jobId} +numbers +running .* ${pid}`)),
      '',
    ]);
    const asked = await runCli(directory, ['checkpoint', jobId.slice(0, 8)]);
    expect(asked.stdout).toMatch(new RegExp(`numbers \\(${jobId}\\): checkpoint 1 in .* new, .* referenced; .*chk-1\n$`));
    const stopped = await runCli(directory, ['stop', jobId.slice(0, 8)]);
    expect(stopped.stdout).toMatch(new RegExp(`^Stopped numbers \\(${jobId}\\)\\.\ncheckpoint 2 in .*chk-2\n$`));
    expect((await runCli(directory, ['list'])).stdout).toBe('No job runs.\n');
    await until(
      () => readFileSync(join(directory, '.runtime', `${jobId}.log`), 'utf8').includes('numbers stopped'),
      'its last word',
    );
  });
});

interface Stage {
  readonly operators: readonly { readonly name: string; readonly recordsIn: number; readonly recordsOut: number }[];
}

describe('a job in the foreground', () => {
  it('is listed with the records in and out of each operator', async () => {
    const directory = makeDirectory({ 'job.mjs': NUMBERS.replace('r.i >= 0', 'r.i % 2 === 0') });
    startCli(directory, ['run', '-p', '2', 'job.mjs']);
    await running(directory);
    // Operators of one stage count together, but may go on while they are read: then it is read again.
    await vi.waitFor(
      async () => {
        const [job] = await listed(directory);
        const { stages } = job['progress'] as { stages: readonly Stage[] };
        const [[source, filter], [count, sink]] = stages.map(({ operators }) => operators);
        expect(source.recordsOut).toBeGreaterThanOrEqual(1_000);
        expect([source.name, filter.name, count.name, sink.name]).toEqual(['generate', 'filter', 'process', 'files.jsonl(out)']);
        expect(filter.recordsIn).toBe(source.recordsOut);
        // Half of the numbers pass, but not just half of any beginning of each split.
        expect(filter.recordsOut / filter.recordsIn).toBeCloseTo(0.5, 1);
        expect(count.recordsIn).toBeGreaterThan(0);
        expect(count.recordsOut).toBe(count.recordsIn);
        expect(sink.recordsIn).toBe(count.recordsOut);
      },
      { timeout: 20_000, interval: 20 },
    );
  });

  it('is cancelled from elsewhere, as JSON: its run gives 1 and says so, and its checkpoints go', async () => {
    const directory = makeDirectory({ 'job.mjs': NUMBERS });
    const run = startCli(directory, ['run', '--json', ...CHECKPOINTED, 'job.mjs']);
    const jobId = await running(directory);
    await jsonOf(directory, 'checkpoint', '--json', jobId);
    expect(await jsonOf(directory, 'cancel', '--json', jobId)).toEqual({ jobId, status: 'cancelled' });
    expectCancelled(await run.ended, jobId);
    expect(listCheckpoints(join(directory, 'chk'))).toEqual([]);
  });

  it('is cancelled from elsewhere: a retained checkpoint stays, and resumes exactly', async () => {
    const directory = makeDirectory({ 'job.mjs': NUMBERS });
    const retained = ['-D', 'execution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION'];
    const run = startCli(directory, ['run', '--json', ...CHECKPOINTED, ...retained, 'job.mjs']);
    const jobId = await running(directory);
    await jsonOf(directory, 'checkpoint', '--json', jobId);
    const cancelled = await runCli(directory, ['cancel', jobId]);
    expect(cancelled.stdout).toBe(`Cancelled numbers (${jobId}).\n`);
    expectCancelled(await run.ended, jobId);
    const rest = await runCli(directory, ['run', '--json', '--resume', ...CHECKPOINTED, 'job.mjs', 'Infinity']);
    expect(rest.code, rest.stderr).toBe(0);
    expect(rest.json()).toMatchObject({ status: 'finished', restoredFrom: expect.stringContaining(`${jobId}/chk-1`) });
    expectAllNumbers(directory);
  });

  it('is stopped from elsewhere without checkpoints: says that there is none, and its run gives 0', async () => {
    const directory = makeDirectory({ 'job.mjs': NUMBERS });
    const run = startCli(directory, ['run', '--json', 'job.mjs']);
    const jobId = await running(directory);
    expect(await jsonOf(directory, 'stop', '--json', jobId)).toEqual({ jobId, status: 'stopped', checkpoint: null });
    const { code, json, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    const { records } = json() as { records: number };
    expect(json()).toMatchObject({ status: 'stopped', jobId, lastCheckpoint: null });
    // What was read was written and committed.
    expect(new Set(readLines(join(directory, 'out')))).toHaveProperty('size', records);
  });
});

/** Id of the one job, when it runs. */
async function running(directory: string): Promise<string> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; ) {
    const [job] = await listed(directory);
    if ((job?.['progress'] as { state: string } | null)?.state === 'running') return job['jobId'] as string;
  }
  throw new Error('the job does not run');
}

function expectCancelled({ code, stderr, json }: CliResult, jobId: string): void {
  expect(code, stderr).toBe(1);
  expect(stderr).toContain('ERR_JOB_CANCELLED');
  expect(json()).toMatchObject({ status: 'cancelled', jobId, error: { code: 'ERR_JOB_CANCELLED' } });
}

describe('whoever reads the output may end first', () => {
  const PRINTING = `
    import { files, generate, job, print, t } from 'tidemark';
    export default job('printing', (flow) => {
      const numbers = flow.from(generate({ count: 300, ratePerSecond: 1000, schema: t.record({ i: t.int }), make: (i) => ({ i }) }));
      numbers.to(print());
      numbers.to(files.jsonl('out'));
    });
  `;

  /** Nobody reads its standard output. */
  async function withoutReader(directory: string, ...args: string[]): Promise<{ code: number; stderr: string }> {
    const child = spawn(process.execPath, [CLI, ...args], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const [code] = (await once(child, 'close')) as [number];
    return { code, stderr };
  }

  it('a job goes on, and a tool ends as it would have', async () => {
    const directory = makeDirectory({ 'job.mjs': PRINTING });
    const ran = await withoutReader(directory, 'run', ...CHECKPOINTED, ...RETAINED, 'job.mjs');
    expect(ran).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/EPIPE|Starting process/) });
    expect(readLines(join(directory, 'out'))).toHaveLength(300);
    const [{ path }] = listCheckpoints(join(directory, 'chk'));
    for (const args of [['checkpoints', 'list', 'chk'], ['inspect', path], ['verify', '--deep', path], ['--help']])
      expect(await withoutReader(directory, ...args), args.join(' ')).toMatchObject({
        code: 0,
        stderr: expect.not.stringContaining('EPIPE'),
      });
  });
});
