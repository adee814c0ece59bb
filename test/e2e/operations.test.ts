/** Every command in docs/operations.md, one after another in one directory, in a shell. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { CLI, killGroup, killStartedWith, makeDirectory } from '../support/cli.ts';
import { projectRoot } from '../support/sources.ts';

interface Block {
  readonly language: string;
  readonly file: string;
  readonly text: string;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+) ?(\S*)\n([\s\S]*?)^```$/gm)].map(([, language, file, text]) => ({
    language,
    file,
    text,
  }));
}

/** A script that tells the exit code of each line that it ran, and the line. */
function scriptOf(blocks: readonly Block[]): string {
  const lines = blocks.flatMap(({ text }) => text.trimEnd().split('\n'));
  return lines.map((line, i) => `${line}\nprintf '\\n@@ %s %s\\n' "$?" ${i}`).join('\n');
}

function runShell(directory: string, script: string): Promise<string> {
  const runtimeDirectory = join(directory, '.runtime');
  // Whatever fails on the way, and when the time is up in the middle: nothing is left behind. The shell first, or it starts the next one.
  onTestFinished(() => {
    killGroup(shell);
    killStartedWith(runtimeDirectory);
  });
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'tidemark'), `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`);
  chmodSync(join(bin, 'tidemark'), 0o755);
  const shell = spawn('bash', ['-c', script], {
    cwd: directory,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NO_COLOR: '1',
      PATH: `${bin}:${process.env['PATH']}`,
      TIDEMARK_RUNTIME_DIR: runtimeDirectory,
    },
  });
  let output = '';
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
  return new Promise((resolve) => shell.on('close', () => resolve(output)));
}

it('operations: every command of the page does what the page says', async () => {
  const blocks = blocksOf(readFileSync(join(projectRoot, 'docs/operations.md'), 'utf8'));
  const files = blocks.filter(({ file }) => file !== '');
  const directory = makeDirectory(
    Object.fromEntries(files.map(({ file, text }) => [file, text.replace('interval: 1 s', 'interval: 100 ms')])),
  );
  const commands = blocks.filter(({ language }) => language === 'sh');
  const lines = commands.flatMap(({ text }) => text.trimEnd().split('\n'));
  expect(lines.length).toBeGreaterThan(30);

  const output = await runShell(directory, scriptOf(commands));
  const codes = [...output.matchAll(/^@@ (\d+) \d+$/gm)].map(([, code]) => Number(code));
  const told = lines.map((line, i) => `${codes[i]}  ${line}`);
  const expected = lines.map((line) => `${/# exit code (\d)$/.exec(line)?.[1] ?? 0}  ${line}`);
  expect(told, output).toEqual(expected);

  expect(readFileSync(join(directory, 'totals.csv'), 'utf8')).toMatch(/^key,value\r\nuser-\d+,\d+\r\n/);
  expect(output).toMatch(/restored once|restored \d+ times/);
  expect(output).toMatch(/total +migrated: i32 -> f64/);
  expect(output).toContain('can be restored');
}, 120_000);
