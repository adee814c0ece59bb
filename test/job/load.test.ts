/**
 * Job files of every kind, loaded by the built loader in a process of its own: Vitest puts its own module loader in place
 * of Node's. The files lie in a temporary directory, where nothing can resolve `tidemark`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const GRAPH = "{ [Symbol.for('tidemark.job')]: 1, name: 'by-hand', nodes: [], config: {} }";

const FILES: Record<string, string> = {
  'plain.mjs': `export default ${GRAPH};`,
  'with-args.mjs': `export default async (args) => ({ ...${GRAPH}, name: args.join('+') });`,
  'typed.ts': `
    import { wrap } from './helper.js';
    enum Color { Red = 'red' }
    class Named { constructor(readonly name: string) {} }
    export default wrap(new Named(Color.Red).name);`,
  'helper.ts': `
    import * as tidemark from 'tidemark';
    (globalThis as any).packageOfHelper = tidemark;
    export const wrap = (name: string): object => ({ ...${GRAPH}, name });`,
  'bare.ts': `
    import * as tidemark from 'tidemark';
    export default { ...${GRAPH}, name: (globalThis as any).packageOfTest === tidemark.job ? 'same package' : 'another package' };`,
  'bare.mjs': `
    import * as tidemark from 'tidemark';
    export default { ...${GRAPH}, name: globalThis.packageOfTest === tidemark.job ? 'same package' : 'another package' };`,
  'made-by-job.ts': `
    import { collection, discard, job } from 'tidemark';
    export default job('made', (flow) => flow.from(collection([1, 2])).to(discard()));`,
  'no-default.mjs': 'export const graph = 1, other = 2;',
  'nothing.mjs': '',
  'not-a-job.mjs': 'export default { nodes: [], name: 1 };',
  'wrong-function.mjs': 'export default () => 42;',
  'other-version.mjs': `export default { ...${GRAPH}, [Symbol.for('tidemark.job')]: 99 };`,
  'throws.mjs': `const a = 1;\n  throw new RangeError('too far');\n`,
  'throws.ts': `const a: number = 1;\nfunction deep(): never {\n  throw new RangeError('too far');\n}\ndeep();\n`,
  'function-throws.mjs': `export default () => {\n  throw new TypeError('no args');\n};`,
  'throws-a-string.mjs': `throw 'just text';`,
  'syntax.mjs': `export const a = 1;\nexport default function ( {\n  let x = ;\n}\n`,
  'syntax.ts': `const a: number = 1;\nconst b = (;\nexport default a;\n`,
  'imports-syntax.mjs': `import './syntax.mjs';\nexport default 1;`,
  'missing-import.mjs': `import './none.mjs';`,
  'similar.ts': '',
};

interface Loaded {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly facts?: Record<string, unknown>;
}

let root: string;
let results: Record<string, Loaded>;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tm-load-'));
  mkdirSync(join(root, 'directory'));
  for (const [name, source] of Object.entries(FILES)) writeFileSync(join(root, name), source);
  const dist = (path: string): string => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);
  const script = `
    import { loadJob } from ${dist('job/load.js')};
    globalThis.packageOfTest = (await import(${dist('bundle/index.js')})).job;
    const results = {};
    for (const file of ${JSON.stringify([...Object.keys(FILES), 'none.mjs', 'similar.js', 'directory'])}) {
      results[file] = await loadJob(file, { args: ['x', 'y'] }).then(
        ({ graph }) => ({ name: graph.name }),
        ({ code, message, facts }) => ({ code, message, facts }),
      );
    }
    process.stdout.write(JSON.stringify(results));`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, XDG_CACHE_HOME: join(root, 'cache') },
  });
  expect(child.stderr).toBe('');
  results = JSON.parse(child.stdout) as Record<string, Loaded>;
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('what loads', () => {
  test.each([
    ['a module with a graph', 'plain.mjs', 'by-hand'],
    ['a function of the job arguments', 'with-args.mjs', 'x+y'],
    ['TypeScript with an enum, a parameter property and `./helper.js` for helper.ts', 'typed.ts', 'red'],
    ['TypeScript that imports the package by name, where nothing resolves it', 'bare.ts', 'same package'],
    ['JavaScript that does so', 'bare.mjs', 'same package'],
    ['a job made by job()', 'made-by-job.ts', 'made'],
  ])('job file: %s loads', (_, file, name) => expect(results[file]).toEqual({ name }));
});

describe('what does not', () => {
  test('job file: one that is not there is named with the working directory', () => {
    expect(results['none.mjs']).toMatchObject({
      code: 'ERR_JOB_NOT_FOUND',
      message: expect.stringContaining(`working directory: ${root}`),
    });
  });

  test('job file: where only the ending is wrong, the file that is there is suggested', () => {
    expect(results['similar.js'].message).toContain(`Did you mean ${join(root, 'similar.ts')}?`);
  });

  test('job file: a directory is refused as one', () => {
    expect(results['directory']).toMatchObject({ code: 'ERR_JOB_NOT_FOUND', message: expect.stringContaining('is a directory') });
  });

  test.each([
    ['no default export', 'no-default.mjs', /has no default export\. It exports graph, other\./],
    ['nothing at all', 'nothing.mjs', /It exports nothing\./],
    ['a default export that is something else', 'not-a-job.mjs', /is not a job: it is an object with nodes, name\./],
    ['a function that returns something else', 'wrong-function.mjs', /a function that returned a number/],
  ])('job file: %s is ERR_JOB_LOAD, and the message shows what a job file looks like', (_, file, message) => {
    expect(results[file]).toMatchObject({ code: 'ERR_JOB_LOAD', message: expect.stringMatching(message) });
    expect(results[file].message).toContain("import { job, files } from 'tidemark'");
  });

  test('job file: a job of another version of the package is refused, naming both', () => {
    expect(results['other-version.mjs']).toMatchObject({ code: 'ERR_JOB_LOAD', facts: { found: 99, expected: 1 } });
  });

  test.each([
    ['throws.mjs', 2, 9, 'throw new RangeError'],
    ['throws.ts', 3, 9, 'throw new RangeError'],
    ['function-throws.mjs', 2, 9, 'throw new TypeError'],
  ])('job file: %s throws at line %d, which is shown with a caret', (file, line, column, source) => {
    const { code, message, facts } = results[file];
    expect([code, facts?.['line'], facts?.['column']]).toEqual(['ERR_JOB_LOAD', line, column]);
    expect(message).toMatch(/threw while it was loaded: (RangeError: too far|TypeError: no args)/);
    expect(message).toContain(`${join(root, file)}:${line}:${column}`);
    const lines = (message as string).split('\n');
    const shown = lines.findIndex((text) => text.includes(source));
    expect(lines[shown + 1].indexOf('^')).toBe(lines[shown].indexOf(source) + 'throw '.length);
  });

  test('job file: one that throws something that is no error is told too', () => {
    expect(results['throws-a-string.mjs']).toMatchObject({ code: 'ERR_JOB_LOAD', message: expect.stringContaining('just text') });
  });

  test.each([
    ['syntax.mjs', 'syntax.mjs', 3],
    ['syntax.ts', 'syntax.ts', 2],
    ['imports-syntax.mjs', 'syntax.mjs', 3],
  ])('job file: a syntax error in %s is reported in %s at line %d, with a caret', (file, where, line) => {
    const { code, message, facts } = results[file];
    expect([code, facts?.['file'], facts?.['line']]).toEqual(['ERR_JOB_LOAD', join(root, where), line]);
    expect(message).toMatch(/does not parse: .*\n.*\n\n.*\n +\^$/);
  });

  test('job file: an import that is not there is reported with its name', () => {
    expect(results['missing-import.mjs']).toMatchObject({ code: 'ERR_JOB_LOAD', message: expect.stringContaining('none.mjs') });
  });
});
