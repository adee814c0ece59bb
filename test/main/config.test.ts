import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeConfig, resolveConfig, type ConfigSources } from '../../src/main/config.ts';
import { readEnvironment, variableOf } from '../../src/main/config/environment.ts';
import { parseConfigFile, readConfigFile } from '../../src/main/config/file.ts';
import { editDistance, nearest } from '../../src/main/config/nearest.ts';
import { allSpellings, OPTION_KEYS, OPTIONS } from '../../src/main/config/options.ts';
import { formatDuration, formatMemory, parseDuration, parseMemory } from '../../src/main/config/units.ts';
import { isTidemarkError } from '../../src/format/errors.ts';

/** The message of the ERR_CONFIG_INVALID that resolving throws. */
function problemOf(sources: ConfigSources): string {
  try {
    resolveConfig(sources);
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'ERR_CONFIG_INVALID') return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

async function problemOfFile(source: string): Promise<string> {
  try {
    resolveConfig({ file: await parseConfigFile(source, 'tidemark.config.yaml') });
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'ERR_CONFIG_INVALID') return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('units', () => {
  test.each([
    ['500', 500],
    ['500 ms', 500],
    ['10 s', 10_000],
    ['10s', 10_000],
    ['1 min', 60_000],
    ['2 h', 7_200_000],
    ['1.5 s', 1_500],
    ['1 DAY', 86_400_000],
  ])('duration: %s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    ['64', 64],
    ['64 b', 64],
    ['64 mb', 64 * 2 ** 20],
    ['1gb', 2 ** 30],
    ['1.5 kib', 1536],
    ['2 T', 2 * 2 ** 40],
  ])('memory: %s is %d bytes', (text, bytes) => expect(parseMemory(text)).toBe(bytes));

  test.each(['', 's', '10 parsecs', '-5 s', '1e3', '1 min 30 s', '99999999999999999999 d', 'constructor', '1 constructor'])(
    'units: %j is refused',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
      expect(parseMemory(text)).toBeUndefined();
    },
  );

  test('units: what is written reads back as the same number', () => {
    fc.assert(fc.property(fc.nat(2 ** 45), (n) => parseDuration(formatDuration(n)) === n && parseMemory(formatMemory(n)) === n));
    expect(formatDuration(600_000)).toBe('10 min');
    expect(formatMemory(64 * 2 ** 20)).toBe('64 mb');
  });
});

describe('precedence', () => {
  const key = 'task.threads';

  test('configuration: each source overrides the one before, and the origin says which', async () => {
    const file = await parseConfigFile('task.threads: 2', 'tidemark.config.yaml');
    const env = { TIDEMARK_TASK_THREADS: '3' };
    const steps: [ConfigSources, number | null, string][] = [
      [{}, null, 'default'],
      [{ file }, 2, 'tidemark.config.yaml:1'],
      [{ file, env }, 3, 'environment variable TIDEMARK_TASK_THREADS'],
      [{ file, env, code: { [key]: 4 } }, 4, 'job code'],
      [{ file, env, code: { [key]: 4 }, overrides: { [key]: '5' } }, 5, '-D'],
    ];
    for (const [sources, threads, origin] of steps) {
      const config = resolveConfig(sources);
      expect(config.threads).toBe(threads);
      expect(config.values.get(key)?.origin).toBe(origin);
    }
  });

  test('configuration: a new spelling in the file gives way to the old spelling on the command line', async () => {
    const file = await parseConfigFile('execution.checkpointing.dir: a', 'f.yaml');
    expect(resolveConfig({ file, overrides: { 'state.checkpoints.dir': 'b' } }).checkpointing.directory).toBe('b');
  });

  test('configuration: both spellings of an option in one source are refused', () => {
    const message = problemOf({ overrides: { 'execution.checkpointing.dir': 'a', 'state.checkpoints.dir': 'a' } });
    expect(message).toContain('two spellings of one option');
  });
});

describe('file', () => {
  test('configuration file: nested maps and flat keys mean the same', async () => {
    const flat = await parseConfigFile('execution.checkpointing.interval: 1 s\nexecution.checkpointing.dir: /c\n', 'f');
    const nested = await parseConfigFile('execution:\n  checkpointing:\n    interval: 1 s\n    dir: /c\n', 'f');
    const mixed = await parseConfigFile('execution.checkpointing:\n  interval: 1 s\n  dir: /c\n', 'f');
    for (const file of [flat, nested, mixed]) {
      const { checkpointing } = resolveConfig({ file });
      expect([checkpointing.intervalMs, checkpointing.directory]).toEqual([1_000, '/c']);
    }
  });

  test('configuration file: an unknown key is refused with its line and the nearest known key', async () => {
    const message = await problemOfFile('# first\nexecution:\n  checkpointing:\n    intervall: 1 s\n');
    expect(message).toContain('unknown key execution.checkpointing.intervall (tidemark.config.yaml:4)');
    expect(message).toContain('nearest known one is execution.checkpointing.interval');
  });

  test.each([
    ['in one map', 'task.threads: 1\ntask.threads: 2\n', /unique.*tidemark\.config\.yaml:2:1/],
    [
      'flat and nested',
      'task.threads: 1\ntask:\n  threads: 2\n',
      /task\.threads is given twice \(tidemark\.config\.yaml:1 and tidemark\.config\.yaml:3\)/,
    ],
  ])('configuration file: a key given twice %s is refused with its line', async (_, source, pattern) => {
    expect(await problemOfFile(source)).toMatch(pattern);
  });

  test.each([
    ['broken YAML', 'a: [1\n', /tidemark\.config\.yaml:/],
    ['a list', 'task.threads: [1, 2]\n', /must have one value/],
    ['a list as the whole', '- a\n', /must hold keys and values/],
    ['two documents', 'task.threads: 1\n---\ntask.threads: 2\n', /must be one YAML document \(tidemark\.config\.yaml:2:1\)/],
    ['a value with a tag', 'task.threads: !secret 2\n', /Unresolved tag.*\(tidemark\.config\.yaml:1:15\)/],
    ['an alias', 'task.threads: &x 1\nparallelism.default: *x\n', /parallelism\.default must have one value.*:2\)/],
    [
      'a value of a group',
      'task: 3\n',
      /task \(tidemark\.config\.yaml:1\) is a group of options and has no value of its own, as task\.threads, task\.timeout have/,
    ],
    ['a prototype key', '__proto__:\n  threads: 1\n', /unknown key __proto__\.threads/],
  ])('configuration file: %s is refused', async (_, source, pattern) => expect(await problemOfFile(source)).toMatch(pattern));

  test('configuration file: a group of which all options are commented out is no option', async () => {
    expect(await parseConfigFile('execution:\n  checkpointing:\n    # interval: 1 s\ntask:\n', 'f')).toEqual([]);
    expect(await problemOfFile('restart-strategy:\n')).toContain('restart-strategy: null is not one of');
  });

  test('configuration file: an empty file, and none where none was asked for, are no options', async () => {
    expect(await parseConfigFile('', 'f')).toEqual([]);
    expect(await readConfigFile(undefined, '/nonexistent')).toEqual([]);
  });

  test('configuration file: one that --config names must exist', async () => {
    await expect(readConfigFile('none.yaml', '/nonexistent')).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('/nonexistent/none.yaml'),
    });
  });
});

describe('environment', () => {
  test('environment: no two spellings share a variable', () => {
    const spellings = [...allSpellings()];
    expect(new Set(spellings.map(variableOf)).size).toBe(spellings.length);
  });

  test('environment: one or two underscores stand for a dot', () => {
    for (const name of ['TIDEMARK_EXECUTION_CHECKPOINTING_MIN_PAUSE', 'TIDEMARK_EXECUTION__CHECKPOINTING__MIN_PAUSE']) {
      expect(resolveConfig({ env: { [name]: '3 s' } }).checkpointing.minPauseMs).toBe(3_000);
    }
  });

  test('environment: a variable that is given with one and with two underscores is refused', () => {
    expect(problemOf({ env: { TIDEMARK_TASK_THREADS: '2', TIDEMARK_TASK__THREADS: '3' } })).toContain(
      'task.threads is given twice (environment variable TIDEMARK_TASK_THREADS and environment variable TIDEMARK_TASK__THREADS)',
    );
  });

  test('environment: an option of Flink that is refused is refused with the reason here too', () => {
    expect(problemOf({ env: { TIDEMARK_EXECUTION_CHECKPOINTING_ALIGNED_CHECKPOINT_TIMEOUT: '1 s' } })).toContain(
      'execution.checkpointing.aligned-checkpoint-timeout (environment variable TIDEMARK_EXECUTION_CHECKPOINTING_ALIGNED_CHECKPOINT_TIMEOUT) is refused: it switches to',
    );
  });

  test('environment: an unknown variable with our prefix is refused; others and the runtime directory are left alone', () => {
    expect(problemOf({ env: { TIDEMARK_TASK_THREDS: '1' } })).toMatch(
      /unknown key task\.threds \(environment variable TIDEMARK_TASK_THREDS\).*task\.threads/,
    );
    expect(readEnvironment({ PATH: '/bin', TIDEMARK_RUNTIME_DIR: '/r', TIDEMARK_TEST_SEED: '1' })).toEqual([]);
  });
});

describe('values', () => {
  test.each([
    ['task.threads', 0, 'is less than the minimum 1'],
    ['task.threads', 'two', 'is not an integer'],
    ['task.threads', 1.5, 'is not an integer'],
    ['pipeline.max-parallelism', 40_000, 'is more than the maximum 32768'],
    ['execution.checkpointing.interval', '10 parsecs', 'is not a duration'],
    ['execution.checkpointing.incremental', 'yes', 'is not `true` or `false`'],
    ['execution.checkpointing.mode', 'AT_LEAST_ONCE', 'is refused: alignment never blocks'],
    ['execution.state-recovery.claim-mode', 'legacy', 'is refused: it leaves checkpoints that nobody owns'],
    ['restart-strategy', 'sometimes', 'is not one of auto, none, fixed-delay'],
    ['execution.checkpointing.dir', '', 'is empty'],
  ])('configuration: %s = %j is refused, naming key, value and origin', (key, value, reason) => {
    const message = problemOf({ overrides: { [key]: value } });
    expect(message).toContain(`${key}: ${JSON.stringify(value)} ${reason}`);
    expect(message).toContain('(-D)');
  });

  test.each([
    // The options of Flink's checkpoints that have no meaning here, in their old and new spelling.
    ['execution.checkpointing.unaligned', 'unaligned checkpoints are not built, on purpose'],
    ['execution.checkpointing.unaligned.enabled', 'unaligned checkpoints are not built, on purpose'],
    ['execution.checkpointing.unaligned.forced', 'unaligned checkpoints are not built, on purpose'],
    ['execution.checkpointing.unaligned.interruptible-timers.enabled', 'unaligned checkpoints are not built, on purpose'],
    ['execution.checkpointing.unaligned.max-subtasks-per-channel-state-file', 'unaligned checkpoints are not built, on purpose'],
    ['execution.checkpointing.aligned-checkpoint-timeout', 'it switches to unaligned checkpoints'],
    ['execution.checkpointing.data-inline-threshold', 'there are no small files'],
    ['state.storage.fs.memory-threshold', 'there are no small files'],
    ['state.backend.fs.memory-threshold', 'there are no small files'],
    ['execution.checkpointing.write-buffer-size', 'blocks whose size belongs to their format'],
    ['state.backend.fs.write-buffer-size', 'blocks whose size belongs to their format'],
    ['execution.checkpointing.create-subdir', 'each job has a directory of its own'],
    ['state.checkpoints.create-subdir', 'each job has a directory of its own'],
    ['execution.checkpointing.cleaner.parallel-mode', 'in the background'],
    ['execution.checkpointing.local-backup.enabled', 'checkpoints lie on this host'],
    ['execution.checkpointing.local-backup.dirs', 'checkpoints lie on this host'],
    ['execution.state-recovery.from-local', 'checkpoints lie on this host'],
    ['state.backend.local-recovery', 'checkpoints lie on this host'],
    ['execution.checkpointing.checkpoints-after-tasks-finish', 'always go on'],
    ['execution.checkpointing.checkpoints-after-tasks-finish.enabled', 'always go on'],
    ['execution.checkpointing.file-merging.enabled', 'no small files to merge'],
    ['execution.checkpointing.region.enabled', 'of the whole job'],
    ['execution.checkpointing.storage', 'always files'],
    ['execution.state-recovery.without-channel-state.checkpoint-id', 'no checkpoint has data in flight'],
    ['state.backend.async', 'always written in the background'],
    ['state.backend', 'there is one state backend'],
    ['state.backend.type', 'there is one state backend'],
    ['taskmanager.numberOfTaskSlots', 'set task.threads'],
    ['taskmanager.state.local.root-dirs', 'one process on one host'],
    ['jobmanager.rpc.address', 'one process on one host'],
  ])('configuration: %s is refused with the reason: %s', (key, reason) => {
    const message = problemOf({ overrides: { [key]: 'true' } });
    expect(message).toContain(`${key} (-D) is refused: `);
    expect(message).toContain(reason);
  });

  test('configuration: the policies of retention have short names too', () => {
    const of = (raw: string) =>
      resolveConfig({ code: { 'execution.checkpointing.externalized-checkpoint-retention': raw } }).checkpointing.retention;
    expect(['never', 'on-failure', 'on-cancellation', 'always'].map(of)).toEqual([
      'NO_EXTERNALIZED_CHECKPOINTS',
      'DELETE_ON_CANCELLATION',
      'RETAIN_ON_CANCELLATION',
      'RETAIN_ALWAYS',
    ]);
  });

  test('configuration: all problems are reported at once', () => {
    const message = problemOf({ code: { nonsense: 1 }, overrides: { 'task.threads': 0 } });
    expect(message).toContain('2 reasons');
    expect(message).toContain('unknown key nonsense (job code)');
    expect(message).toContain('task.threads: 0');
  });

  test('configuration: an interval without a directory is refused', () => {
    expect(problemOf({ overrides: { 'execution.checkpointing.interval': '1 s' } })).toContain('execution.checkpointing.dir');
  });

  test('configuration: the interval during a backlog is none, or no shorter than the interval', () => {
    const given = (during: string, interval?: string) => ({
      overrides: {
        'execution.checkpointing.interval-during-backlog': during,
        'execution.checkpointing.dir': '/checkpoints',
        ...(interval !== undefined && { 'execution.checkpointing.interval': interval }),
      },
    });
    for (const [during, ms] of [
      ['10 s', 10_000],
      ['1 min', 60_000],
      ['0', 0],
      ['none', null],
    ] as const)
      expect(resolveConfig(given(during, '10 s')).checkpointing.intervalDuringBacklogMs).toBe(ms);
    expect(problemOf(given('9 s', '10 s'))).toContain(
      'interval-during-backlog is 9 s (-D), but execution.checkpointing.interval is 10 s (-D)',
    );
    expect(problemOf(given('9 s'))).toContain('interval is not set');
    expect(resolveConfig(given('0')).checkpointing.intervalDuringBacklogMs).toBe(0);
  });

  test('configuration: what a failure restarts is the whole job', () => {
    const key = 'jobmanager.execution.failover-strategy';
    expect(resolveConfig({ overrides: { [key]: 'full' } }).values.get(key)).toEqual({ value: 'full', origin: '-D' });
    expect(problemOf({ overrides: { [key]: 'region' } })).toContain(
      `${key}: "region" is refused: parts of a job share its threads and its checkpoints`,
    );
  });

  test('configuration: a pause and overlapping checkpoints exclude each other', () => {
    const overrides = { 'execution.checkpointing.min-pause': 1, 'execution.checkpointing.max-concurrent-checkpoints': 2 };
    expect(problemOf({ overrides })).toContain('exclude each other');
  });

  test.each([['none'], ['off'], ['-1'], [-1], [null]])('configuration: %j turns periodic checkpoints off', (raw) => {
    expect(resolveConfig({ overrides: { 'execution.checkpointing.interval': raw } }).checkpointing.intervalMs).toBeNull();
  });

  test('configuration: names are read without regard to case and dashes', () => {
    expect(resolveConfig({ overrides: { 'execution.state-recovery.claim-mode': 'claim' } }).recovery.claimMode).toBe('claim');
    expect(resolveConfig({ overrides: { 'execution.checkpointing.snapshot-compression': true } }).checkpointing.compression).toBe(
      'auto',
    );
  });

  test('configuration: without checkpoints nothing restarts, with them the delay grows from 1 s to 1 min', () => {
    expect(resolveConfig().restart).toEqual({ type: 'none' });
    const overrides = { 'execution.checkpointing.interval': '1 s', 'execution.checkpointing.dir': 'c' };
    expect(resolveConfig({ overrides }).restart).toEqual({
      type: 'exponential-delay',
      initialBackoffMs: 1_000,
      maxBackoffMs: 60_000,
      multiplier: 1.5,
      resetThresholdMs: 3_600_000,
      jitter: 0.1,
      attempts: null,
    });
  });

  test('options: every default is a valid value of its kind, written so that it reads back', () => {
    for (const key of OPTION_KEYS) {
      const { kind, defaultValue } = OPTIONS[key] as {
        kind: { parse(raw: string): unknown; format(value: unknown): string };
        defaultValue: unknown;
      };
      expect(kind.parse(kind.format(defaultValue)), key).toEqual(defaultValue);
    }
  });

  test('print-config: what is printed is a configuration file that means the same', async () => {
    const config = resolveConfig({
      overrides: { 'task.threads': 3, 'state.checkpoints.dir': 'a b', 'execution.checkpointing.interval': 1500 },
    });
    const printed = describeConfig(config);
    expect(printed).toMatch(/^task\.threads: 3 +# -D$/m);
    expect(printed).toMatch(/^execution\.checkpointing\.timeout: 10 min +# default$/m);
    const again = resolveConfig({ file: await parseConfigFile(printed, 'printed') });
    const valuesOf = (c: typeof config) => [...c.values].map(([key, { value }]) => [key, value]);
    expect(valuesOf(again)).toEqual(valuesOf(config));
  });
});

describe('nearest', () => {
  test('edit distance: is a metric on short words', () => {
    const word = fc.string({ maxLength: 6, unit: fc.constantFrom('a', 'b', '.') });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(nearest('state.memory.limt', allSpellings())).toBe('state.memory.limit');
  });
});
