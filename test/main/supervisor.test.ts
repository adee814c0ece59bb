/** The command line as a process, over a runtime that each test scripts (`fixtures/fake-runtime.mjs`). */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withHugePages } from '../../src/main/huge-pages.ts';
import { describeExit } from '../../src/main/supervisor.ts';

const CLI = fileURLToPath(new URL('../../dist/main/cli/main.js', import.meta.url));
const JOB = fileURLToPath(new URL('fixtures/job.mjs', import.meta.url));
const FAKE_RUNTIME = new URL('fixtures/fake-runtime.mjs', import.meta.url).href;
const CHECKPOINTING = [
  '-D',
  'execution.checkpointing.interval=1s',
  '-D',
  'execution.checkpointing.dir=/unused',
  '-D',
  'restart-strategy=fixed-delay',
  '-D',
  'restart-strategy.fixed-delay.delay=10ms',
];

/** Statements for job modules. */
const WRITE_PID = "(await import('node:fs')).writeFileSync('pid', String(process.pid));";
const COUNT_START = "(await import('node:fs')).appendFileSync('starts', '.');";
const EXISTED = "const fs = await import('node:fs'); const existed = fs.existsSync('died'); fs.writeFileSync('died', '');";
const EMPTY_JOB = "export default { [Symbol.for('tidemark.job')]: 1, name: 'fake', nodes: [], config: {} };";

let root: string;
const processes: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tm-cli-'));
});
afterEach(() => {
  for (const child of processes.splice(0)) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when standard error holds the text. */
  said(text: string): Promise<void>;
}

function start(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: root,
    env: { ...process.env, TIDEMARK_RUNTIME_DIR: join(root, 'run'), TIDEMARK_TEST_RUNTIME: FAKE_RUNTIME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  processes.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const finished = new Promise<Finished>((done) => child.on('close', (code) => done({ code, stdout, stderr })));
  const said = async (text: string): Promise<void> => {
    for (const deadline = Date.now() + 10_000; !stderr.includes(text); await sleep(10)) {
      if (Date.now() > deadline) throw new Error(`never said ${JSON.stringify(text)}, but: ${stderr}`);
    }
  };
  return { child, finished, said };
}

const tidemark = (...args: string[]): Promise<Finished> => start(args).finished;
const lastJson = (stdout: string): Record<string, unknown> => JSON.parse(stdout.trimEnd().split('\n').at(-1) as string);
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function fileAppears(path: string): Promise<string> {
  for (const deadline = Date.now() + 10_000; !existsSync(path) || readFileSync(path, 'utf8') === ''; await sleep(10)) {
    if (Date.now() > deadline) throw new Error(`${path} did not appear`);
  }
  return readFileSync(path, 'utf8');
}

describe('run', () => {
  test('run: a job that finishes gives 0, its own output, and one JSON document as the last line', async () => {
    const { code, stdout, stderr } = await tidemark('run', '--json', JOB, 'print', 'hello', 'run', '10');
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toBe('hello');
    expect(lastJson(stdout)).toMatchObject({
      status: 'finished',
      jobName: 'fake',
      records: 42,
      checkpoints: { completed: 0, failed: 0 },
      lastCheckpoint: null,
      restoredFrom: null,
      jobId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(stderr).toContain('fake finished');
  });

  test.each([
    ['ERR_OPERATOR_FAILED', 1],
    ['ERR_CHECKPOINT_DIR', 2],
    ['ERR_TABLE_CORRUPT', 3],
  ])('run: a job that fails with %s gives %d', async (error, exit) => {
    const { code, stdout, stderr } = await tidemark('run', '--json', JOB, 'fail', error);
    expect(code).toBe(exit);
    expect(stderr).toContain(`${error}: told to fail`);
    expect(lastJson(stdout)).toMatchObject({
      status: 'failed',
      jobName: 'fake',
      error: { code: error, facts: { operator: 'x' } },
    });
  });

  test("run: what comes after the job file is the job's, also when it looks like an option", async () => {
    const { code, stdout } = await tidemark('run', JOB, 'print', '--json', 'print', '-p');
    expect([code, stdout]).toEqual([0, '--json\n-p\n']);
  });

  test.each([
    [
      'an unknown configuration key',
      ['run', '-D', 'task.thread=1', JOB],
      /unknown key task\.thread \(-D\); the nearest known one is task\.threads/,
    ],
    ['a configuration file that is not there', ['run', '--config', 'none.yaml', JOB], /none\.yaml cannot be read/],
    ['a job file that is not there', ['run', 'none.ts'], /There is no job file .*none\.ts \(working directory: /],
  ])('run: %s gives 2 and one clear message', async (_, args, message) => {
    const { code, stderr } = await tidemark(...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  test('run --print-config: prints every option with its origin and runs nothing', async () => {
    const { code, stdout } = await tidemark('run', '--print-config', '-p', '3', JOB, 'fail', 'ERR_INTERNAL');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^parallelism\.default: 3 +# -D$/m);
  });
});

describe('crashes', () => {
  test('supervisor: a process that is killed is started again, and the result counts the restart', async () => {
    const { code, stdout, stderr } = await tidemark('run', '--json', ...CHECKPOINTING, JOB, 'crash', 'SIGKILL');
    expect(stderr).toContain('was killed (SIGKILL)');
    expect(code).toBe(0);
    expect(lastJson(stdout)).toMatchObject({ status: 'finished', restarts: 1, restoredFrom: '/checkpoints/chk-1' });
  });

  test('supervisor: without checkpoints a crash fails the job and says why', async () => {
    const { code, stderr } = await tidemark('run', JOB, 'crash', 'SIGABRT');
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERR_JOB_FAILED: .*aborted \(SIGABRT\), most likely out of heap.*Checkpoints are off/);
  });

  test('supervisor: gives up as the restart strategy says, and names the last checkpoint', async () => {
    const { code, stderr } = await tidemark('run', ...CHECKPOINTING, JOB, 'crash-always');
    expect(code).toBe(1);
    expect(stderr).toContain('restart-strategy.fixed-delay.attempts');
  });

  test('supervisor: exponential delay, the default, has no bound on attempts', async () => {
    const args = [
      ...CHECKPOINTING.slice(0, 4),
      '-D',
      'restart-strategy.exponential-delay.initial-backoff=10ms',
      '-D',
      'restart-strategy.exponential-delay.max-backoff=10ms',
    ];
    const run = start(['run', ...args, JOB, 'crash-always']);
    await run.said('Starting process 5');
    run.child.kill('SIGKILL');
  });

  test.each([
    ['runs', JOB, ['forever']],
    ['stands still', JOB, ['hang']],
    ['stands still while it loads the job', 'hangs.mjs', []],
  ])('supervisor: when it is killed itself, a runtime process that %s ends too', async (_, job, script) => {
    const pidFile = join(root, 'pid');
    writeFileSync(join(root, 'hangs.mjs'), `${WRITE_PID} for (;;);`);
    const run = start(['run', job, 'pid', pidFile, ...script]);
    const pid = Number(await fileAppears(pidFile));
    expect(isAlive(pid)).toBe(true);
    run.child.kill('SIGKILL');
    for (const deadline = Date.now() + 5_000; isAlive(pid) && Date.now() < deadline; ) await sleep(5);
    const survived = isAlive(pid);
    if (survived) process.kill(pid, 'SIGKILL');
    expect(survived).toBe(false);
  });

  test('supervisor: the runtime process asks for huge pages where this machine gives them to those who ask', async () => {
    const write = "(await import('node:fs')).writeFileSync('env', JSON.stringify(process.env.GLIBC_TUNABLES ?? null));";
    writeFileSync(join(root, 'tells.mjs'), `${write} ${EMPTY_JOB}`);
    const { code } = await tidemark('run', 'tells.mjs', 'run', '10');
    expect(code).toBe(0);
    const tunables: unknown = JSON.parse(readFileSync(join(root, 'env'), 'utf8'));
    expect(tunables).toBe(withHugePages(process.env)['GLIBC_TUNABLES'] ?? null);
  });

  test('supervisor: a process that is killed while it loads the job is started again, also without checkpoints', async () => {
    writeFileSync(join(root, 'dies.mjs'), `${EXISTED} if (!existed) process.kill(process.pid, 'SIGKILL'); ${EMPTY_JOB}`);
    const { code, stdout, stderr } = await tidemark('run', '--json', 'dies.mjs', 'run', '10');
    expect(stderr).toContain('was killed (SIGKILL), by hand or because the system ran out of memory while it loaded the job');
    expect(code).toBe(0);
    expect(lastJson(stdout)).toMatchObject({ status: 'finished', restarts: 1 });
  });

  test.each([
    ['is killed every time it loads the job', "process.kill(process.pid, 'SIGKILL')", 4, /loaded the job, as did 3 before it/],
    ['exits while it loads the job', 'process.exit(3)', 1, /ERR_JOB_FAILED: .*exited with code 3 while it loaded the job\./],
  ])('supervisor: a process that %s fails the job', async (_, fault, starts, message) => {
    writeFileSync(join(root, 'dies.mjs'), `${COUNT_START} ${fault}; ${EMPTY_JOB}`);
    const { code, stderr } = await tidemark('run', ...CHECKPOINTING, 'dies.mjs');
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    expect(readFileSync(join(root, 'starts'), 'utf8')).toHaveLength(starts);
  });

  test('supervisor: SIGINT before a process dies while it loads the job ends as well, and starts no other', async () => {
    writeFileSync(join(root, 'dies.mjs'), `${WRITE_PID} for (;;);`);
    const run = start(['run', '--json', 'dies.mjs']);
    const pid = Number(await fileAppears(join(root, 'pid')));
    run.child.kill('SIGINT');
    await run.said('stopping with a last checkpoint');
    process.kill(pid, 'SIGKILL');
    const { code, stdout, stderr } = await run.finished;
    expect([code, stderr]).toEqual([130, expect.not.stringContaining('Starting process 2')]);
    expect(lastJson(stdout)).toMatchObject({ status: 'killed', jobName: null });
  });

  test('supervisor: SIGINT before a process that died while it loaded the job is started again ends at once', async () => {
    writeFileSync(join(root, 'dies.mjs'), "process.kill(process.pid, 'SIGKILL');");
    const run = start(['run', '--json', 'dies.mjs']);
    await run.said('Starting process 2');
    run.child.kill('SIGINT');
    const { code, stdout } = await run.finished;
    expect(code).toBe(130);
    expect(lastJson(stdout)).toMatchObject({ status: 'killed', jobName: null });
  });

  test.each([
    [134, null, /aborted/],
    [null, 'SIGSEGV', /ended by SIGSEGV/],
    [3, null, /exited with code 3/],
  ] as const)('supervisor: exit %s %s is described', (code, signal, text) => expect(describeExit(code, signal)).toMatch(text));
});

describe('signals', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s: stops with a last checkpoint, says where it is, exits with %d', async (signal, exit) => {
    const pidFile = join(root, 'pid');
    const run = start(['run', '--json', JOB, 'pid', pidFile, 'forever']);
    await fileAppears(pidFile);
    run.child.kill(signal);
    const { code, stdout, stderr } = await run.finished;
    expect(code).toBe(exit);
    expect(stderr).toContain('/checkpoints/chk-1');
    expect(lastJson(stdout)).toMatchObject({ status: 'stopped', lastCheckpoint: '/checkpoints/chk-1' });
  });

  test('SIGINT: a second one ends at once, though the first still waits for its checkpoint', async () => {
    const pidFile = join(root, 'pid');
    const run = start(['run', '--json', JOB, 'pid', pidFile, 'forever'], { TIDEMARK_TEST_SLOW_STOP: '1' });
    const pid = Number(await fileAppears(pidFile));
    run.child.kill('SIGINT');
    await run.said('stopping with a last checkpoint');
    run.child.kill('SIGINT');
    const { code, stdout } = await run.finished;
    expect(code).toBe(130);
    expect(lastJson(stdout)).toMatchObject({ status: 'killed' });
    expect(isAlive(pid)).toBe(false);
  });

  test('SIGTERM to the whole group, as a terminal sends it: the runtime process leaves it to its supervisor', async () => {
    const pidFile = join(root, 'pid');
    const run = start(['run', JOB, 'pid', pidFile, 'forever']);
    const pid = Number(await fileAppears(pidFile));
    process.kill(pid, 'SIGINT');
    run.child.kill('SIGINT');
    expect((await run.finished).code).toBe(130);
  });

  test('SIGTERM while the process is being restarted: ends with what the last checkpoint has', async () => {
    const args = [
      '-D',
      'execution.checkpointing.interval=1s',
      '-D',
      'execution.checkpointing.dir=/unused',
      '-D',
      'restart-strategy=fixed-delay',
      '-D',
      'restart-strategy.fixed-delay.delay=1h',
    ];
    const run = start(['run', '--json', ...args, JOB, 'crash', 'SIGKILL']);
    await run.said('Starting process 2');
    // What needs a running job is refused, and the restart still comes.
    for (const more of [['--savepoint-path', '/sp'], ['--drain']]) {
      const refused = await tidemark('stop', 'fake', ...more);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is being restarted')]);
    }
    run.child.kill('SIGTERM');
    const { code, stdout } = await run.finished;
    expect(code).toBe(143);
    expect(lastJson(stdout)).toMatchObject({ status: 'stopped', lastCheckpoint: '/checkpoints/chk-1' });
  });
});

describe('running jobs', () => {
  test('run -d: returns when the job runs; list, checkpoint, savepoint and stop reach it', async () => {
    const started = await tidemark('run', '-d', '--json', JOB, 'forever');
    expect(started.code).toBe(0);
    const { jobId, pid } = lastJson(started.stdout) as { jobId: string; pid: number };
    const listed = lastJson((await tidemark('list', '--json')).stdout) as { jobs: unknown[] };
    expect(listed.jobs).toMatchObject([{ jobId, pid, jobName: 'fake', progress: { state: 'running', records: 42 } }]);
    expect((await tidemark('list')).stdout).toContain(jobId);

    expect(lastJson((await tidemark('checkpoint', '--json', jobId.slice(0, 6))).stdout)).toMatchObject({
      jobId,
      checkpoint: { checkpointId: 1 },
    });
    expect((await tidemark('savepoint', 'fake', '/sp', '--type', 'native')).stdout).toContain(
      'Savepoint completed. Path: /sp/savepoint-native',
    );
    const refused = await tidemark('savepoint', 'fake');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('ERR_SAVEPOINT_FAILED')]);

    const stopped = await tidemark('stop', 'fake');
    expect([stopped.code, stopped.stdout]).toEqual([0, expect.stringContaining('/checkpoints/chk-2')]);
    expect((await tidemark('list')).stdout).toBe('No job runs.\n');
  });

  test('cancel: ends the job, whose run command then gives 1', async () => {
    const pidFile = join(root, 'pid');
    const run = start(['run', JOB, 'pid', pidFile, 'forever']);
    await fileAppears(pidFile);
    expect((await tidemark('cancel', 'fake')).code).toBe(0);
    const { code, stderr } = await run.finished;
    expect([code, stderr]).toEqual([1, expect.stringContaining('ERR_JOB_CANCELLED')]);
  });

  test('run -d: a job that cannot start gives its error and exit code', async () => {
    const { code, stderr } = await tidemark('run', '-d', '-D', 'task.threads=0', JOB, 'forever');
    expect([code, stderr]).toEqual([2, expect.stringContaining('ERR_CONFIG_INVALID')]);
  });

  test.each(['stop', 'cancel', 'checkpoint', 'savepoint'])(
    '%s: of a job that does not run gives 2 and lists what runs',
    async (command) => {
      const { code, stderr } = await tidemark(command, 'nothing');
      expect([code, stderr]).toEqual([2, expect.stringMatching(/ERR_NO_SUCH_JOB.*"nothing".*No job runs/)]);
    },
  );
});

describe('checkpoints on disk', () => {
  test('checkpoints list: a directory that is not there gives 2, an empty one is no error', async () => {
    expect((await tidemark('checkpoints', 'list', 'none')).code).toBe(2);
    const empty = await tidemark('checkpoints', 'list', root);
    expect([empty.code, empty.stdout]).toEqual([0, `There is no checkpoint in ${root}.\n`]);
  });

  test.each(['inspect', 'verify'])('%s: a path without a checkpoint gives 3', async (command) => {
    const { code, stderr } = await tidemark(command, root);
    expect([code, stderr]).toEqual([3, expect.stringContaining('ERR_CHECKPOINT_NOT_FOUND')]);
  });
});
