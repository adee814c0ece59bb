import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/format/errors.ts';
import { projectRoot, readSources } from '../support/sources.ts';

const EXIT_SECTION = {
  1: 'The job failed (exit 1)',
  2: 'Usage and configuration (exit 2)',
  3: 'The checkpoint cannot be restored (exit 3)',
};

const document = readFileSync(join(projectRoot, 'docs/errors.md'), 'utf8');

it('errors: docs/errors.md has an entry for each code and no other', () => {
  const documented = [...document.matchAll(/^### (ERR_\w+)$/gm)].map(([, code]) => code);
  expect(new Set(documented)).toEqual(new Set(Object.keys(ERROR_CODES)));
  expect(documented).toHaveLength(new Set(documented).size);
});

it('errors: each entry begins with the meaning and stands in the section of its exit status', () => {
  for (const [code, { exit, meaning }] of Object.entries(ERROR_CODES)) {
    const section = document.split(/^## /m).find((part) => part.includes(`### ${code}\n`)) ?? '';
    expect(section.split('\n', 1)[0], code).toBe(EXIT_SECTION[exit]);
    expect(section, code).toContain(`### ${code}\n\n*${meaning}*\n`);
  }
});

it('errors: every code is used somewhere in src', () => {
  const code = readSources('src')
    .filter(({ path }) => path !== 'src/format/errors.ts')
    .map(({ text }) => text)
    .join('\n');
  expect(Object.keys(ERROR_CODES).filter((name) => !code.includes(`'${name}'`))).toEqual([]);
});
