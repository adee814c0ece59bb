import { describe, expect, it } from 'vitest';
import { isTidemarkError, type TidemarkError } from '../../src/format/errors.ts';
import { JsonMismatch, valueFromJson, valueToJson } from '../../src/format/schema-json.ts';
import { schemaText } from '../../src/format/schema-text.ts';
import * as t from '../../src/job/types.ts';

function errorOf(action: () => unknown): TidemarkError {
  try {
    action();
  } catch (error) {
    if (isTidemarkError(error)) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

describe('types', () => {
  it('a record type is its fields, as plain data', () => {
    const Visit = t.record({
      user: t.string,
      tags: t.list(t.string),
      kind: t.enum('a', 'b'),
      ms: t.withDefault(t.i32, 5),
      at: t.optional(t.timestamp),
    });
    expect(schemaText(Visit.schema)).toBe(
      'record<user: string, tags: list<string>, kind: enum<"a", "b">, ms: i32, at: optional<timestamp>>',
    );
    expect(structuredClone(Visit.schema)).toStrictEqual(Visit.schema);
    expect(JSON.parse(JSON.stringify(Visit.schema))).toStrictEqual(Visit.schema);
  });

  it('an enum takes its values one by one or as an array', () => {
    expect(t.enum('a', 'b').schema).toStrictEqual(t.enum(['a', 'b'] as const).schema);
  });

  it.each([
    ['no values', () => (t.enum as (...values: unknown[]) => unknown)(), 'at least one'],
    ['a value twice', () => t.enum('a', 'b', 'a'), '"a" twice'],
    ['a number as a value', () => (t.enum as (...values: unknown[]) => unknown)('a', 1), '1 (number)'],
    ['a field that is no type', () => t.record({ user: String as never }), "Field 'user' of t.record needs a type"],
    ['a field of any', () => t.record({ user: t.any() as never }), 't.any()'],
    ['a field called __proto__', () => t.record({ ['__proto__']: t.string }), '__proto__'],
    ['an optional of an optional', () => t.optional(t.optional(t.string)), 'Use one'],
    ['a default of another type', () => t.withDefault(t.i32, 1.5), 'i32'],
    ['something that is no object', () => t.record('user' as never), '"user" (string)'],
  ])('%s is refused', (_, action, text) => {
    const error = errorOf(action);
    expect(error.code).toBe('ERR_INVALID_ARG');
    expect(error.message).toContain(text);
  });
});

describe('values as JSON', () => {
  const Everything = t.record({
    i: t.i32,
    f: t.f64,
    big: t.bigint,
    raw: t.bytes,
    at: t.timestamp,
    list: t.list(t.optional(t.i32)),
    inner: t.record({ name: t.string }),
    missing: t.optional(t.string),
    later: t.withDefault(t.f64, Number.NaN),
  });

  it('come back as they were', () => {
    const value = {
      i: -1,
      f: Infinity,
      big: -(2n ** 90n),
      raw: new Uint8Array([1, 2, 255]),
      at: 12.5,
      list: [1, undefined],
      inner: { name: 'x' },
      missing: undefined,
      later: 2,
    };
    const json = JSON.parse(JSON.stringify(valueToJson(Everything.schema, value))) as unknown;
    expect(valueFromJson(Everything.schema, json)).toStrictEqual(value);
  });

  it('missing fields take their default, dates may be ISO 8601, small bigints numbers', () => {
    const json = { i: 1, f: 2, big: 7, raw: '', at: '1970-01-01T00:00:01Z', list: [], inner: { name: 'x' } };
    expect(valueFromJson(Everything.schema, json)).toMatchObject({ big: 7n, at: 1000, missing: undefined, later: Number.NaN });
  });

  it.each([
    [{ name: 5 }, 'name', 'string'],
    [{}, 'name', 'string'],
    [[], '', 'an object'],
    [null, '', 'an object'],
  ])('%o does not match, and says where', (json, path, expected) => {
    const found = valueFromJson(t.record({ name: t.string }).schema, json);
    expect(found).toBeInstanceOf(JsonMismatch);
    expect((found as JsonMismatch).path).toBe(path);
    expect((found as JsonMismatch).expected).toContain(expected);
  });

  it('a name that every object inherits is not found in a record without it', () => {
    expect(valueFromJson(t.record({ constructor: t.optional(t.string) }).schema, {})).toStrictEqual({ constructor: undefined });
  });
});
