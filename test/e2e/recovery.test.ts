/** A job in which something fails and that goes on: by each restart strategy, with every kind of state, while sources have ended. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type JobHandle, run, type RunOptions } from 'tidemark';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeDirectory, until } from '../support/cli.ts';
import { everyStateRecords } from '../support/oracle-every-state.mjs';
import { compareOutput } from '../support/output.mjs';
import { projectRoot } from '../support/sources.ts';
import { manifestAt, startStanding, startStill, writeJob } from '../support/standing-job.ts';

const JOB = pathToFileURL(join(projectRoot, 'test/e2e/jobs/every-state.mjs'));
const RECORDS = 800;
/** Records of the source that ends early. */
const SHORT = 40;

type Config = NonNullable<RunOptions['config']>;

interface EveryState extends RunOptions {
  readonly failures?: number;
  /** Records of a split between two failures. */
  readonly step?: number;
  readonly pauseMs?: number;
}

async function startEveryState(directory: string, options: EveryState): Promise<JobHandle> {
  const { failures = 0, step = 150, pauseMs = 4, config, ...others } = options;
  const handle = await run(JOB, {
    parallelism: 2,
    threads: 2,
    ...others,
    args: [directory, RECORDS, SHORT, pauseMs, failures, step].map(String),
    config: {
      'execution.checkpointing.dir': join(directory, 'checkpoints'),
      'execution.checkpointing.interval': '20 ms',
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
      ...config,
    },
  });
  onTestFinished(() => handle.cancel());
  return handle;
}

function expectExact(directory: string): void {
  for (const [name, records] of Object.entries(everyStateRecords(RECORDS, SHORT)))
    expect(compareOutput(join(directory, 'out', name), records), name).toMatchObject({ lost: [], extra: [] });
}

function failuresIn(directory: string): number {
  return readFileSync(join(directory, 'failures')).length;
}

const STRATEGIES = {
  'fixed-delay': { 'restart-strategy.fixed-delay.delay': '2 ms', 'restart-strategy.fixed-delay.attempts': 3 },
  'failure-rate': {
    'restart-strategy.failure-rate.delay': '2 ms',
    'restart-strategy.failure-rate.max-failures-per-interval': 3,
    'restart-strategy.failure-rate.failure-rate-interval': '1 h',
  },
  'exponential-delay': {
    'restart-strategy.exponential-delay.initial-backoff': '2 ms',
    'restart-strategy.exponential-delay.max-backoff': '10 ms',
    'restart-strategy.exponential-delay.attempts-before-reset-backoff': 3,
  },
} as const satisfies Readonly<Record<string, Config>>;

describe('every kind of state, after failures midway', () => {
  it.each(Object.entries(STRATEGIES))(
    '%s: as many as it allows are recovered from, and every result is exact',
    async (type, config) => {
      const directory = makeDirectory();
      const handle = await startEveryState(directory, { failures: 3, config: { 'restart-strategy.type': type, ...config } });
      expect(await handle.done).toMatchObject({ status: 'finished', restarts: 3, records: 2 * (RECORDS + SHORT) });
      expect(failuresIn(directory)).toBe(3);
      expectExact(directory);
    },
  );

  it.each(Object.entries(STRATEGIES))('%s: one more, and the job fails with the last of them', async (type, config) => {
    const directory = makeDirectory();
    const handle = await startEveryState(directory, {
      failures: 9,
      step: 0,
      threads: 1,
      config: { 'restart-strategy.type': type, ...config },
    });
    const failure = (await handle.done.catch((error: unknown) => error)) as Error;
    expect(failure).toMatchObject({ code: 'ERR_JOB_FAILED', facts: { restarts: 3 } });
    expect(failure.message).toContain('failure 4');
    expect(failuresIn(directory)).toBe(4);
  });

  it('twenty in a row, each as soon as the job runs again, lose nothing', async () => {
    const directory = makeDirectory();
    const config = {
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.delay': '0 ms',
      'restart-strategy.fixed-delay.attempts': 20,
    };
    const handle = await startEveryState(directory, { failures: 20, step: 0, pauseMs: 0, threads: 1, config });
    expect(await handle.done).toMatchObject({ status: 'finished', restarts: 20 });
    expectExact(directory);
  });
});

describe('a source that has ended while another goes on', () => {
  /** The first checkpoint in which every subtask of the short source has finished, and none of the long one. */
  async function partlyFinished(handle: JobHandle): Promise<string> {
    let path = '';
    await until(() => handle.state === 'running', 'running');
    for (;;) {
      ({ path } = await handle.checkpoint());
      const finished = (uid: string): boolean[] =>
        manifestAt(path)
          .stages.filter(({ operators }) => operators[0] === uid)
          .flatMap(({ subtasks }) => subtasks.map((subtask) => subtask.finished));
      if (finished('short').every(Boolean)) {
        expect(finished('long')).toEqual([false, false]);
        return path;
      }
    }
  }

  it('checkpoints go on, and what fails after it is exact', async () => {
    const directory = makeDirectory();
    const config = { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.delay': '1 ms' };
    // Late enough that a slow machine has taken that checkpoint before: an attempt that fails aborts what is asked of it.
    const handle = await startEveryState(directory, { failures: 1, step: 700, pauseMs: 16, config });
    await partlyFinished(handle);
    expect(await handle.done).toMatchObject({ status: 'finished', restarts: 1 });
    expectExact(directory);
  });

  it.each([1, 3])('a job restored from then goes on with the other, at parallelism %i, and ends exactly', async (parallelism) => {
    const directory = makeDirectory();
    const first = await startEveryState(directory, { pauseMs: 8 });
    const path = await partlyFinished(first);
    await first.cancel();
    // What was committed after that checkpoint is of a life that is given up.
    const committed = manifestAt(path).counters['records'];
    const second = await startEveryState(makeDirectory(), { from: path, pauseMs: 0, parallelism });
    const result = await second.done;
    expect(result).toMatchObject({ status: 'finished', records: 2 * (RECORDS + SHORT), restoredFrom: path });
    expect(committed).toBeLessThan(result.records);
    const ends = manifestAt(result.lastCheckpoint as string);
    expect(ends.stages.every(({ subtasks }) => subtasks.every(({ finished }) => finished))).toBe(true);
  });

  it('when all have ended, a last checkpoint is taken at once, however long the interval', async () => {
    const directory = makeDirectory();
    const handle = await startEveryState(directory, { pauseMs: 0, config: { 'execution.checkpointing.interval': '24 h' } });
    const result = await handle.done;
    expect(result).toMatchObject({ status: 'finished', checkpoints: { completed: 1, failed: 0 } });
    expect(manifestAt(result.lastCheckpoint as string)).toMatchObject({ trigger: 'final', checkpointId: 1 });
    expectExact(directory);
    // Nothing is left to read: a job restored from there ends at once, and emits nothing of the end twice.
    const again = await startEveryState(directory, { from: result.lastCheckpoint as string });
    expect(await again.done).toMatchObject({ status: 'finished', records: result.records });
    expectExact(directory);
  });
});

describe('a file source', () => {
  it('gives each line of each file once, although the job fails on the way', async () => {
    const directory = makeDirectory();
    mkdirSync(join(directory, 'in'));
    const lines = Array.from({ length: 1200 }, (_, i) => `${i} ${'x'.repeat(i % 90)}`);
    const text = (from: number, to: number): string => lines.slice(from, to).join('\n');
    writeFileSync(join(directory, 'in/a.txt'), `${text(0, 500)}\n`);
    writeFileSync(join(directory, 'in/b.txt'), text(500, 510));
    writeFileSync(join(directory, 'in/c.txt.gz'), gzipSync(`${text(510, 1200)}\n`));
    writeFileSync(
      join(directory, 'job.mjs'),
      `
      import { existsSync, readdirSync, writeFileSync } from 'node:fs';
      import { files, job, t } from 'tidemark';
      const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
      let seen = 0;
      export default job('lines', (flow, [directory]) =>
        flow
          .from(files.lines(directory + '/in/*'))
          .map((line) => {
            if (++seen % 4 === 0) pause(1);
            if (seen > 300 && !existsSync(directory + '/failed')) {
              const isPublished = (path) => path.endsWith('_metadata') && !path.includes('.new');
              if (readdirSync(directory + '/checkpoints', { recursive: true }).some(isPublished)) {
                writeFileSync(directory + '/failed', '');
                throw new Error('once');
              }
              pause(2);
            }
            return { line };
          })
          .returns(t.record({ line: t.string }))
          .to(files.jsonl(directory + '/out')));
      `,
    );
    const handle = await run(pathToFileURL(join(directory, 'job.mjs')), {
      parallelism: 2,
      threads: 2,
      args: [directory],
      config: {
        'execution.checkpointing.dir': join(directory, 'checkpoints'),
        'execution.checkpointing.interval': '20 ms',
        'restart-strategy.type': 'fixed-delay',
        'restart-strategy.fixed-delay.delay': '1 ms',
      },
    });
    onTestFinished(() => handle.cancel());
    const restored: number[] = [];
    handle.on('restored', ({ checkpointId }) => restored.push(checkpointId));
    expect(await handle.done).toMatchObject({ status: 'finished', restarts: 1, records: lines.length });
    expect(restored).toHaveLength(1);
    expect(
      compareOutput(
        join(directory, 'out'),
        lines.map((line) => ({ line })),
      ),
    ).toMatchObject({ lost: [], extra: [] });
  });
});

describe('while a job is being restored', () => {
  it('it can be asked how it is, and a failure of the restore is a restart and not a loss', async () => {
    const directory = makeDirectory();
    const slowAtFirst = (flag: string): string => `
      const fs = process.getBuiltinModule('node:fs');
      const flag = ${JSON.stringify(join(directory, flag))};
      records.keyBy('key').process({
        state: { total: value(t.f64, 0) },
        onOpen() {
          if (!fs.existsSync(flag)) return;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
          fs.rmSync(flag, { force: true });
          throw new Error('not yet');
        },
        onRecord({ n }, { state }) { state.total.update((total) => total + n); },
      }).uid('totals').to(discard());`;
    const file = writeJob(directory, 'job.mjs', slowAtFirst('slow'));
    const first = await startStill(file, { directory });
    const { path } = await first.checkpoint();
    await first.cancel();
    appendFileSync(join(directory, 'slow'), '');

    const config = { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.delay': '1 ms' };
    const second = await startStanding(file, { directory, from: path, config });
    await until(() => second.state === 'restoring', 'restoring');
    expect(second.progress()).toMatchObject({ state: 'restoring', attempt: 1, restarts: 0, checkpoints: { completed: 0 } });
    await expect(second.checkpoint()).rejects.toMatchObject({ message: expect.stringContaining('is restoring') });
    await until(() => second.state === 'running', 'running');
    expect(second.progress()).toMatchObject({ restarts: 1 });
    expect((await second.history())[0]).toMatchObject({ type: 'restored', path });
    const own = await second.checkpoint();
    expect(manifestAt(own.path).operators).toEqual(manifestAt(path).operators);
  });
});
