/** Reads the project's own source files, for the tests on its structure. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** Path from the project's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** Path from the project's root of what is imported; a bare specifier as it is. */
  readonly to: string;
  readonly typeOnly: boolean;
}

/** All TypeScript files below a folder of the project, sorted. */
export function readSources(folder: string): readonly SourceFile[] {
  return readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(projectRoot, path), 'utf8') }));
}

// `import`/`export ... from`, a bare `import 'x'`, and the call `import('x')`, each at its place in the statement.
const STATEMENT = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[^'";]*?\s+from\s+)?['"]([^'"]+)['"]/gm;
const CALL = /\b(typeof\s+)?import\(\s*['"]([^'"]+)['"]\s*\)/g;

/** Every import of a file. `import { type A, type B }` counts as type-only as well: it is erased with all its names. */
export function importsOf(file: SourceFile): readonly Import[] {
  const code = withoutComments(file.text);
  const imports: Import[] = [];
  for (const [statement, typeKeyword, specifier] of code.matchAll(STATEMENT)) {
    imports.push({
      from: file.path,
      to: target(file.path, specifier),
      typeOnly: typeKeyword !== undefined || namesOnlyTypes(statement),
    });
  }
  for (const [, typeofKeyword, specifier] of code.matchAll(CALL)) {
    imports.push({ from: file.path, to: target(file.path, specifier), typeOnly: typeofKeyword !== undefined });
  }
  return imports;
}

/** Top folder below `src`, e.g. `worker`; `.` for files in `src` itself; `null` for what lies outside. */
export function folderOf(path: string): string | null {
  const [root, ...rest] = path.split('/');
  if (root !== 'src') return null;
  return rest.length > 1 ? rest[0] : '.';
}

function target(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return relative(projectRoot, resolve(projectRoot, dirname(from), specifier)).replaceAll('\\', '/');
}

function namesOnlyTypes(statement: string): boolean {
  const names = /\{([^}]*)\}/.exec(statement)?.[1];
  if (names === undefined || /^[ \t]*import\s+[\w$]+\s*,/.test(statement)) return false;
  const list = names.split(',').filter((name) => name.trim() !== '');
  return list.length > 0 && list.every((name) => name.trim().startsWith('type '));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
