import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyRef } from '../../src/format/codec.ts';
import { isTidemarkError, type TidemarkError } from '../../src/format/errors.ts';
import { hashKey } from '../../src/format/hash.ts';
import { createKeyCodec, keyTypeText } from '../../src/format/key-codec.ts';
import { MAX_KEY_BYTES } from '../../src/format/key-limit.ts';
import { Memory } from '../../src/format/memory.ts';
import { createRowCodec } from '../../src/format/row-codec.ts';
import { createRowKey } from '../../src/format/row-key.ts';
import type { Schema } from '../../src/format/schema.ts';
import * as t from '../../src/job/types.ts';
import { anyBigInt, anyDouble, anyString, keySchema, valueOf } from './arbitrary-schema.ts';

const space = Memory.shared(1 << 18);

function bytesOf(ref: KeyRef): string {
  expect(ref.at % 4).toBe(0);
  expect(ref.hash).toBe(hashKey(ref.memory, ref.at, ref.length));
  for (let at = ref.at + ref.length; at % 4 !== 0; at++) expect(ref.memory.u8[at]).toBe(0);
  return ref.memory.buf.toString('hex', ref.at, ref.at + ref.length);
}

function encodeKey(schemas: readonly Schema[] | null, key: unknown): string {
  const ref = new KeyRef(space);
  createKeyCodec(schemas).encode(key, ref);
  return bytesOf(ref);
}

function errorOf(action: () => unknown): TidemarkError {
  try {
    action();
  } catch (error) {
    if (isTidemarkError(error)) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

const optionalKeySchema = fc.oneof(
  { weight: 3, arbitrary: keySchema },
  { weight: 1, arbitrary: keySchema.map((of): Schema => ({ type: 'optional', of })) },
);
const keyParts = fc.array(optionalKeySchema, { minLength: 1, maxLength: 4 });
const partsAndKeys = keyParts.chain((schemas) => {
  const key = fc.tuple(...schemas.map(valueOf)).map((values) => (values.length === 1 ? values[0] : values));
  return fc.tuple(fc.constant(schemas), key, key);
});

describe('typed keys', () => {
  it('a key found in a row has the bytes and the hash of the same key encoded from its value', () => {
    fc.assert(
      fc.property(partsAndKeys, fc.integer({ min: 0, max: 3 }), ([schemas, key], moreFields) => {
        const values = schemas.length === 1 ? [key] : (key as unknown[]);
        const fields = schemas.map((schema, i) => ({ name: `k${i}`, schema }));
        const others = Array.from({ length: moreFields }, (_, i) => ({
          name: `other${i}`,
          schema: { type: i === 1 ? 'i32' : 'string' } as Schema,
        }));
        const schema: Schema = { type: 'record', fields: [...others, ...fields] };
        const row = Object.fromEntries([
          ...others.map((field, i) => [field.name, i === 1 ? 5 : 'text']),
          ...fields.map((field, i) => [field.name, values[i]]),
        ]);
        expect(createRowCodec(schema).encode(row, space, 128, space.byteLength)).toBeGreaterThan(0);
        const ref = new KeyRef(space);
        const rowKey = createRowKey(
          schema,
          fields.map((field) => field.name),
        );
        rowKey.locate(space, 128, ref);
        expect(bytesOf(ref)).toBe(encodeKey(schemas, key));
        if (rowKey.wordCount > 0) {
          expect(ref.length).toBe(4 * rowKey.wordCount);
          expect(ref.at).toBe(128 + rowKey.fixedOffset);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('decode gives the key back, wherever its bytes lie', () => {
    fc.assert(
      fc.property(partsAndKeys, ([schemas, key]) => {
        const ref = new KeyRef(space);
        const codec = createKeyCodec(schemas);
        codec.encode(key, ref);
        const elsewhere = Memory.local(ref.length + 16);
        elsewhere.u8.set(ref.memory.u8.subarray(ref.at, ref.at + ref.length), 4);
        expect(isDeepStrictEqual(codec.decode(elsewhere, 4, ref.length), key)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('two keys of the same type encode alike only when they are the same', () => {
    fc.assert(
      fc.property(partsAndKeys, ([schemas, first, second]) => {
        expect(encodeKey(schemas, first) === encodeKey(schemas, second)).toBe(isDeepStrictEqual(first, second));
      }),
      { numRuns: 150 },
    );
  });

  it('a codec and a row key that were used before give the same bytes as new ones', () => {
    const schema = t.record({ a: t.string, b: t.string, n: t.optional(t.i32) }).schema;
    const parts = [t.string.schema, t.string.schema, t.optional(t.i32).schema];
    const codec = createKeyCodec(parts);
    const untyped = createKeyCodec(null);
    const rowKey = createRowKey(schema, ['a', 'b', 'n']);
    const ref = new KeyRef(space);
    for (const key of [
      ['\xff'.repeat(90), '\xff'.repeat(3000), -1],
      ['x', 'yz', undefined],
      ['', '', 5],
    ] as const) {
      const fresh = encodeKey(parts, key);
      codec.encode(key, ref);
      expect(bytesOf(ref)).toBe(fresh);
      createRowCodec(schema).encode({ a: key[0], b: key[1], n: key[2] }, space, 0, space.byteLength);
      rowKey.locate(space, 0, ref);
      expect(bytesOf(ref)).toBe(fresh);
      untyped.encode(key, ref);
      expect(bytesOf(ref)).toBe(encodeKey(null, key));
    }
  });

  it('bigints take as few bytes as hold their sign', () => {
    const table: [bigint, string][] = [
      [0n, '00'],
      [1n, '01'],
      [-1n, 'ff'],
      [127n, '7f'],
      [128n, '8000'],
      [-128n, '80'],
      [-129n, '7fff'],
      [2n ** 63n, '000000000000008000'],
      [-(2n ** 63n), '0000000000000080'],
      [-(2n ** 64n), '0000000000000000ff'],
    ];
    for (const [value, expected] of table) expect(encodeKey([t.bigint.schema], value)).toBe(expected);
  });

  it('composite strings do not run into one another', () => {
    const schemas = [t.string.schema, t.string.schema];
    expect(encodeKey(schemas, ['ab', 'c'])).not.toBe(encodeKey(schemas, ['a', 'bc']));
    expect(encodeKey(schemas, ['', 'a'])).not.toBe(encodeKey(schemas, ['a', '']));
  });

  it('-0 and 0 are two keys, all NaN are one', () => {
    const odd = new Float64Array(new Uint32Array([1, 0xfff80000]).buffer)[0];
    expect(encodeKey([t.f64.schema], -0)).not.toBe(encodeKey([t.f64.schema], 0));
    expect(encodeKey([t.f64.schema], odd)).toBe(encodeKey([t.f64.schema], Number.NaN));
    const row = createRowCodec(t.record({ n: t.f64 }).schema);
    row.encode({ n: odd }, space, 0, 64);
    expect(space.buf.toString('hex', 0, 8)).toBe('000000000000f87f');
  });

  it('a key of another type is refused with what is expected and what came', () => {
    const error = errorOf(() => encodeKey([t.i32.schema], 'seven'));
    expect(error.code).toBe('ERR_INVALID_ARG');
    expect(error.message).toContain('(i32)');
    expect(error.message).toContain('"seven" (string)');
    expect(errorOf(() => encodeKey([t.string.schema, t.i32.schema], 'ab')).message).toContain('an array of 2 values');
  });

  it('keys of 64 KiB work, larger ones are refused with ERR_RECORD_TOO_LARGE on both paths', () => {
    const longest = 'x'.repeat(MAX_KEY_BYTES - 1);
    expect(encodeKey([t.string.schema], longest).length).toBe(2 * MAX_KEY_BYTES);
    for (const schemas of [[t.string.schema], [t.string.schema, t.i32.schema]]) {
      const key = schemas.length === 1 ? `${longest}x` : [longest, 1];
      expect(errorOf(() => encodeKey(schemas, key)).code).toBe('ERR_RECORD_TOO_LARGE');
    }
    const schema = t.record({ s: t.string, n: t.i32 }).schema;
    createRowCodec(schema).encode({ s: `${longest}x`, n: 1 }, space, 0, space.byteLength);
    const ref = new KeyRef(space);
    expect(errorOf(() => createRowKey(schema, ['s']).locate(space, 0, ref)).code).toBe('ERR_RECORD_TOO_LARGE');
    expect(errorOf(() => createRowKey(schema, ['n', 's']).locate(space, 0, ref)).code).toBe('ERR_RECORD_TOO_LARGE');
    expect(errorOf(() => encodeKey(null, longest)).code).toBe('ERR_RECORD_TOO_LARGE');
  });

  it('records and lists are refused as keys, unknown fields are named', () => {
    const schema = t.record({ tags: t.list(t.string), user: t.string }).schema;
    expect(errorOf(() => createRowKey(schema, ['tags'])).message).toContain('list<string>');
    expect(errorOf(() => createRowKey(schema, ['nobody'])).message).toContain("'tags', 'user'");
    expect(errorOf(() => createRowKey(t.string.schema, ['x'])).code).toBe('ERR_INVALID_ARG');
  });

  it('the type text names every part', () => {
    expect(keyTypeText(null)).toBe('any');
    expect(keyTypeText([t.string.schema])).toBe('string');
    expect(keyTypeText([t.enum('a', 'b').schema, t.optional(t.i32).schema])).toBe('(enum<"a", "b">, optional<i32>)');
  });
});

const anyKey = fc.letrec<{ key: unknown }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 3 },
    anyString,
    anyDouble,
    fc.integer(),
    anyBigInt,
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('key'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom('__proto__', 'constructor')), tie('key'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
})).key;

describe('untyped keys', () => {
  it('decode gives the key back', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        const ref = new KeyRef(space);
        const codec = createKeyCodec(null);
        codec.encode(key, ref);
        bytesOf(ref);
        expect(isDeepStrictEqual(codec.decode(ref.memory, ref.at, ref.length), key)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('two keys encode alike only when they are the same', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (first, second) => {
        expect(encodeKey(null, first) === encodeKey(null, second)).toBe(isDeepStrictEqual(first, second));
      }),
      { numRuns: 500 },
    );
  });

  it('values that look alike are different keys', () => {
    const keys = [
      new Date(Number.NaN),
      '1',
      1,
      1n,
      true,
      [1],
      ['1'],
      '',
      0,
      -0,
      0n,
      false,
      null,
      undefined,
      [],
      {},
      [null],
      [undefined],
      [[]],
      { a: 1 },
      { a: undefined },
      new Date(1),
      new Uint8Array(0),
      new Uint8Array([1]),
      '\ud800',
      '\ufffd',
      'é',
      'e\u0301',
      Number.NaN,
      'NaN',
      2 ** 31,
      2 ** 32,
      String(2 ** 31),
    ];
    expect(new Set(keys.map((key) => encodeKey(null, key))).size).toBe(keys.length);
  });

  it('all invalid dates are one key, and come back as one', () => {
    expect(encodeKey(null, new Date(Number.NaN))).toBe(encodeKey(null, new Date('no date')));
    const ref = new KeyRef(space);
    const codec = createKeyCodec(null);
    codec.encode(new Date(Number.NaN), ref);
    expect((codec.decode(ref.memory, ref.at, ref.length) as Date).getTime()).toBeNaN();
  });

  it('the order of properties does not matter', () => {
    expect(encodeKey(null, { a: 1, b: { d: 2, c: 3 } })).toBe(encodeKey(null, { b: { c: 3, d: 2 }, a: 1 }));
  });

  it.each([
    [() => 1],
    [Symbol('x')],
    [new Map()],
    [{ [Symbol('x')]: 1 }],
    [
      new (class Visit {
        user = 'ann';
      })(),
    ],
    [[new Set()]],
    [new Float64Array(1)],
  ])('%o cannot be a key', (key) => {
    const error = errorOf(() => encodeKey(null, key));
    expect(error.code).toBe('ERR_INVALID_ARG');
    expect(error.message).toContain('Keys are strings, numbers');
  });

  it('a key that contains itself is refused', () => {
    const key: unknown[] = [];
    key.push(key);
    expect(errorOf(() => encodeKey(null, key)).message).toContain('contains itself');
  });
});
