/** The history of checkpoints, while a job runs, after it was killed, and after it was resumed under another id. */
import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isJobId } from '../../src/snapshot/paths.ts';
import { killGroup, makeDirectory, runCli, startCli, until } from '../support/cli.ts';

const JOB = `
  import { count, discard, generate, job, t } from 'tidemark';
  export default job('counter', (flow, [records]) =>
    flow
      .from(generate({ count: Number(records), ratePerSecond: 2000, schema: t.record({ k: t.i32 }), make: (i) => ({ k: i % 10 }) }))
      .keyBy('k').aggregate({ n: count() }).uid('counts').to(discard()));
`;

const OPTIONS = [
  'execution.checkpointing.dir=chk',
  'execution.checkpointing.interval=50 ms',
  'execution.checkpointing.externalized-checkpoint-retention=RETAIN_ALWAYS',
].flatMap((definition) => ['-D', definition]);

interface ListedJob {
  readonly jobId: string;
  readonly running: boolean;
  readonly source: string;
  readonly counts: { readonly completed: number; readonly restored: number };
  readonly history: readonly {
    readonly type: string;
    readonly checkpointId: number;
    readonly jobId: string;
    readonly subtasks?: unknown[];
  }[];
}

async function list(directory: string): Promise<readonly ListedJob[]> {
  const result = await runCli(directory, ['checkpoints', 'list', '--json', '--history', '500', 'chk']);
  expect(result.code, result.stderr).toBe(0);
  return result.json()['jobs'] as ListedJob[];
}

it('history: a running job tells it, a killed one leaves it, a resumed one goes on with it', async () => {
  const directory = makeDirectory({ 'job.mjs': JOB });
  const running = startCli(directory, ['run', '--json', ...OPTIONS, 'job.mjs', '8000']);
  const job = (): string => join(directory, 'chk', readdirSync(join(directory, 'chk')).find(isJobId) as string);
  const begun = (): boolean => readdirSync(directory).includes('chk') && readdirSync(join(directory, 'chk')).some(isJobId);
  await until(() => running.process.exitCode !== null || begun(), 'the job starts');
  await until(() => readdirSync(job()).some((name) => /^chk-([5-9]|\d\d)/.test(name)), 'a fifth checkpoint');
  const [told] = await list(directory);
  expect(told).toMatchObject({ running: true, source: 'job' });
  // One is retained; the history has those that were deleted.
  expect(told.counts.completed).toBeGreaterThanOrEqual(4);
  expect(told.history[0].subtasks).toBeInstanceOf(Array);

  killGroup(running.process);
  await running.ended;
  const [left] = await list(directory);
  expect(left).toMatchObject({ running: false, source: 'catalog', jobId: told.jobId });
  expect(left.counts.completed).toBeGreaterThanOrEqual(told.counts.completed);
  const parent = await runCli(directory, ['checkpoints', 'list', '.']);
  expect(parent.stdout).toBe(`There is no checkpoint in ${realpathSync(directory)}. There are some in chk.\n`);

  const resumed = await runCli(directory, ['run', '--json', '--resume', ...OPTIONS, 'job.mjs', '8000']);
  expect(resumed.code, resumed.stderr).toBe(0);
  const own = (await list(directory)).find(({ jobId }) => jobId === resumed.json()['jobId']) as ListedJob;
  expect(own.source).toBe('catalog');
  expect(own.counts.restored).toBe(1);
  const former = own.history.filter(({ jobId }) => jobId === told.jobId);
  expect(former.length).toBeGreaterThanOrEqual(left.counts.completed);
  const text = await runCli(directory, ['checkpoints', 'list', 'chk']);
  expect(text.stdout.match(/^counter +checkpoint .* restored /gm)).toHaveLength(1);
  expect(text.stdout).toMatch(/restored once/);
  expect(text.stdout).not.toMatch(/not here/);
});

it('history: a checkpoint that expires is told with its cause, and the job goes on', async () => {
  const directory = makeDirectory({
    'slow.mjs': `
      import { discard, generate, job, t } from 'tidemark';
      const spin = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); };
      export default job('slow', (flow) =>
        flow
          .from(generate({ count: 3, schema: t.record({ i: t.int }), make: (i) => ({ i }) }))
          .map((value) => { spin(1400); return value; })
          .to(discard()));
    `,
  });
  const options = [
    ...OPTIONS,
    '-D',
    'execution.checkpointing.timeout=1 s',
    '-D',
    'execution.checkpointing.tolerable-failed-checkpoints=1000',
  ];
  const run = await runCli(directory, ['run', '--json', '-p', '1', ...options, 'slow.mjs']);
  expect(run.code, run.stderr).toBe(0);
  const [job] = (await list(directory)) as readonly (ListedJob & { readonly latest: { readonly failed: unknown } })[];
  expect(job.latest.failed).toMatchObject({
    type: 'failed',
    // Where the machine is slow, the last one too does not make it at once.
    trigger: expect.stringMatching(/^(periodic|final)$/),
    code: 'ERR_CHECKPOINT_TIMEOUT',
    message: expect.stringContaining('aborted'),
    subtaskCount: 1,
  });
  const text = await runCli(directory, ['checkpoints', 'list', 'chk']);
  expect(text.stdout).toMatch(/^slow +checkpoint \d+ +failed .*ERR_CHECKPOINT_TIMEOUT/m);
});
