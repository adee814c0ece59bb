/** What is generated from the list of options; `npm run docs` writes it. */
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { resolveConfig } from '../../src/main/config.ts';
import { parseConfigFile } from '../../src/main/config/file.ts';
import { configurationSchema } from '../../src/main/config/json-schema.ts';
import { allSpellings, OPTION_KEYS, OPTIONS, type OptionKey, optionKeyOf } from '../../src/main/config/options.ts';
import { configurationReference } from '../../src/main/config/reference.ts';

const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const reference = configurationReference();

test('configuration reference: every option stands in exactly one section', () => {
  for (const key of OPTION_KEYS) expect(reference.split(`| \`${key}\` |`).length, key).toBe(2);
});

test('docs/configuration.md: its tables are those of the options', () => {
  const document = read('configuration.md');
  expect(document.slice(document.indexOf('## Execution'))).toBe(reference);
});

test('docs/tidemark.config.schema.json is that of the options', () => {
  expect(JSON.parse(read('tidemark.config.schema.json'))).toEqual(configurationSchema());
});

describe('the JSON Schema for editors', () => {
  const schema = z.fromJSONSchema(configurationSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const accepts = (yaml: string): boolean => schema.safeParse(parse(yaml)).success;

  /** Values of an option as people write them. */
  const SAMPLES: Readonly<Record<string, readonly (string | number | boolean | null)[]>> = {
    duration: ['500 ms', '10 s', '10s', '1 MIN', '2 h', 1500, '1 Day'],
    'memory size': ['64 mb', '1gb', '2 GiB', 2 ** 30],
    integer: [1, 2, '3'],
    number: [1, '1'],
    boolean: [true, false, 'true'],
    text: ['./checkpoints'],
  };

  function samplesOf(key: OptionKey): readonly (string | number | boolean | null)[] {
    const { label } = OPTIONS[key].kind;
    const names = [...label.matchAll(/`([^`]+)`/g)]
      .map(([, name]) => name)
      .filter((name) => name !== 'none' || !label.includes('or `none`'));
    const samples = label.startsWith('`')
      ? [...names, ...names.map((n) => n.toLowerCase().replaceAll('_', '-'))]
      : SAMPLES[label.split(',')[0]];
    return label.endsWith('or `none`') ? [...samples, 'none', 'off', -1, null] : samples;
  }

  /** A key with some of its dots as nesting. */
  function nested(key: string, cuts: number, value: unknown): unknown {
    const parts = key.split('.').reduce<string[]>((all, part, i) => {
      if (i > 0 && ((cuts >> i) & 1) === 0) return [...all.slice(0, -1), `${all.at(-1)}.${part}`];
      return [...all, part];
    }, []);
    return parts.reduceRight<unknown>((inner, part) => ({ [part]: inner }), value);
  }

  test('accepts each option in each spelling, flat, nested and mixed, as the program does', async () => {
    for (const spelling of allSpellings()) {
      for (const value of samplesOf(optionKeyOf(spelling) as OptionKey)) {
        for (const cuts of [0, 2, 4, 6, 8, 14]) {
          const yaml = stringify(nested(spelling, cuts, value));
          expect(accepts(yaml), yaml).toBe(true);
          const [entry] = await parseConfigFile(yaml, 'file');
          expect(entry.key, yaml).toBe(spelling);
          const key = optionKeyOf(spelling) as OptionKey;
          expect(() => OPTIONS[key].kind.parse(entry.raw), yaml).not.toThrow();
        }
      }
    }
  });

  test('refuses what the program refuses: keys that are misspelt at any depth, and values of another kind', async () => {
    const refused = [
      'task.thread: 2',
      'task: { thread: 2 }',
      'execution: { checkpointing: { intervall: 1 s } }',
      'execution.checkpointing: { interval.x: 1 s }',
      'executions: {}',
      'task: 3',
      'task.threads: two',
      'task.threads: 0',
      'task.threads: 1.5',
      'execution.checkpointing.interval: 10 parsecs',
      'execution.checkpointing.incremental: 1',
      'execution: { checkpointing.mode: AT_LEAST_ONCE }',
      'execution.checkpointing.unaligned.enabled: true',
      'execution.checkpointing.dir: " "',
      'restart-strategy: sometimes',
    ];
    for (const yaml of refused) {
      expect(accepts(yaml), yaml).toBe(false);
      if (yaml === 'executions: {}') continue;
      const file = await parseConfigFile(yaml, 'file');
      expect(() => resolveConfig({ file }), yaml).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    }
  });

  test('accepts groups without options, as of which all lines are commented out', () => {
    for (const yaml of ['', 'execution:', 'execution: { checkpointing: }']) expect(accepts(yaml), yaml).toBe(true);
  });

  test('refuses a random name unless it is an option', () => {
    const word = fc.stringMatching(/^[a-z][a-z-]{0,8}$/);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 3 }), fc.nat(15), (parts, cuts) => {
        const key = parts.join('.');
        fc.pre(optionKeyOf(key) === undefined);
        expect(accepts(stringify(nested(key, cuts, 1)))).toBe(false);
      }),
    );
  });
});
