import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configurationReference } from '../../src/main/config/reference.ts';
import { OPTION_KEYS } from '../../src/main/config/options.ts';

const reference = configurationReference();

test('configuration reference: every option stands in exactly one section', () => {
  for (const key of OPTION_KEYS) expect(reference.split(`| \`${key}\` |`).length, key).toBe(2);
});

test('docs/configuration.md: its tables are those of the options', () => {
  const document = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  expect(document.slice(document.indexOf('## Execution'))).toBe(reference);
});
