/** Every example runs, and gives what an independent program gives where there is one. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeDirectory, runCli } from '../support/cli.ts';
import { nearDuplicateRecords } from '../support/oracle-near-duplicates.mjs';
import { wordCountRecords } from '../support/oracle-word-count.mjs';
import { compareOutput, readLines } from '../support/output.mjs';
import { projectRoot } from '../support/sources.ts';

const example = (name: string): string => join(projectRoot, 'examples', name);
const exact = (records: number): object => ({ records, lost: [], extra: [] });

async function run(directory: string, file: string, ...args: readonly string[]): Promise<void> {
  const result = await runCli(directory, ['run', '--json', example(file), ...args]);
  expect(result.code, result.stderr).toBe(0);
  expect(result.json()).toMatchObject({ status: 'finished' });
}

describe('examples', () => {
  it('word-count: counts the words of the documents as a plain program does', async () => {
    const directory = makeDirectory();
    cpSync(join(projectRoot, 'docs'), join(directory, 'docs'), { recursive: true });
    await run(directory, 'word-count.ts');
    const documents = readdirSync(join(directory, 'docs')).filter((name) => name.endsWith('.md'));
    const expected = [...wordCountRecords(documents.map((name) => join(directory, 'docs', name)))];
    expect(expected.length).toBeGreaterThan(100);
    expect(compareOutput(join(directory, 'out/word-count'), expected)).toEqual(exact(expected.length));
  });

  it('near-duplicates: finds exactly the pairs that a plain program finds', async () => {
    const directory = makeDirectory();
    cpSync(join(projectRoot, 'node_modules/yaml'), join(directory, 'tree'), { recursive: true });
    await run(directory, 'near-duplicates.ts', 'tree', 'out');
    const expected = [...nearDuplicateRecords(join(directory, 'tree'), 'tree')];
    expect(expected.length).toBeGreaterThan(50);
    expect(compareOutput(join(directory, 'out'), expected)).toEqual(exact(expected.length));
  });

  it('sessions: every view is in exactly one session', async () => {
    const directory = makeDirectory();
    await run(directory, 'sessions.ts', '20000');
    const sessions = readLines(join(directory, 'out/sessions')).map(
      (line) => JSON.parse(line) as { views: number; pages: Record<string, number> },
    );
    const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
    expect(sum(sessions.map(({ views }) => views))).toBe(20_000);
    for (const { views, pages } of sessions) expect(sum(Object.values(pages))).toBe(views);
  });

  it('simulate: gives one line for each stock size, the same at every run', async () => {
    const outcomes: string[][] = [];
    for (let i = 0; i < 2; i++) {
      const directory = makeDirectory();
      await run(directory, 'simulate.ts', '20');
      outcomes.push(readLines(join(directory, 'out/simulate')).toSorted());
    }
    expect(outcomes[0]).toHaveLength(6);
    expect(outcomes[0].every((line) => (JSON.parse(line) as { trials: number }).trials === 20)).toBe(true);
    // A mean is a sum in another order: it may differ in the last digits.
    const rounded = (line: string): string => line.replace(/\d+\.\d+/g, (number) => Number(number).toPrecision(10));
    expect(outcomes[1].map(rounded)).toEqual(outcomes[0].map(rounded));
  });

  it('embed: runs a job inside a program and prints its result', () => {
    const strips = Number(process.versions.node.split('.')[0]) >= 24;
    const loader = strips ? [] : [join(projectRoot, 'node_modules/jiti/lib/jiti-cli.mjs')];
    const program = spawnSync(process.execPath, [...loader, example('embed.ts'), '100000'], {
      cwd: makeDirectory(),
      encoding: 'utf8',
    });
    expect(program.status, program.stderr).toBe(0);
    expect(program.stdout).toMatch(/^finished: 10 blocks/m);
    // Below 100,000 there are 9,592 primes; the commonest gap is 6, 1,940 times (the last prime's gap reaches beyond the limit).
    expect(program.stdout).toMatch(/^1940 times a gap of 6$/m);
  });

  it('every example has a header that says how to run it, and stands in docs/examples.md', () => {
    const index = readFileSync(join(projectRoot, 'docs/examples.md'), 'utf8');
    const names = readdirSync(join(projectRoot, 'examples')).filter((name) => name.endsWith('.ts'));
    expect(names.length).toBeGreaterThanOrEqual(5);
    for (const name of names) {
      expect(readFileSync(example(name), 'utf8'), name).toMatch(
        new RegExp(`^/\\*\\*[^]*\\n \\* {5}(npm start|npx tidemark run examples/${name}|node examples/${name})`),
      );
      expect(index).toContain(`../examples/${name}`);
    }
  });
});
