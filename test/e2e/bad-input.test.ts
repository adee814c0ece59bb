/** What bad input gets from the command line: an exit status, one clear message, nothing lost. */
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type CliResult, makeDirectory, runCli, startCli, until } from '../support/cli.ts';
import { findIncompleteCheckpoints, listCheckpoints } from '../support/checkpoint-reader.mjs';
import { finishedRuns } from '../support/finished-run.ts';

/** A small job with keyed state; its arguments are the number of records and records per second. */
const COUNTER = `
  import { count, files, generate, job, t } from 'tidemark';
  export default job('counter', (flow, [records = '1000', rate = 'Infinity']) => {
    flow
      .from(generate({ count: Number(records), ratePerSecond: Number(rate), schema: t.record({ k: t.i32 }), make: (i) => ({ k: i % 10 }) }))
      .keyBy('k')
      .aggregate({ n: count() }, { emit: 'end' })
      .uid('counts')
      .to(files.jsonl('out'));
  });
`;

const CHECKPOINTED = [
  '-D',
  'state.checkpoints.dir=chk',
  '-D',
  'execution.checkpointing.interval=50 ms',
  '-D',
  'execution.checkpointing.externalized-checkpoint-retention=RETAIN_ALWAYS',
];

/** One code, one message for people, no stack of ours. */
function expectRefusal(result: CliResult, code: number, error: string, ...says: readonly (string | RegExp)[]): void {
  expect.soft(result.stderr).toContain(error);
  for (const text of says) expect.soft(result.stderr).toMatch(text);
  expect.soft(result.stderr).not.toMatch(/\n\s+at .*dist\/(main|worker)\//);
  expect(result.code, result.stderr).toBe(code);
}

/** A directory with the job and one finished run of it, and the path of its last checkpoint. */
const finishedRun = finishedRuns(CHECKPOINTED);

describe('job files', () => {
  it('one that does not exist is refused with the working directory named', async () => {
    const directory = makeDirectory();
    expectRefusal(await runCli(directory, ['run', 'nowhere.ts']), 2, 'ERR_JOB_NOT_FOUND', 'nowhere.ts', directory);
  });

  it('one without a default export is refused with what it exports', async () => {
    const directory = makeDirectory({ 'job.mjs': 'export const other = 1;' });
    expectRefusal(await runCli(directory, ['run', 'job.mjs']), 2, 'ERR_JOB_LOAD', 'job.mjs', /default/);
  });

  it('one whose default export is no job is refused', async () => {
    const directory = makeDirectory({ 'job.mjs': 'export default { name: "x" };' });
    expectRefusal(await runCli(directory, ['run', 'job.mjs']), 2, 'ERR_JOB_LOAD', 'job.mjs', /job\(/);
  });

  it('one that throws on load is refused with file, line and message', async () => {
    const directory = makeDirectory({ 'job.mjs': '\n\nthrow new Error("no database");' });
    expectRefusal(await runCli(directory, ['run', 'job.mjs']), 2, 'ERR_JOB_LOAD', 'no database', /job\.mjs:3/);
  });

  it('one with an error in its syntax is refused with file and line', async () => {
    const directory = makeDirectory({ 'job.ts': 'const a: number = 1;\nexport default job(;\n' });
    expectRefusal(await runCli(directory, ['run', 'job.ts']), 2, 'ERR_JOB_LOAD', /job\.ts:2/);
  });
});

describe('job graphs', () => {
  it('two operators with the same uid are refused, both places named', async () => {
    const text = COUNTER.replace(".to(files.jsonl('out'));", ".map((x) => x).uid('counts').to(files.jsonl('out'));");
    const directory = makeDirectory({ 'job.mjs': text });
    expectRefusal(await runCli(directory, ['run', 'job.mjs']), 2, 'ERR_JOB_INVALID', 'counts', /job\.mjs:\d+[^]*job\.mjs:\d+/);
  });

  it('a graph without a sink is refused', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER.replace(".to(files.jsonl('out'))", '') });
    expectRefusal(await runCli(directory, ['run', 'job.mjs']), 2, 'ERR_JOB_INVALID', /sink/);
  });
});

describe('input files', () => {
  const LINES = `
    import { files, job } from 'tidemark';
    import { existsSync, renameSync } from 'node:fs';
    export default job('lines', (flow, [pattern]) => {
      flow.from(files.lines(pattern)).map((line) => {
        if (line === 'bad' && !existsSync('away')) {
          renameSync('in', 'away');
          throw new Error('the input is away');
        }
        return line;
      }).to(files.lines('out'));
    });
  `;
  const RESTARTS = ['-D', 'restart-strategy.type=fixed-delay', '-D', 'restart-strategy.fixed-delay.attempts=1000'];

  it('a pattern that no file matches is refused at once, however many restarts are configured', async () => {
    const directory = makeDirectory({ 'job.mjs': LINES });
    const result = await runCli(directory, ['run', ...CHECKPOINTED, ...RESTARTS, 'job.mjs', 'in/*.txt']);
    expectRefusal(result, 2, 'ERR_INPUT_NOT_FOUND', 'in/*.txt', directory);
    expect(result.stderr).not.toContain('attempt 2');
  });

  it('files that vanish while the job runs are waited for', async () => {
    const directory = makeDirectory({ 'job.mjs': LINES, 'in/a.txt': 'one\nbad\ntwo\n' });
    const delay = ['-D', 'restart-strategy.fixed-delay.delay=100 ms'];
    const running = startCli(directory, ['run', ...CHECKPOINTED, ...RESTARTS, ...delay, 'job.mjs', 'in/*.txt']);
    await until(() => running.stderr().includes('No file matches'), 'an attempt without input');
    cpSync(join(directory, 'away'), join(directory, 'copy'), { recursive: true });
    renameSync(join(directory, 'copy'), join(directory, 'in'));
    const result = await running.ended;
    expect(result.code, result.stderr).toBe(0);
    expect(outputLines(directory).toSorted()).toEqual(['bad', 'one', 'two']);
  });
});

describe('configuration', () => {
  it('an unknown key is refused with the nearest one named', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const result = await runCli(directory, ['run', '-D', 'execution.checkpointing.intervall=1 s', 'job.mjs']);
    expectRefusal(result, 2, 'ERR_CONFIG_INVALID', 'execution.checkpointing.intervall', /execution\.checkpointing\.interval\b/);
  });

  it('a value without meaning is refused with the file and line it came from', async () => {
    const directory = makeDirectory({
      'job.mjs': COUNTER,
      'tidemark.config.yaml': 'parallelism.default: 2\ntask.timeout: soon\n',
    });
    expectRefusal(
      await runCli(directory, ['run', 'job.mjs']),
      2,
      'ERR_CONFIG_INVALID',
      'task.timeout',
      'soon',
      /tidemark\.config\.yaml:2/,
    );
  });

  it('unaligned checkpoints are refused with the reason', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const result = await runCli(directory, ['run', '-D', 'execution.checkpointing.unaligned.enabled=true', 'job.mjs']);
    expectRefusal(result, 2, 'ERR_CONFIG_INVALID', /unaligned/);
  });

  it('an unknown option of the command line is refused as usage', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    expectRefusal(await runCli(directory, ['run', '--resumee', 'job.mjs']), 2, 'ERR_USAGE', '--resumee');
  });
});

describe('checkpoint directories', () => {
  it('one that is a file is refused', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER, chk: 'I am a file' });
    expectRefusal(await runCli(directory, ['run', ...CHECKPOINTED, 'job.mjs']), 2, 'ERR_CHECKPOINT_DIR', 'chk');
    expect(readFileSync(join(directory, 'chk'), 'utf8')).toBe('I am a file');
  });

  it('one that cannot be written is refused', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    // Root may write anywhere but in the kernel's own file systems.
    const isRoot = process.getuid?.() === 0;
    const readOnly = isRoot ? '/sys/tidemark' : join(directory, 'read-only');
    if (!isRoot) {
      mkdirSync(readOnly);
      chmodSync(readOnly, 0o500);
    }
    const result = await runCli(directory, [
      'run',
      '-D',
      `state.checkpoints.dir=${readOnly}`,
      '-D',
      'execution.checkpointing.interval=1 s',
      'job.mjs',
    ]);
    expectRefusal(result, 2, 'ERR_CHECKPOINT_DIR', readOnly);
  });

  it('an interval without a directory is refused', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const result = await runCli(directory, ['run', '-D', 'execution.checkpointing.interval=1 s', 'job.mjs']);
    expectRefusal(result, 2, 'ERR_C', 'execution.checkpointing.dir');
  });

  it('one that belongs to a running job is refused with the owner named, and the running job goes on', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const running = startCli(directory, ['run', ...CHECKPOINTED, 'job.mjs', '60000', '500']);
    const published = (): number => listCheckpoints(join(directory, 'chk')).at(-1)?.checkpointId ?? 0;
    await until(() => published() > 0, 'a first checkpoint');
    const second = await runCli(directory, ['run', '--resume', ...CHECKPOINTED, 'job.mjs', '60000', '500']);
    expectRefusal(second, 2, 'ERR_DIR_LOCKED', /process \d+/);
    const before = published();
    await until(() => published() > before, 'a further checkpoint of the first job');
    running.process.kill('SIGTERM');
    const stopped = await running.ended;
    expect(stopped.code, stopped.stderr).toBe(143);
    const last = await runCli(directory, ['run', '--resume', ...CHECKPOINTED, 'job.mjs', '60000', 'Infinity']);
    expect(last.code, last.stderr).toBe(0);
    expect(countsIn(directory)).toEqual(Array.from({ length: 10 }, () => 6_000));
  });
});

describe('checkpoints to restore from', () => {
  it('a path that does not exist is refused at once, however many restarts are configured', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const retries = ['restart-strategy.type=fixed-delay', 'restart-strategy.fixed-delay.attempts=1000'];
    const options = [...CHECKPOINTED, ...retries.flatMap((definition) => ['-D', definition])];
    const refused = await runCli(directory, ['run', '--json', '-s', 'nowhere', ...options, 'job.mjs']);
    expectRefusal(refused, 3, 'ERR_CHECKPOINT_NOT_FOUND', 'nowhere');
    expect(refused.json()).toMatchObject({ status: 'failed', restarts: 0, error: { code: 'ERR_CHECKPOINT_NOT_FOUND' } });
  });

  it('a directory that is no checkpoint is refused', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER, 'some/file.txt': 'x' });
    expectRefusal(await runCli(directory, ['run', '-s', 'some', 'job.mjs']), 3, 'ERR_CHECKPOINT_NOT_FOUND', 'some');
  });

  it('a damaged manifest is refused with file and reason, and is left as it is', async () => {
    const { directory, checkpoint } = await finishedRun(COUNTER);
    const manifest = join(checkpoint, '_metadata');
    const damaged = readFileSync(manifest, 'utf8').replace('"counter"', '"countre"');
    writeFileSync(manifest, damaged);
    expectRefusal(await runCli(directory, ['run', '-s', checkpoint, 'job.mjs']), 3, 'ERR_MANIFEST_CORRUPT', manifest);
    expect(readFileSync(manifest, 'utf8')).toBe(damaged);
  });

  it('a damaged table is refused with its name', async () => {
    const { directory, checkpoint } = await finishedRun(COUNTER);
    const shared = join(checkpoint, '..', 'shared');
    for (const name of readdirSync(shared)) {
      const bytes = readFileSync(join(shared, name));
      bytes[Math.floor(bytes.length / 3)] ^= 1;
      chmodSync(join(shared, name), 0o600);
      writeFileSync(join(shared, name), bytes);
    }
    expectRefusal(await runCli(directory, ['run', '-s', checkpoint, 'job.mjs']), 3, 'ERR_TABLE_CORRUPT', /[0-9a-f]{32}\.sst/);
  });

  it('a checkpoint whose tables are missing is refused, each file named', async () => {
    const { directory, checkpoint } = await finishedRun(COUNTER);
    cpSync(checkpoint, join(directory, 'moved'), { recursive: true });
    expectRefusal(await runCli(directory, ['run', '-s', 'moved', 'job.mjs']), 3, 'ERR_FILE_MISSING', /[0-9a-f]{32}\.sst/);
  });

  it('a manifest of a newer format is refused with both versions named', async () => {
    const { directory, checkpoint } = await finishedRun(COUNTER);
    const manifest = join(checkpoint, '_metadata');
    const [first] = readFileSync(manifest, 'utf8').replace('"format":1', '"format":9').split('\n');
    writeFileSync(manifest, `${first}\nsha256 ${createHash('sha256').update(`${first}\n`).digest('hex')}\n`);
    expectRefusal(await runCli(directory, ['run', '-s', checkpoint, 'job.mjs']), 3, 'ERR_FORMAT_UNSUPPORTED', /9/, /1/);
  });

  it('state of an operator that the job does not have is refused with both sides named, and allowed with -n', async () => {
    const { directory, checkpoint } = await finishedRun(COUNTER);
    writeFileSync(join(directory, 'job.mjs'), COUNTER.replace("'counts'", "'tallies'"));
    expectRefusal(
      await runCli(directory, ['run', '-s', checkpoint, 'job.mjs']),
      3,
      'ERR_STATE_UNMATCHED',
      'counts',
      'tallies',
      '-n',
    );
    const allowed = await runCli(directory, ['run', '-n', '-s', checkpoint, 'job.mjs']);
    expect(allowed.code, allowed.stderr).toBe(0);
  });

  it('another maximum parallelism is refused with both numbers named', async () => {
    const { directory, checkpoint } = await finishedRun(COUNTER);
    const result = await runCli(directory, ['run', '-s', checkpoint, '-D', 'pipeline.max-parallelism=64', 'job.mjs']);
    expectRefusal(result, 3, 'ERR_MAX_PARALLELISM', '64', '128');
  });

  it('-s together with --resume is refused as usage', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    expectRefusal(await runCli(directory, ['run', '-s', 'x', '--resume', 'job.mjs']), 2, 'ERR_USAGE', '--resume');
  });

  it('--resume without any checkpoint starts empty and says so', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    const result = await runCli(directory, ['run', '--resume', ...CHECKPOINTED, 'job.mjs']);
    expect(result.code, result.stderr).toBe(0);
    expect(result.stderr).toMatch(/no checkpoint/i);
  });
});

describe('a full disk', () => {
  const canMount = process.platform === 'linux' && spawnSync('unshare', ['-rm', 'true']).status === 0;

  it.skipIf(!canMount)('fails the checkpoint and not the job; the next one works when there is space', async () => {
    const directory = makeDirectory({ 'job.mjs': COUNTER });
    // The disk is full until a checkpoint has failed on it.
    const script = `
      mkdir chk && mount -t tmpfs -o size=64k none chk || exit 77
      dd if=/dev/zero of=chk/ballast bs=1k count=64 2>/dev/null
      ( until grep -q ENOSPC log; do sleep 0.05; done; rm chk/ballast ) &
      "$@" 2> log; code=$?
      cat log >&2; cp -r chk seen; exit $code`;
    const result = await runCli(
      directory,
      [
        'run',
        '--json',
        ...CHECKPOINTED,
        '-D',
        'execution.checkpointing.tolerable-failed-checkpoints=1000',
        'job.mjs',
        '6000',
        '2000',
      ],
      ['unshare', '-rm', 'sh', '-c', script, 'sh'],
    );
    expect(result.code, result.stderr).toBe(0);
    const { checkpoints } = result.json() as { checkpoints: { completed: number; failed: number } };
    expect(checkpoints.failed, result.stderr).toBeGreaterThan(0);
    expect(checkpoints.completed).toBeGreaterThan(0);
    expect(result.stderr).toContain('ENOSPC');
    expect(findIncompleteCheckpoints(join(directory, 'seen'))).toEqual([]);
    expect(countsIn(directory)).toEqual(Array.from({ length: 10 }, () => 600));
  });
});

/** The counts that the job wrote, by key. */
function countsIn(directory: string): readonly number[] {
  return outputLines(directory)
    .map((line) => JSON.parse(line) as { k: number; n: number })
    .toSorted((a, b) => a.k - b.k)
    .map(({ n }) => n);
}

/** The lines that the job wrote, in any order. */
function outputLines(directory: string): readonly string[] {
  const out = join(directory, 'out');
  if (!existsSync(out)) return [];
  return readdirSync(out)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      readFileSync(join(out, name), 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    );
}
