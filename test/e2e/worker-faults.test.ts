/**
 * What goes wrong in a worker, through `tidemark run` and real workers: it is detected, the job goes on from its last
 * checkpoint, and in the end every record counts exactly once. Without a restart strategy the job fails with the reason.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type CliResult, makeDirectory, runCli } from '../support/cli.ts';
import { compareOutput } from '../support/output.mjs';

const JOB = fileURLToPath(new URL('jobs/faulty.mjs', import.meta.url));
const RECORDS = 3_000;
const KEYS = 7;

const CHECKPOINTS = ['-D', 'state.checkpoints.dir=chk', '-D', 'execution.checkpointing.interval=50 ms'];
const RESTART_ONCE = [
  '-D',
  'restart-strategy.type=fixed-delay',
  '-D',
  'restart-strategy.fixed-delay.delay=10 ms',
  '-D',
  'restart-strategy.fixed-delay.attempts=1',
];
const NO_RESTART = ['-D', 'restart-strategy.type=none'];

/** @param fault  what goes wrong, where and when: see the job */
async function runFaulty(
  fault: string,
  options: readonly string[],
  environment: readonly string[] = [],
): Promise<CliResult & { directory: string }> {
  const directory = makeDirectory();
  copyFileSync(JOB, join(directory, 'job.mjs'));
  const args = ['run', '--json', '-p', '2', ...CHECKPOINTS, ...options, 'job.mjs'];
  return { ...(await runCli(directory, args, ['env', `FAULTY=${fault}`, ...environment])), directory };
}

/** Every record once, and the counts of a loop that knows nothing of Tidemark. */
function expectExactlyOnce(directory: string): void {
  const counts = Array.from({ length: KEYS }, (_, k) => ({ k, n: 0 }));
  const indices = Array.from({ length: RECORDS }, (_, index) => ({ index }));
  for (const { index } of indices) counts[index % KEYS].n++;
  const { lost, extra } = compareOutput(join(directory, 'out'), [...indices, ...counts]);
  expect({ lost: lost.slice(0, 5), extra: extra.slice(0, 5) }).toEqual({ lost: [], extra: [] });
}

const HEAP_OF_64_MB = ['NODE_OPTIONS=--max-old-space-size=64'];

/** In front of the exchange the source is in reach, and its position is named with the record. */
const AT_RECORD =
  /Operator 'number' \(job\.mjs:\d+\) failed in subtask [01] of 2, at generated record (\d+): bad luck\. The record was \{"index":\1,"k":\d\}/;

/** Behind it who sent the record is named, and how far its source had read at the barrier before. */
const BEHIND_EXCHANGE =
  /Operator 'count' \(job\.mjs:\d+\) failed in subtask [01] of 2, at a record from subtask ([01]) of stage 'generate -> number': bad luck\. .*at barrier \d+, before the record came, subtask \1 of source '[^']+' was in split '[^']+' at \d+/;

describe('a worker in which something goes wrong once', () => {
  it.each([
    ['a function that throws', 'throw number once', [], [], AT_RECORD],
    ['a keyed function that throws', 'throw count once', [], [], BEHIND_EXCHANGE],
    ['process.exit()', 'exit count once', [], [], /exited with code 7 in a turn of stage 'count .*', subtask [01]/],
    ['an endless loop', 'loop count once', ['-D', 'task.timeout=500 ms'], [], /Stage 'count .*', subtask [01]: .*task\.timeout/],
    ['a heap that is full', 'heap count once', [], HEAP_OF_64_MB, /out of heap/],
  ] as const)('%s: the job goes on from its last checkpoint, exactly once', async (_, fault, options, environment, reason) => {
    const { directory, code, stderr, json } = await runFaulty(fault, [...RESTART_ONCE, ...options], environment);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(reason);
    expect(json(), stderr).toMatchObject({
      status: 'finished',
      records: RECORDS,
      restarts: 1,
      restoredFrom: expect.stringMatching(/chk-\d+$/),
    });
    expectExactlyOnce(directory);
  });

  it.each([
    ['throws', 'load-throws - once', 'no database in a thread'],
    ['exits', 'load-exits - once', 'exited with code 7'],
  ])('a job module that %s in a thread: the job starts again, exactly once', async (_, fault, reason) => {
    const { directory, code, stderr, json } = await runFaulty(fault, RESTART_ONCE);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(reason);
    expect(json(), stderr).toMatchObject({ status: 'finished', records: RECORDS, restarts: 1, restoredFrom: null });
    expectExactlyOnce(directory);
  });
});

describe('a worker in which it goes wrong every time', () => {
  it("a restart strategy that gives up fails the job with its reason and the function's error", async () => {
    const { code, stderr, json } = await runFaulty('throw number always', RESTART_ONCE);
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERR_JOB_FAILED: .*restart-strategy\.fixed-delay\.attempts/);
    expect(stderr).toMatch(AT_RECORD);
    const facts = { cause: 'ERR_OPERATOR_FAILED', operator: 'number', source: 'generated record 1500', restarts: 1 };
    expect(json(), stderr).toMatchObject({ status: 'failed', restarts: 1, error: { code: 'ERR_JOB_FAILED', facts } });
  });

  it.each([
    [
      'a function that throws',
      'throw number always',
      [],
      1,
      'ERR_OPERATOR_FAILED',
      { operator: 'number', record: '{"index":1500,"k":2}' },
    ],
    ['an endless loop', 'loop count always', ['-D', 'task.timeout=300 ms'], 1, 'ERR_TASK_TIMEOUT', { timeoutMs: 300 }],
    ['a module that throws in a thread', 'load-throws - always', [], 2, 'ERR_JOB_LOAD', {}],
    ['a module that exits in a thread', 'load-exits - always', [], 1, 'ERR_WORKER_EXITED', { exitCode: 7 }],
  ] as const)('%s: without a restart strategy the job fails, and says why', async (_, fault, options, exit, error, facts) => {
    const { code, stderr, json } = await runFaulty(fault, [...NO_RESTART, ...options]);
    expect(code, stderr).toBe(exit);
    expect(json(), stderr).toMatchObject({ status: 'failed', restarts: 0, error: { code: error, facts } });
  });
});
