/** STYLE: dependencies point down, only down. The table here is the rule; ARCHITECTURE.md explains it. */
import { describe, expect, it } from 'vitest';
import { folderOf, type Import, importsOf, readSources } from '../support/sources.ts';

/** Folder -> folders that it may import. `.` is `src/index.ts`, the package's entry. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  format: [],
  job: ['format'],
  snapshot: ['format'],
  worker: ['snapshot', 'job', 'format'],
  main: ['snapshot', 'job', 'format', 'worker'],
  '.': ['job', 'format'],
};

/** The message shapes: the only run-time import that `main` takes from `worker`. */
const PROTOCOL = 'src/worker/protocol.ts';

/** Built-in modules that would give a folder what it must not know about. */
const FORBIDDEN_BUILT_INS: Readonly<Record<string, RegExp>> = {
  format: /^node:(fs|path|worker_threads|child_process|net|http|os|timers)/,
  job: /^node:(worker_threads|child_process|net|http|os|timers)/,
  snapshot: /^node:(worker_threads|child_process|net|http)/,
};

const sources = readSources('src');
const imports = sources.flatMap(importsOf);
const inside = imports.filter((one) => folderOf(one.to) !== null);
const show = (one: Import): string => `${one.from} -> ${one.to}${one.typeOnly ? ' (types)' : ''}`;

describe('import directions', () => {
  it('every folder of src is in the table', () => {
    const unknown = sources.filter(({ path }) => !((folderOf(path) ?? '') in MAY_IMPORT)).map(({ path }) => path);
    expect(unknown).toEqual([]);
  });

  it('a folder imports only folders below it, types included', () => {
    const wrong = inside.filter(({ from, to }) => {
      const [source, target] = [folderOf(from) as string, folderOf(to) as string];
      return source !== target && !(MAY_IMPORT[source] ?? []).includes(target);
    });
    // The entry's `run` loads the engine only when it is called: importing the package in a worker must stay cheap.
    const lazyRun = (one: Import): boolean => one.from === 'src/index.ts' && /^src\/main\/(run|handle)\.ts$/.test(one.to);
    expect(wrong.filter((one) => !lazyRun(one)).map(show)).toEqual([]);
  });

  it('the entry loads nothing of the engine when it is imported', () => {
    const entry = sources.find(({ path }) => path === 'src/index.ts');
    const eager = /^(?:import|export)\s+(?!type\b)[^;]*from\s+'\.\/(?:main|worker|snapshot)\//gm;
    expect(entry?.text.match(eager) ?? []).toEqual([]);
  });

  it('main takes from worker only the message shapes and types', () => {
    const wrong = inside.filter(
      ({ from, to, typeOnly }) => folderOf(from) === 'main' && folderOf(to) === 'worker' && to !== PROTOCOL && !typeOnly,
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it('no folder reaches for a built-in module that it must not know about', () => {
    const wrong = imports.filter(({ from, to }) => FORBIDDEN_BUILT_INS[folderOf(from) ?? '']?.test(to));
    expect(wrong.map(show)).toEqual([]);
  });

  it('source files form no import cycle at run time', () => {
    expect(cycles(inside.filter(({ typeOnly }) => !typeOnly))).toEqual([]);
  });

  it('every relative import has the extension .ts and exists', () => {
    const known = new Set(sources.map(({ path }) => path));
    const wrong = imports.filter(({ to }) => to.startsWith('src/') && !known.has(to));
    expect(wrong.map(show)).toEqual([]);
  });
});

describe('the scanner of import lines', () => {
  const scan = (text: string): readonly string[] => importsOf({ path: 'src/main/x.ts', text }).map(show);

  it('sees static, bare, re-exporting, dynamic and many-line imports, and tells types from values', () => {
    expect(scan("import { a, type B } from './a.ts';")).toEqual(['src/main/x.ts -> src/main/a.ts']);
    expect(scan("import { type B } from './a.ts';")).toEqual(['src/main/x.ts -> src/main/a.ts (types)']);
    expect(scan("import type { B } from '../job/a.ts';")).toEqual(['src/main/x.ts -> src/job/a.ts (types)']);
    expect(scan("import a, { type B } from './a.ts';")).toEqual(['src/main/x.ts -> src/main/a.ts']);
    expect(scan("import {\n  a,\n  b,\n} from './a.ts';\nexport * from './b.ts';")).toEqual([
      'src/main/x.ts -> src/main/a.ts',
      'src/main/x.ts -> src/main/b.ts',
    ]);
    expect(scan("import 'node:fs';\nconst m = await import('./a.ts');")).toEqual([
      'src/main/x.ts -> node:fs',
      'src/main/x.ts -> src/main/a.ts',
    ]);
    expect(scan("let s: import('./a.ts').S;\n// import './c.ts'")).toEqual(['src/main/x.ts -> src/main/a.ts']);
  });

  it('finds a cycle over three files', () => {
    const edge = (from: string, to: string): Import => ({ from, to, typeOnly: false });
    expect(cycles([edge('a', 'b'), edge('b', 'c'), edge('c', 'a'), edge('c', 'd')])).toEqual([['a', 'b', 'c']]);
  });
});

/** Strongly connected components of more than one file, each as a sorted list (Tarjan). */
function cycles(edges: readonly Import[]): readonly (readonly string[])[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    low.set(file, order.get(file) as number);
    stack.push(file);
    for (const to of next.get(file) ?? []) {
      if (!order.has(to)) visit(to);
      if (stack.includes(to)) low.set(file, Math.min(low.get(file) as number, low.get(to) as number));
    }
    if (low.get(file) !== order.get(file)) return;
    const component = stack.splice(stack.indexOf(file));
    if (component.length > 1) found.push(component.toSorted());
  };
  for (const file of next.keys()) if (!order.has(file)) visit(file);
  return found;
}
