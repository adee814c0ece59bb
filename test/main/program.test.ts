/** The command line up to the command: what is refused, what help says. In this process; see supervisor.test.ts for the rest. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { main } from '../../src/main/cli/program.ts';

let stdout: string;
let stderr: string;

beforeEach(() => {
  stdout = '';
  stderr = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((stdout += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((stderr += String(text)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('usage', () => {
  test.each([
    ['an unknown option', ['run', '--bogus', 'job.mjs'], /unknown option '--bogus'/],
    ['no job file', ['run'], /missing required argument/],
    ['an unknown command', ['rnu', 'job.mjs'], /unknown command 'rnu'.*Did you mean run/s],
    ['a parallelism that is no number', ['run', '-p', 'many', 'job.mjs'], /-p needs a whole number/],
    ['-D without a value', ['run', '-D', 'task.threads', 'job.mjs'], /-D needs key=value/],
    ['-D twice with one key', ['run', '-D', 'task.threads=1', '-D', 'task.threads=2', 'job.mjs'], /given twice/],
    ['-s with --resume', ['run', '-s', 'x', '--resume', 'job.mjs'], /exclude each other/],
    ['--fallback alone', ['run', '--fallback', 'job.mjs'], /--fallback needs --resume/],
    ['a claim mode that there is not', ['run', '--claim-mode', 'legacy', 'job.mjs'], /no-claim or claim/],
    ['an action that checkpoints has not', ['checkpoints', 'burn', '.'], /unknown command 'burn'/],
    ['a savepoint type that there is not', ['savepoint', '--type', 'zip', 'job'], /Allowed choices are canonical, native/],
  ])('usage: %s gives 2 and one clear message', async (_, args, message) => {
    expect(await main(args)).toBe(2);
    expect(stderr).toMatch(/^ERR_USAGE: /);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
  });

  test('usage: an error points to the help of its command, and --json gives it as a document', async () => {
    expect(await main(['stop', '--json'])).toBe(2);
    expect(stderr).toContain('tidemark stop --help');
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'ERR_USAGE' } });
  });
});

describe('help', () => {
  test.each([[['--help']], [['run', '--help']], [['checkpoints', '--help']], [['--version']]])(
    'help: %j goes to standard output and gives 0',
    async (args) => {
      expect(await main(args)).toBe(0);
      expect(stdout).not.toBe('');
      expect(stderr).toBe('');
    },
  );

  test('help: every command of the contract has one line in it', async () => {
    await main(['--help']);
    for (const command of [
      'run',
      'list',
      'cancel',
      'stop',
      'checkpoint',
      'savepoint',
      'checkpoints',
      'inspect',
      'verify',
      'get',
      'diff',
      'plan',
      'why',
      'gc',
      'drill',
      'export',
      'bench',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} .*\\S`, 'm'));
    }
  });

  test('help: no command, and none that is right, are usage errors', async () => {
    expect(await main(['rnu', 'job.mjs'])).toBe(2);
    expect(stderr).toContain('Did you mean run?');
  });

  test('bench: without a name lists what there is, with an unknown one names the nearest', async () => {
    expect(await main(['bench', '--json'])).toBe(0);
    const { benchmarks } = JSON.parse(stdout) as { benchmarks: { name: string; question: string }[] };
    expect(benchmarks.length).toBeGreaterThan(0);
    expect(await main(['bench', `${benchmarks[0].name}x`])).toBe(2);
    expect(stderr).toContain(benchmarks[0].name);
  });
});
