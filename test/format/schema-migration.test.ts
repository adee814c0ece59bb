import * as fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { isTidemarkError, type TidemarkError } from '../../src/format/errors.ts';
import { Memory } from '../../src/format/memory.ts';
import { createRowCodec } from '../../src/format/row-codec.ts';
import { createMigratingDecoder, createMigration } from '../../src/format/schema-migration.ts';
import * as t from '../../src/job/types.ts';
import { schemaAndValue } from './arbitrary-schema.ts';

const SITE = { what: "state 'total' of operator 'sums'", remedy: 'Give the state another name.' };

const space = Memory.local(1 << 17);

function migrate(from: t.Type<unknown>, to: t.Type<unknown>, value: unknown): unknown {
  const decode = createMigratingDecoder(from.schema, to.schema, SITE);
  createRowCodec(from.schema).encode(value, space, 0, space.byteLength);
  const migrated = decode(space, 0);
  createRowCodec(to.schema).encode(migrated, space, 0, space.byteLength);
  return createRowCodec(to.schema).decode(space, 0);
}

function refusal(from: t.Type<unknown>, to: t.Type<unknown>): TidemarkError {
  try {
    createMigration(from.schema, to.schema, SITE);
  } catch (error) {
    if (isTidemarkError(error)) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

const Now = t.record({ user: t.string, ms: t.i32 });

describe('schema migration', () => {
  it('a schema that did not change reads every value as it is', () => {
    fc.assert(
      fc.property(schemaAndValue, ({ schema, value }) => {
        createRowCodec(schema).encode(value, space, 0, space.byteLength);
        expect(isDeepStrictEqual(createMigratingDecoder(schema, schema, SITE)(space, 0), value)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, t.Type<unknown>, t.Type<unknown>, unknown, unknown]>([
    ['i32 widens to int', t.i32, t.int, 5, 5],
    ['i32 widens to f64', t.i32, t.f64, -5, -5],
    ['int widens to f64', t.int, t.f64, 2 ** 40, 2 ** 40],
    ['numbers in lists widen', t.list(t.i32), t.list(t.f64), [1, 2], [1, 2]],
    ['an enum gains values and changes their order', t.enum('a', 'b'), t.enum('c', 'b', 'a'), 'b', 'b'],
    ['a value becomes optional', t.i32, t.optional(t.f64), 7, 7],
    ['a field is removed', Now, t.record({ ms: t.i32 }), { user: 'ann', ms: 3 }, { ms: 3 }],
    ['fields are reordered', Now, t.record({ ms: t.i32, user: t.string }), { user: 'ann', ms: 3 }, { ms: 3, user: 'ann' }],
    [
      'an optional field is added',
      t.record({ ms: t.i32 }),
      t.record({ ms: t.i32, user: t.optional(t.string) }),
      { ms: 3 },
      { ms: 3, user: undefined },
    ],
    [
      'fields with defaults of every kind are added',
      t.record({ ms: t.i32 }),
      t.record({
        ms: t.f64,
        big: t.withDefault(t.bigint, 2n ** 70n),
        raw: t.withDefault(t.bytes, new Uint8Array([1])),
        not: t.withDefault(t.f64, Number.NaN),
        tags: t.withDefault(t.list(t.string), ['x']),
      }),
      { ms: 3 },
      { ms: 3, big: 2n ** 70n, raw: new Uint8Array([1]), not: Number.NaN, tags: ['x'] },
    ],
    [
      'an optional field gets a default and is required',
      t.record({ n: t.optional(t.i32) }),
      t.record({ n: t.withDefault(t.f64, 9) }),
      {},
      { n: 9 },
    ],
    [
      'the same where it was present',
      t.record({ n: t.optional(t.i32) }),
      t.record({ n: t.withDefault(t.f64, 9) }),
      { n: 4 },
      { n: 4 },
    ],
    ['a default is added to a field', t.record({ n: t.i32 }), t.record({ n: t.withDefault(t.i32, 9) }), { n: 4 }, { n: 4 }],
    [
      'a nested record changes',
      t.record({ in: t.list(Now) }),
      t.record({ in: t.list(t.record({ ms: t.int })) }),
      { in: [{ user: 'a', ms: 1 }] },
      { in: [{ ms: 1 }] },
    ],
  ])('%s', (_, from, to, value, expected) => {
    expect(isDeepStrictEqual(migrate(from, to, value), expected)).toBe(true);
  });

  it('two values do not share a default', () => {
    const decode = createMigratingDecoder(
      t.record({}).schema,
      t.record({ tags: t.withDefault(t.list(t.string), []) }).schema,
      SITE,
    );
    createRowCodec(t.record({}).schema).encode({}, space, 0, 64);
    const first = decode(space, 0) as { tags: string[] };
    first.tags.push('mine');
    expect(decode(space, 0)).toStrictEqual({ tags: [] });
  });

  it.each<[string, t.Type<unknown>, t.Type<unknown>, string]>([
    ['a number that narrows', t.record({ n: t.f64 }), t.record({ n: t.i32 }), "Field 'n'"],
    ['a number that becomes a timestamp', t.f64, t.timestamp, 'it was f64 and is timestamp'],
    [
      'another type, deep inside',
      t.record({ a: t.list(t.record({ b: t.string })) }),
      t.record({ a: t.list(t.record({ b: t.i32 })) }),
      "Field 'a[].b'",
    ],
    ['a new field without a default', t.record({}), Now, "Field 'user'"],
    [
      'an optional field that is required without a default',
      t.record({ n: t.optional(t.i32) }),
      t.record({ n: t.i32 }),
      "Field 'n'",
    ],
    ['an enum that loses a value', t.enum('a', 'b'), t.enum('a'), 'enum<"a", "b">'],
    ['an optional value that is required', t.optional(t.i32), t.i32, 'optional<i32>'],
  ])('%s is refused with the field and both types', (_, from, to, text) => {
    const error = refusal(from, to);
    expect(error.code).toBe('ERR_STATE_INCOMPATIBLE');
    expect(error.message).toContain(text);
    expect(error.message).toContain("state 'total' of operator 'sums'");
  });
});
