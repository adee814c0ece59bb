/** Random schemas with random values of them, for property tests of codecs. */
import * as fc from 'fast-check';
import type { Schema } from '../../src/format/schema.ts';

/** Strings with everything that goes wrong: empty, NUL, Latin-1, astral, lone surrogates, longer than every fast path. */
export const anyString: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)), maxLength: 60 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xff }).map((unit) => String.fromCharCode(unit)), maxLength: 90 }),
  fc.constantFrom('', '\0', '\ud800', '\udc00x', 'é'.repeat(50), 'ā'.repeat(50), '__proto__'),
);

export const anyDouble: fc.Arbitrary<number> = fc.oneof(
  fc.double(),
  fc.constantFrom(-0, 0, Number.NaN, Infinity, -Infinity, 2 ** 53, 5e-324),
);

export const anyBigInt: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.bigInt({ min: -300n, max: 300n }),
  fc
    .tuple(fc.integer({ min: 0, max: 210 }), fc.integer({ min: -1, max: 1 }), fc.boolean())
    .map(([bits, more, negative]) => (2n ** BigInt(bits) + BigInt(more)) * (negative ? -1n : 1n)),
);

export const keySchema: fc.Arbitrary<Schema> = fc.oneof(
  fc.constantFrom<Schema>(
    { type: 'i32' },
    { type: 'f64' },
    { type: 'int' },
    { type: 'bigint' },
    { type: 'boolean' },
    { type: 'string' },
    { type: 'bytes' },
    { type: 'timestamp' },
  ),
  fc.uniqueArray(fc.string({ maxLength: 4 }), { minLength: 1, maxLength: 5 }).map((values): Schema => ({ type: 'enum', values })),
);

const fieldName = fc
  .oneof(
    fc.constantFrom('a', 'b', 'constructor', 'toString', 'odd name', '0', 'toJSON', 'quote\'"\n\u2028'),
    fc.string({ minLength: 1, maxLength: 6 }),
  )
  .filter((name) => name !== '__proto__');

export const anySchema: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema; plain: Schema; record: Schema }>((tie) => ({
  schema: fc.oneof(
    { weight: 3, arbitrary: tie('plain') },
    { weight: 1, arbitrary: tie('plain').map((of): Schema => ({ type: 'optional', of })) },
  ),
  plain: fc.oneof(
    { maxDepth: 2 },
    keySchema,
    tie('record'),
    tie('schema').map((of): Schema => ({ type: 'list', of })),
  ),
  record: fc
    .uniqueArray(fc.tuple(fieldName, tie('schema')), { selector: ([name]) => name, maxLength: 6 })
    .map((fields): Schema => ({ type: 'record', fields: fields.map(([name, schema]) => ({ name, schema })) })),
})).schema;

export const recordSchema: fc.Arbitrary<Schema & { readonly type: 'record' }> = fc
  .uniqueArray(fc.tuple(fieldName, anySchema), { selector: ([name]) => name, maxLength: 40 })
  .map((fields) => ({ type: 'record', fields: fields.map(([name, schema]) => ({ name, schema })) }));

function isSmall(schema: Schema): boolean {
  return schema.type === 'optional'
    ? isSmall(schema.of)
    : schema.type === 'i32' || schema.type === 'f64' || schema.type === 'boolean';
}

/** Values of a schema, as its codec decodes them: absent fields are there as undefined. */
export function valueOf(schema: Schema): fc.Arbitrary<unknown> {
  switch (schema.type) {
    case 'i32':
      return fc.integer();
    case 'int':
      return fc.oneof(fc.maxSafeInteger(), fc.constant(-0));
    case 'f64':
      return anyDouble;
    case 'timestamp':
      return fc.double({ min: -8.64e15, max: 8.64e15, noNaN: true });
    case 'bigint':
      return anyBigInt;
    case 'boolean':
      return fc.boolean();
    case 'string':
      return anyString;
    case 'bytes':
      return fc.uint8Array({ maxLength: 70 });
    case 'enum':
      return fc.constantFrom(...schema.values);
    case 'optional':
      return fc.oneof(fc.constant(undefined), valueOf(schema.of));
    case 'list':
      // Long enough for a second word of null bits, but only where elements are small.
      return isSmall(schema.of)
        ? fc.oneof(fc.array(valueOf(schema.of), { maxLength: 5 }), fc.array(valueOf(schema.of), { minLength: 30, maxLength: 70 }))
        : fc.array(valueOf(schema.of), { maxLength: 3 });
    case 'record':
      return fc
        .tuple(...schema.fields.map((field) => valueOf(field.schema)))
        .map((values) => Object.fromEntries(schema.fields.map((field, i) => [field.name, values[i]])));
  }
}

export const schemaAndValue: fc.Arbitrary<{ schema: Schema; value: unknown }> = anySchema.chain((schema) =>
  valueOf(schema).map((value) => ({ schema, value })),
);
