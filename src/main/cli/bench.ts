/** `tidemark bench`: the benchmarks that lie in `bench/` beside the package. Each is a program; what it takes is its own. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TidemarkError } from '../../format/errors.ts';
import { nearest } from '../config/nearest.ts';
import { widthOf } from '../terminal.ts';
import { renderTable } from '../text-table.ts';
import { printJson, printOut } from './output.ts';

const BENCH_DIRECTORY = fileURLToPath(new URL('../../../bench', import.meta.url));

export async function benchCommand(
  wanted: string | undefined,
  args: readonly string[],
  flags: { readonly json?: boolean },
): Promise<number> {
  const programs = benchmarks();
  if (wanted === undefined) {
    const rows = programs.map((path) => ({ name: nameOf(path), question: questionOf(path) }));
    if (flags.json) printJson({ benchmarks: rows });
    else
      for (const line of renderTable(
        [
          { title: 'name', align: 'left', dropOrder: 0 },
          { title: 'question', align: 'left', dropOrder: 0, minWidth: 20 },
        ],
        rows.map((row) => [row.name, row.question]),
        widthOf(process.stdout),
      ))
        printOut(line);
    return 0;
  }
  const path = programs.find((program) => nameOf(program) === wanted);
  if (path === undefined) {
    const near = nearest(wanted, programs.map(nameOf));
    throw new TidemarkError(
      'ERR_USAGE',
      `There is no benchmark ${JSON.stringify(wanted)}.${near === undefined ? '' : ` The nearest name is ${near}.`} \`tidemark bench\` lists them.`,
      { facts: { wanted } },
    );
  }
  return runProgram(path, [...args, ...(flags.json ? ['--json'] : [])]);
}

/** @throws TidemarkError ERR_USAGE when this installation has no benchmarks */
function benchmarks(): string[] {
  if (!existsSync(BENCH_DIRECTORY))
    throw new TidemarkError(
      'ERR_USAGE',
      `There are no benchmarks at ${BENCH_DIRECTORY}: they come with the repository, not with the package.`,
    );
  return readdirSync(BENCH_DIRECTORY)
    .filter((file) => /\.(mjs|ts)$/.test(file))
    .sort()
    .map((file) => join(BENCH_DIRECTORY, file));
}

function runProgram(path: string, args: readonly string[]): Promise<number> {
  const nodeStripsTypes = Boolean((process.features as { typescript?: string | false }).typescript);
  const loader = path.endsWith('.ts') && !nodeStripsTypes ? ['--import', import.meta.resolve('jiti/register')] : [];
  const child = spawn(process.execPath, [...loader, path, ...args], { stdio: 'inherit' });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code) => done(code ?? 1));
  });
}

function nameOf(path: string): string {
  return basename(path, extname(path));
}

/** First sentence of the comment at the head of the program. */
function questionOf(path: string): string {
  const comment = /^\/\*\*([^]*?)\*\//.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
  const text = comment
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
  return /^.*?[.?!](?=\s|$)/.exec(text)?.[0] ?? '';
}
