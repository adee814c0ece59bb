import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTidemarkError, type TidemarkError } from '../../src/format/errors.ts';
import { Memory } from '../../src/format/memory.ts';
import { createRowCodec, MAX_ROW_BYTES } from '../../src/format/row-codec.ts';
import { fieldAccess } from '../../src/format/row-layout.ts';
import type { Schema } from '../../src/format/schema.ts';
import * as t from '../../src/job/types.ts';
import { recordSchema, schemaAndValue, valueOf } from './arbitrary-schema.ts';

const SPACE = 1 << 17;
const space = Memory.shared(SPACE);

function errorOf(action: () => unknown): TidemarkError {
  try {
    action();
  } catch (error) {
    if (isTidemarkError(error)) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

function encodeInto(schema: Schema, value: unknown, fill: number, at = 0): Buffer {
  const memory = space;
  memory.u8.fill(fill);
  const length = createRowCodec(schema).encode(value, memory, at, SPACE);
  return Buffer.from(memory.buf.subarray(at, at + length));
}

function untouched(memory: Memory, from: number): boolean {
  return memory.u8.subarray(from).every((byte) => byte === 0xa5);
}

describe('row codec', () => {
  it('decodes what it encoded, for any schema and value', () => {
    fc.assert(
      fc.property(schemaAndValue, ({ schema, value }) => {
        const codec = createRowCodec(schema);
        const memory = space;
        const length = codec.encode(value, memory, 64, SPACE);
        expect(length % 8).toBe(0);
        expect(length).toBeGreaterThan(0);
        if (codec.fixedSize !== 0) expect(length).toBe(codec.fixedSize);
        expect(isDeepStrictEqual(codec.decode(memory, 64), value)).toBe(true);
      }),
      { numRuns: 120 },
    );
  });

  it('writes the same bytes for equal values, whatever lay in the memory and wherever the row lies', () => {
    fc.assert(
      fc.property(schemaAndValue, ({ schema, value }) => {
        expect(encodeInto(schema, value, 0xff, 8).equals(encodeInto(schema, value, 0, 4096))).toBe(true);
      }),
      { numRuns: 120 },
    );
  });

  it('rows can be moved by copying their bytes', () => {
    fc.assert(
      fc.property(schemaAndValue, ({ schema, value }) => {
        const row = encodeInto(schema, value, 0);
        const elsewhere = Memory.local(row.length + 24);
        elsewhere.u8.set(row, 24);
        expect(isDeepStrictEqual(createRowCodec(schema).decode(elsewhere, 24), value)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('returns -1 below every limit that is too small, and never writes beyond it', () => {
    fc.assert(
      fc.property(schemaAndValue, ({ schema, value }) => {
        const codec = createRowCodec(schema);
        const needed = encodeInto(schema, value, 0).length;
        const memory = Memory.local(needed + 64);
        const step = 8 * Math.ceil(needed / 8 / 30);
        for (let limit = 0; limit < needed; limit += step) {
          memory.u8.fill(0xa5);
          expect(codec.encode(value, memory, 0, limit)).toBe(-1);
          expect(untouched(memory, limit)).toBe(true);
        }
        memory.u8.fill(0xa5);
        expect(codec.encode(value, memory, 0, needed)).toBe(needed);
        expect(untouched(memory, needed)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('a view shows every field of the row that it is bound to', () => {
    fc.assert(
      fc.property(
        recordSchema.chain((schema) => fc.tuple(fc.constant(schema), valueOf(schema), valueOf(schema))),
        ([schema, first, second]) => {
          const codec = createRowCodec<Record<string, unknown>>(schema);
          const view = codec.view();
          if (view === null) throw new Error('a record has a view');
          for (const value of [first, second] as Record<string, unknown>[]) {
            const memory = space;
            codec.encode(value, memory, 16, SPACE);
            view.bind(memory, 16);
            for (const { name } of schema.fields) expect(isDeepStrictEqual(view.row[name], value[name])).toBe(true);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('a view can be encoded again and prints as JSON', () => {
    const Visit = t.record({ user: t.string, ms: t.i32, constructor: t.optional(t.string) });
    const codec = createRowCodec(Visit.schema);
    const memory = Memory.local(256);
    codec.encode({ user: 'ann', ms: 7 }, memory, 0, 128);
    const view = codec.view();
    view?.bind(memory, 0);
    expect(JSON.stringify(view?.row)).toBe('{"user":"ann","ms":7}');
    expect(codec.encode(view?.row, memory, 128, 256)).toBeGreaterThan(0);
    expect(memory.buf.subarray(128, 160)).toStrictEqual(memory.buf.subarray(0, 32));
  });

  it('lays rows out as its header says', () => {
    const schema = t.record({
      flag: t.boolean,
      user: t.string,
      ms: t.i32,
      at: t.timestamp,
      note: t.optional(t.enum('x', 'y')),
    }).schema;
    const row = encodeInto(schema, { flag: true, user: 'añ', ms: -2, at: 1.5, note: 'y' }, 0xff);
    expect(row.toString('hex').match(/.{16}/g)).toStrictEqual([
      '2000000003000000', // user: item at 32, 3 bytes
      '000000000000f83f', // at: 1.5
      '01000000feffffff', // flag, ms
      '0100000000000000', // note: index 1; null bitmap: nothing absent
      '0061f10000000000', // user: kind 0, 'a', 0xf1
    ]);
  });

  it('the same schema gives the same codec, so that it is generated once', () => {
    expect(createRowCodec(t.record({ a: t.i32 }).schema)).toBe(createRowCodec(t.record({ a: t.i32 }).schema));
  });

  it.each([
    [t.i32, 1.5, 'i32'],
    [t.i32, 2 ** 31, 'i32'],
    [t.i32, '5', 'i32'],
    [t.int, 2 ** 53, 'safe integer'],
    [t.f64, '1', 'number'],
    [t.timestamp, Number.NaN, 'timestamp'],
    [t.timestamp, new Date(0), 'timestamp'],
    [t.string, 5, 'string'],
    [t.bytes, [1, 2], 'Uint8Array'],
    [t.bigint, 5, 'bigint'],
    [t.boolean, 1, 'boolean'],
    [t.enum('a', 'b'), 'c', '"a", "b"'],
    [t.list(t.i32), 'abc', 'array'],
    [t.record({ b: t.i32 }), null, 'object'],
    [t.optional(t.i32), 'x', 'i32'],
  ])('a wrong value of %o is refused with the field, what is expected and what came', (type, value, expected) => {
    const error = errorOf(() =>
      createRowCodec(t.record({ outer: t.record({ field: type }) }).schema).encode(
        { outer: { field: value } },
        Memory.local(1024),
        0,
        1024,
      ),
    );
    expect(error.code).toBe('ERR_INVALID_ARG');
    expect(error.message).toContain("Field 'outer.field'");
    expect(error.message).toContain(expected);
  });

  it('a wrong value in a list is named by its index, a missing field as undefined', () => {
    const schema = t.record({ lines: t.list(t.record({ price: t.f64 })) }).schema;
    const error = errorOf(() => createRowCodec(schema).encode({ lines: [{ price: 1 }, {}] }, Memory.local(1024), 0, 1024));
    expect(error.message).toContain("Field 'lines[1].price' must be a number (f64), but it is undefined");
  });

  it('names that every object inherits are not found in records that lack them', () => {
    const codec = createRowCodec(t.record({ constructor: t.optional(t.string), toString: t.optional(t.string) }).schema);
    const memory = Memory.local(64);
    codec.encode({}, memory, 0, 64);
    expect(codec.decode(memory, 0)).toStrictEqual({ constructor: undefined, toString: undefined });
  });

  it('a record of more than 64 MiB is refused with ERR_RECORD_TOO_LARGE', () => {
    const codec = createRowCodec(t.bytes.schema);
    const memory = Memory.local(MAX_ROW_BYTES + 64);
    expect(codec.encode(new Uint8Array(MAX_ROW_BYTES - 8), memory, 0, memory.byteLength)).toBe(MAX_ROW_BYTES);
    expect(codec.encode(new Uint8Array(MAX_ROW_BYTES), memory, 0, 1024)).toBe(-1);
    expect(errorOf(() => codec.encode(new Uint8Array(MAX_ROW_BYTES), memory, 0, memory.byteLength)).code).toBe(
      'ERR_RECORD_TOO_LARGE',
    );
  });
});

describe('field access', () => {
  const schema = t.record({ name: t.string, a: t.i32, b: t.f64, c: t.optional(t.i32), d: t.boolean }).schema;

  it('reads a number straight from the bytes of a row', () => {
    const memory = Memory.local(256);
    createRowCodec(schema).encode({ name: 'x', a: -7, b: 2.5, c: 1, d: true }, memory, 64, 256);
    const a = fieldAccess(schema, 'a');
    const b = fieldAccess(schema, 'b');
    expect(a?.type).toBe('i32');
    expect(memory.i32[(64 + (a?.offset ?? 0)) / 4]).toBe(-7);
    expect(b?.type).toBe('f64');
    expect(memory.f64[(64 + (b?.offset ?? 0)) / 8]).toBe(2.5);
  });

  it('is null for fields that are not always a number, and an error for fields that do not exist', () => {
    expect(fieldAccess(schema, 'name')).toBeNull();
    expect(fieldAccess(schema, 'c')).toBeNull();
    expect(fieldAccess(schema, 'd')).toBeNull();
    expect(errorOf(() => fieldAccess(schema, 'z')).message).toContain("'name', 'a', 'b', 'c', 'd'");
  });
});
