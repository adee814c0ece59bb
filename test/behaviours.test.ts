/** `behaviours.md` names tests: each of them must exist, in the file that it says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from './support/sources.ts';

/** Rows of the reference. */
const ROWS = 49;

const text = readFileSync(join(projectRoot, 'test/behaviours.md'), 'utf8');
const [shown, left] = text.split('\n## Rows that are not here\n');

/** First cells of the lines of a table, without those that are empty. */
function numbersIn(table: string): number[] {
  return [...table.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, cell]) => cell.split(',').map(Number));
}

describe('behaviours.md', () => {
  test('every row of the reference stands in it once, shown or left out, in its order', () => {
    for (const table of [shown, left]) expect(numbersIn(table)).toEqual(numbersIn(table).toSorted((a, b) => a - b));
    const all = [...numbersIn(shown), ...numbersIn(left)].toSorted((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1));
  });

  test('every test that it names exists in the file that it names', () => {
    const named = [...shown.matchAll(/^\|.*\| (\S+\.test\.ts) \| `(.+)` \|$/gm)].map(([, file, name]) => ({ file, name }));
    expect(named.length).toBe(shown.split('\n').filter((line) => line.includes('.test.ts |')).length);
    const missing = named.filter(({ file, name }) => {
      const source = readFileSync(join(projectRoot, 'test', file), 'utf8');
      return !["'", '"', '`'].some((quote) => source.includes(`${name}${quote}`));
    });
    expect(missing).toEqual([]);
  });
});
