/** The mutants must not go stale; that each is caught is seen by `node test/mutation/run.mjs`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { applyMutant, MUTANTS } from './apply.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

describe('mutants', () => {
  test('each has a name of its own', () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });

  test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s applies, and its test exists', (_name, mutant) => {
    const source = read(mutant.file);
    expect(applyMutant(mutant, source)).not.toBe(source);
    const [file, name] = mutant.test;
    const tests = read(file);
    // The names of tests in a table are made of parts: `run.mjs` finds a name that is not there.
    if (!/\.(each|for)\(/.test(tests)) for (const part of name.split(' > ')) expect(tests).toContain(part);
  });

  test('one that does not apply any more is an error', () => {
    const mutant = { name: 'old', file: 'a.ts', edits: [['before', 'after']], test: ['', ''] } as const;
    expect(() => applyMutant(mutant, 'now')).toThrow('does not apply any more');
    expect(() => applyMutant(mutant, 'before before')).toThrow('2 times');
    expect(applyMutant(mutant, 'before $& now')).toBe('after $& now');
  });
});
