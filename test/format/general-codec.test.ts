import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTidemarkError, type TidemarkError } from '../../src/format/errors.ts';
import { createGeneralCodec } from '../../src/format/general-codec.ts';
import { Memory } from '../../src/format/memory.ts';
import { TaggedReader } from '../../src/format/tagged-reader.ts';
import { anyBigInt, anyDouble, anyString } from './arbitrary-schema.ts';

const space = Memory.shared(1 << 18);

const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    anyString,
    anyDouble,
    fc.integer(),
    anyBigInt,
    fc.boolean(),
    fc.constantFrom(null, undefined),
    // Invalid dates have a test of their own: isDeepStrictEqual holds that they differ from themselves.
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 90 }),
    fc.float64Array({ maxLength: 5 }),
    fc.int16Array({ maxLength: 5 }),
    fc.bigInt64Array({ maxLength: 3 }),
    fc.uint8Array({ maxLength: 5 }).map((bytes) => bytes.buffer),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '0'), anyString), tie('value'), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
  ),
})).value;

function errorOf(action: () => unknown): TidemarkError {
  try {
    action();
  } catch (error) {
    if (isTidemarkError(error)) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

function row(value: unknown, at = 0): Buffer {
  space.u8.fill(0xa5, at, at + 64);
  const length = createGeneralCodec().encode(value, space, at, space.byteLength);
  return Buffer.from(space.buf.subarray(at, at + length));
}

describe('general codec', () => {
  it('decodes what it encoded, for any plain data', () => {
    const codec = createGeneralCodec();
    fc.assert(
      fc.property(anyValue, (value) => {
        const length = codec.encode(value, space, 8, space.byteLength);
        expect(length % 8).toBe(0);
        expect(isDeepStrictEqual(codec.decode(space, 8), value)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('equal values give equal bytes, whatever was encoded before and wherever the row lies', () => {
    const used = createGeneralCodec();
    fc.assert(
      fc.property(anyValue, (value) => {
        const fresh = row(value, 0);
        const length = used.encode(structuredClone(value), space, 4096, space.byteLength);
        expect(fresh.equals(space.buf.subarray(4096, 4096 + length))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('objects of one shape come back right also after their constructor was compiled', () => {
    const codec = createGeneralCodec();
    const shapes = [
      (n: number) => ({ user: `u${n}`, ms: n }),
      (n: number) => ({ ms: n, user: `u${n}` }),
      (n: number) => JSON.parse(`{"__proto__":${n},"toString":1}`) as object,
      () => ({}),
    ];
    for (let i = 0; i < 400; i++) {
      const value = shapes[i % shapes.length](i);
      codec.encode(value, space, 0, space.byteLength);
      expect(isDeepStrictEqual(codec.decode(space, 0), value)).toBe(true);
      expect(Object.keys(codec.decode(space, 0) as object)).toStrictEqual(Object.keys(value));
    }
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it('an invalid date stays one', () => {
    const codec = createGeneralCodec();
    codec.encode({ at: new Date(Number.NaN) }, space, 0, space.byteLength);
    expect((codec.decode(space, 0) as { at: Date }).at.getTime()).toBeNaN();
  });

  it('objects with thousands of different names work, one after another', () => {
    const codec = createGeneralCodec();
    for (let i = 0; i < 50; i++) {
      const value = Object.fromEntries(Array.from({ length: 200 }, (_, k) => [`name-${i}-${k}`, k]));
      codec.encode(value, space, 0, space.byteLength);
      expect(isDeepStrictEqual(codec.decode(space, 0), value)).toBe(true);
    }
  });

  it('returns -1 below every limit that is too small, and writes nothing beyond it', () => {
    const codec = createGeneralCodec();
    const value = { user: 'ann', visits: [1, 2, 3], note: 'x'.repeat(50) };
    const needed = row(value).length;
    for (let limit = 0; limit < needed; limit++) {
      space.u8.fill(0xa5, 0, 512);
      expect(codec.encode(value, space, 0, limit)).toBe(-1);
      expect(space.u8.subarray(limit, 512).every((byte) => byte === 0xa5)).toBe(true);
    }
    expect(codec.encode(value, space, 0, needed)).toBe(needed);
  });

  it.each([
    [() => 1],
    [Symbol('x')],
    [
      new (class Visit {
        user = 'ann';
      })(),
    ],
    [[{ f() {} }]],
    [/x/],
    [new Error('x')],
    [Promise.resolve()],
    [new WeakMap()],
    [Object.create({ inherited: 1 })],
  ])('%o is refused, not changed in silence', (value) => {
    const error = errorOf(() => createGeneralCodec().encode(value, space, 0, space.byteLength));
    expect(error.code).toBe('ERR_INVALID_ARG');
    expect(error.message).toContain('cannot be encoded');
  });

  it('the codec works after it refused a value', () => {
    const codec = createGeneralCodec();
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    expect(errorOf(() => codec.encode(cyclic, space, 0, space.byteLength)).message).toContain('contains itself');
    codec.encode({ self: 1 }, space, 0, space.byteLength);
    expect(codec.decode(space, 0)).toStrictEqual({ self: 1 });
  });

  it('damaged bytes give a typed error or another value, never a crash or a large allocation', () => {
    const reader = new TaggedReader();
    const bytes = row({
      user: 'ann',
      list: [1, 2.5, 'é'.repeat(200)],
      map: new Map([[1n, new Date(0)]]),
      big: 'ā'.repeat(40),
      view: new Float32Array(3),
    });
    const memory = Memory.local(bytes.length + 8);
    const length = bytes.readUInt32LE(0);
    for (let at = 4; at < 4 + length; at++) {
      for (const damage of [0, 0xff, 0x0c, 0x0e, 0x80, bytes[at] ^ 1]) {
        memory.u8.set(bytes);
        memory.u8[at] = damage;
        try {
          reader.read(memory, 4, length);
        } catch (error) {
          expect(isTidemarkError(error) ? error.code : error).toBe('ERR_TABLE_CORRUPT');
        }
      }
    }
    memory.u8.set(bytes);
    expect(errorOf(() => reader.read(memory, 4, length + 1)).message).toContain('before its length');
    for (let cut = 0; cut < length; cut++) expect(errorOf(() => reader.read(memory, 4, cut)).code).toBe('ERR_TABLE_CORRUPT');
  });
});
