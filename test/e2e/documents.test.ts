/** Every command in the documents about checkpoints and savepoints is run, in order, as a reader would. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listCheckpoints } from '../support/checkpoint-reader.mjs';
import { makeDirectory, type RunningCli, runCli, startCli, until } from '../support/cli.ts';
import { projectRoot } from '../support/sources.ts';

const JOB = `
  import { count, files, generate, job, t } from 'tidemark';
  export default job('counter', (flow) =>
    flow
      .from(generate({ count: Infinity, ratePerSecond: 2000, schema: t.record({ k: t.i32 }), make: (i) => ({ k: i % 100 }) }))
      .uid('ticks')
      .keyBy('k')
      .aggregate({ n: count() }, { emit: 'end' })
      .uid('counts')
      .to(files.jsonl('out'))
      .uid('out'));
`;

/** Lines after `$ ` in the console blocks of a document, and its YAML. */
function readDocument(name: string): { commands: string[]; yaml: string } {
  const text = readFileSync(join(projectRoot, 'docs', name), 'utf8');
  const blocks = (language: string): string[] =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block]) => block);
  const commands = blocks('console').flatMap((block) => [...block.matchAll(/^\$ (.*)$/gm)].map(([, command]) => command));
  return { commands, yaml: blocks('yaml')[0] ?? '' };
}

/** A reader who has one job running, as soon as a command needs it. */
class Reader {
  readonly directory: string;
  #job: RunningCli | null = null;

  constructor(yaml: string) {
    // More are retained than the document says: on a slow machine a command takes longer to start than three checkpoints.
    const config = yaml.replace(/num-retained: \d+/, 'num-retained: 50');
    this.directory = makeDirectory({ 'job.mjs': JOB, 'tidemark.config.yaml': config });
  }

  async type(command: string): Promise<void> {
    const [program, ...args] = this.#fillIn(command).split(' ');
    if (program !== 'tidemark') {
      const { status, stderr } = spawnSync(program, args, { cwd: this.directory, encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      return;
    }
    if (args[0] === 'run') return this.#run(args);
    if (args.includes('counter') && this.#job === null) await this.#run(['run', 'job.mjs']);
    const result = await runCli(this.directory, args);
    expect(result.code, `${command}\n${result.stderr}`).toBe(0);
    if (args[0] !== 'stop' && args[0] !== 'cancel') return;
    const ended = await this.#job?.ended;
    this.#job = null;
    expect(ended?.code, ended?.stderr).toBe(args[0] === 'stop' ? 0 : 1);
  }

  /** Starts a job and waits until it has a checkpoint of its own. */
  async #run(args: readonly string[]): Promise<void> {
    expect(this.#job, 'one job at a time').toBeNull();
    const before = new Set(this.#jobIds());
    const job = startCli(this.directory, args);
    void job.ended.then(({ code, stderr }) => {
      if (code === 3 || code === 2) throw new Error(stderr);
    });
    this.#job = job;
    await until(() => this.#jobIds().some((id) => !before.has(id)), `a checkpoint of ${args.join(' ')}: ${job.stderr()}`);
  }

  #jobIds(): string[] {
    return listCheckpoints(join(this.directory, 'checkpoints')).map(({ jobId }) => jobId);
  }

  /** What a reader would put in place of the paths in the text: the newest there is. */
  #fillIn(command: string): string {
    return command
      .replace(
        /\.\/checkpoints\/[0-9a-f]{32}\/chk-\d+/,
        () => listCheckpoints(join(this.directory, 'checkpoints')).at(-1)?.path ?? '',
      )
      .replace(/savepoint-[0-9a-f]{6}-[0-9a-f]{12}/, () => readdirSync(join(this.directory, 'savepoints'))[0]);
  }
}

describe('documents', () => {
  it('checkpoints.md: every command does what is said', async () => {
    const { commands, yaml } = readDocument('checkpoints.md');
    expect(commands.length).toBeGreaterThan(10);
    const reader = new Reader(yaml);
    for (const command of commands) await reader.type(command);
  });

  it('savepoints.md: every command does what is said', async () => {
    const { commands } = readDocument('savepoints.md');
    expect(commands.length).toBeGreaterThan(10);
    const reader = new Reader(readDocument('checkpoints.md').yaml);
    for (const command of commands) await reader.type(command);
    expect(existsSync(join(reader.directory, 'savepoints'))).toBe(true);
  });
});
