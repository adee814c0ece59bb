/**
 * Patterns to files. `fs.glob` exists from Node 22 on only, and its order is not promised.
 *
 * | pattern     | matches                                                                            |
 * |-------------|------------------------------------------------------------------------------------|
 * | `*`         | any run of characters of one name                                                  |
 * | `?`         | one character of a name                                                            |
 * | `[a-z]`     | one of these; `[!a]` and `[^a]` none of them                                       |
 * | `{a,b{c,d}}`| one of the alternatives, which may contain `/` and patterns                        |
 * | `**`        | as a whole part: any number of directories, also none; last: every file below      |
 * | `\x`        | the character x itself                                                             |
 *
 * A name that begins with a dot is matched only by a part that begins with a dot, so hidden files, and the parts that a
 * file sink has in progress, stay out. Wildcards match regular files, also through symbolic links, and never follow a
 * link to a directory: a cycle of links could not end otherwise. A part without wildcards may be anything, `..` as well,
 * and a pattern that is the path of a file means that file.
 */
import { type Dirent, readdirSync, type Stats, statSync } from 'node:fs';
import { TidemarkError } from '../../../format/errors.ts';
import { notAFile, readFailed } from './file-errors.ts';

export interface FoundFile {
  /** As the pattern has it: relative to the working directory if the pattern is. */
  readonly path: string;
  readonly size: number;
}

/**
 * Files that match one of the patterns: pattern by pattern, each in code unit order of the paths, none twice.
 *
 * @throws TidemarkError ERR_INPUT_NOT_FOUND when a pattern matches nothing, is not well formed, or names a directory or device;
 *                       ERR_SOURCE_FAILED when a directory cannot be listed
 */
export function findFiles(patterns: readonly string[]): readonly FoundFile[] {
  const found = new Map<string, FoundFile>();
  for (const pattern of patterns) {
    const files = isFile(pattern) ? matchLiterally(pattern) : expandBraces(pattern).flatMap(matchOne);
    if (files.length === 0) throw nothingMatches(pattern);
    files.sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const file of files) if (!found.has(file.path)) found.set(file.path, file);
  }
  return [...found.values()];
}

function nothingMatches(pattern: string): TidemarkError {
  return new TidemarkError(
    'ERR_INPUT_NOT_FOUND',
    `No file matches '${pattern}' (working directory ${process.cwd()}). Correct the pattern, or create the input first.`,
    {
      facts: { pattern, workingDirectory: process.cwd() },
    },
  );
}

/** A path that exists is meant as it stands, so that `app/[id].js` needs no escapes. */
function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    return false;
  }
}

function matchLiterally(path: string): FoundFile[] {
  const found: FoundFile[] = [];
  addFile(path, found, true);
  return found;
}

function matchOne(pattern: string): FoundFile[] {
  const absolute = pattern.startsWith('/');
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length === 0) throw notAFile('ERR_INPUT_NOT_FOUND', pattern, 'a directory');
  const found: FoundFile[] = [];
  walk(absolute ? '/' : '', parts.map(compilePart), 0, found);
  return found;
}

type Part =
  | { readonly kind: 'literal'; readonly name: string }
  | { readonly kind: 'wildcard'; readonly test: RegExp }
  | { readonly kind: 'globstar' };

/** Matches `parts` from `index` on inside `directory` ('' or ending in '/'). */
function walk(directory: string, parts: readonly Part[], index: number, found: FoundFile[]): void {
  const part = parts[index];
  const last = index === parts.length - 1;
  if (part.kind === 'literal') {
    if (last)
      addFile(
        directory + part.name,
        found,
        parts.every(({ kind }) => kind === 'literal'),
      );
    else walk(`${directory + part.name}/`, parts, index + 1, found);
    return;
  }
  // `**` matches no directory at all, so the rest of the pattern is tried here as well.
  if (part.kind === 'globstar' && !last) walk(directory, parts, index + 1, found);
  for (const entry of list(directory)) {
    const { name } = entry;
    if (part.kind === 'globstar') {
      if (name.startsWith('.')) continue;
      if (entry.isDirectory()) walk(`${directory + name}/`, parts, index, found);
      else if (last) addFile(directory + name, found, false);
      continue;
    }
    if (!part.test.test(name)) continue;
    if (last) {
      if (!entry.isDirectory()) addFile(directory + name, found, false);
    } else if (entry.isDirectory()) {
      walk(`${directory + name}/`, parts, index + 1, found);
    }
  }
}

/** Entries of a directory; none when it is missing, which `nothingMatches` reports with the whole pattern. */
function list(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory === '' ? '.' : directory, { withFileTypes: true });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw readFailed(directory, 'list', cause);
  }
}

/** @param named  the user named this very path, so it must be a file; what wildcards meet on their way need not be */
function addFile(path: string, found: FoundFile[], named: boolean): void {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOTDIR') throw readFailed(path, 'open', cause);
  }
  if (stats?.isFile() === true) found.push({ path, size: stats.size });
  else if (stats !== undefined && named) throw notAFile('ERR_INPUT_NOT_FOUND', path, kindOf(stats));
}

/** What a path is that is no regular file, in words. */
export function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a named pipe (FIFO)';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

function compilePart(text: string): Part {
  if (text === '**') return { kind: 'globstar' };
  const { source, literal } = partSource(text, true);
  return literal === null ? { kind: 'wildcard', test: new RegExp(`^${source}$`, 'su') } : { kind: 'literal', name: literal };
}

/**
 * A part, or an alternative in it, as the source of a regular expression; `literal` is its text if it has no wildcard.
 *
 * @param atStart  of the name: a wildcard does not match a dot there
 */
function partSource(text: string, atStart: boolean): { readonly source: string; readonly literal: string | null } {
  let source = '';
  let literal: string | null = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    const noDot = atStart && i === 0 ? '(?!\\.)' : '';
    const classEnd = char === '[' ? text.indexOf(']', i + 2) : -1;
    const group = char === '{' ? braceGroup(text, i) : null;
    if (char === '*' || char === '?') {
      source += noDot + (char === '*' ? '.*' : '.');
      literal = null;
    } else if (classEnd > 0) {
      source += noDot + characterClass(text.slice(i + 1, classEnd));
      literal = null;
      i = classEnd;
    } else if (group !== null) {
      source += `(?:${group.alternatives.map((alternative) => partSource(alternative, atStart && i === 0).source).join('|')})`;
      literal = null;
      i = group.end - 1;
    } else {
      const plain = char === '\\' && i + 1 < text.length ? text[++i] : char;
      source += plain.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
      if (literal !== null) literal += plain;
    }
  }
  return { source, literal };
}

function characterClass(content: string): string {
  const negated = content.startsWith('!') || content.startsWith('^');
  const members = (negated ? content.slice(1) : content).replace(/[\\[\]^]/g, '\\$&');
  try {
    return new RegExp(`[${negated ? '^' : ''}${members}]`, 'u').source;
  } catch (cause) {
    throw new TidemarkError(
      'ERR_INPUT_NOT_FOUND',
      `'[${content}]' in a file pattern is not a set of characters: ${(cause as Error).message}.`,
      { cause },
    );
  }
}

/**
 * `a/{b,c/d}` -> `a/b`, `a/c/d`. Alternatives inside one part stay: each pattern walks the directories again. A brace
 * without a partner or without a comma stands for itself.
 */
function expandBraces(pattern: string): readonly string[] {
  for (let open = 0; open < pattern.length; open++) {
    if (pattern[open] === '\\') open++;
    else if (pattern[open] === '{') {
      const group = braceGroup(pattern, open);
      if (group !== null && group.alternatives.some((alternative) => alternative.includes('/') || alternative.includes('**'))) {
        const before = pattern.slice(0, open);
        return group.alternatives.flatMap((alternative) => expandBraces(before + alternative + pattern.slice(group.end)));
      }
    }
  }
  return [pattern];
}

function braceGroup(pattern: string, open: number): { readonly alternatives: readonly string[]; readonly end: number } | null {
  const alternatives: string[] = [];
  let depth = 0;
  let from = open + 1;
  for (let at = open; at < pattern.length; at++) {
    const char = pattern[at];
    if (char === '\\') at++;
    else if (char === '{') depth++;
    else if (char === ',' && depth === 1) {
      alternatives.push(pattern.slice(from, at));
      from = at + 1;
    } else if (char === '}' && --depth === 0) {
      alternatives.push(pattern.slice(from, at));
      return alternatives.length > 1 ? { alternatives, end: at + 1 } : null;
    }
  }
  return null;
}
