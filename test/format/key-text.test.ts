import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyTypeText } from '../../src/format/key-codec.ts';
import { keyToJson, parseKeyText } from '../../src/format/key-text.ts';
import { parseKeyType } from '../../src/format/key-type.ts';
import type { Schema } from '../../src/format/schema.ts';

const scalar = fc.constantFrom<Schema>(
  ...(['i32', 'f64', 'int', 'bigint', 'boolean', 'string', 'bytes', 'timestamp'] as const).map((type) => ({ type })),
);
const enumeration = fc
  .uniqueArray(fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 })
  .map((values): Schema => ({ type: 'enum', values }));
const part = fc.oneof(scalar, enumeration).chain((of) => fc.constantFrom<Schema>(of, { type: 'optional', of }));
const parts = fc.array(part, { minLength: 1, maxLength: 4 });

describe('key types', () => {
  test('the text of every type of a key is read back as the same schemas', () => {
    fc.assert(
      fc.property(parts, (schemas) => {
        expect(parseKeyType(keyTypeText(schemas))).toEqual(schemas);
      }),
    );
    expect(parseKeyType('any')).toBeNull();
  });

  test.each(['', 'int8', 'list<i32>', '(i32', 'i32)', '(i32, )', 'enum<>', 'enum<"a>', 'optional<i32', 'i32 '])(
    'text that is no type of a key is not read as one: %j',
    (text) => expect(parseKeyType(text)).toBeUndefined(),
  );
});

describe('keys as text', () => {
  test('a key of several parts, shown as JSON, is read back as the same key', () => {
    const schemas: Schema[] = [
      { type: 'string' },
      { type: 'f64' },
      { type: 'optional', of: { type: 'bigint' } },
      { type: 'bytes' },
      { type: 'boolean' },
    ];
    const key = fc.tuple(
      fc.string({ unit: 'binary' }),
      fc.double().filter((n) => !Object.is(n, -0)),
      fc.option(fc.bigInt(), { nil: undefined }),
      fc.uint8Array({ maxLength: 9 }),
      fc.boolean(),
    );
    fc.assert(
      fc.property(key, (values) => {
        const text = JSON.stringify(keyToJson(values, schemas));
        expect(parseKeyText(text, schemas)).toEqual(values);
      }),
    );
  });

  test.each<[Schema, string]>([
    [{ type: 'i32' }, '1.5'],
    [{ type: 'i32' }, ''],
    [{ type: 'i32' }, '2147483648'],
    [{ type: 'int' }, 'NaN'],
    [{ type: 'boolean' }, '1'],
    [{ type: 'bigint' }, '1.0'],
    [{ type: 'bytes' }, 'hex:0'],
    [{ type: 'bytes' }, '?'],
    [{ type: 'timestamp' }, 'yesterday'],
    [{ type: 'enum', values: ['a'] }, 'b'],
  ])('a key of type %j is not %j', (schema, text) => {
    expect(() => parseKeyText(text, [schema])).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  });
});
