import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Memory } from '../../src/format/memory.ts';
import { createRowCodec } from '../../src/format/row-codec.ts';
import type { Schema } from '../../src/format/schema.ts';
import type {
  CustomSourceSpec,
  FieldGenerator,
  GenerateSourceSpec,
  RecordOutput,
  Source,
  SplitReader,
} from '../../src/job/source.ts';
import { digitCounts, writeDecimal } from '../../src/worker/connectors/generate/decimal.ts';
import { Zipf } from '../../src/worker/connectors/generate/zipf.ts';
import { createMalformedHandler } from '../../src/worker/connectors/malformed.ts';
import { createSource, type RowSplitReader } from '../../src/worker/connectors/source-runtime.ts';
import { FRAME_HEADER_BYTES } from '../../src/worker/operator.ts';
import { Collector, readAll, readReopening, sourceContext } from './support.ts';

function generateSpec(overrides: Partial<GenerateSourceSpec>): GenerateSourceSpec {
  return {
    kind: 'generate',
    seed: 7,
    count: 100,
    ratePerSecond: Infinity,
    schema: null,
    make: undefined,
    fields: undefined,
    ...overrides,
  };
}

describe('generate', () => {
  const schema: Schema = {
    type: 'record',
    fields: [
      { name: 'i', schema: { type: 'int' } },
      { name: 'k', schema: { type: 'i32' } },
      { name: 'x', schema: { type: 'f64' } },
      { name: 'maybe', schema: { type: 'optional', of: { type: 'i32' } } },
      { name: 'user', schema: { type: 'string' } },
      { name: 'none', schema: { type: 'optional', of: { type: 'string' } } },
      { name: 'list', schema: { type: 'list', of: { type: 'string' } } },
      { name: 'kind', schema: { type: 'enum', values: ['a', 'b'] } },
      { name: 'tag', schema: { type: 'string' } },
    ],
  };
  const fields: Readonly<Record<string, FieldGenerator>> = {
    i: { kind: 'index' },
    k: { kind: 'int', min: -(2 ** 31), max: 2 ** 31 },
    x: { kind: 'float', min: -1, max: 1 },
    maybe: { kind: 'zipf', n: 1000, exponent: 1.2 },
    user: { kind: 'label', prefix: 'üser-', of: { kind: 'int', min: -(2 ** 52), max: 1000 } },
    none: { kind: 'constant', value: null },
    list: { kind: 'constant', value: ['one', 'two €'] },
    kind: { kind: 'constant', value: 'b' },
    tag: { kind: 'label', prefix: '', of: { kind: 'index' } },
  };

  it('rows decode to the records that values are, from any position, in any batch size', async () => {
    const source = createSource(generateSpec({ schema, fields, count: 64 * 3000 }));
    const codec = createRowCodec(schema);
    const [split] = await source.enumerate(sourceContext);
    const all = new Collector();
    await (source.open(split, null, sourceContext) as SplitReader<unknown>).read(3000, all);
    const values = all.records;
    expect(values).toHaveLength(3000);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2999 }),
        fc.integer({ min: 1, max: 1500 }),
        fc.integer({ min: 0, max: 8192 }),
        (from, limit, bytes) => {
          const reader = source.openRows?.(split, from, sourceContext) as RowSplitReader;
          const memory = Memory.shared(16 + 8192);
          // A row must overwrite all of what lay there before.
          memory.u8.fill(0xa5);
          const end = 16 + bytes - (bytes % 8);
          const { count, bytes: written } = reader.readRows(limit, memory, 16, end);
          expect(written).toBeLessThanOrEqual(bytes);
          expect(reader.position()).toBe(from + count);
          const reencoded = Memory.local(4096);
          let at = 16;
          for (let i = 0; i < count; i++) {
            const row = at + FRAME_HEADER_BYTES;
            const value = codec.decode(memory, row);
            expect(value).toEqual(values[from + i]);
            const length = codec.encode(value, reencoded, 0, 4096);
            expect(memory.buf.compare(reencoded.u8, 0, length, row, row + length)).toBe(0);
            expect([memory.u32[at / 4], memory.u32[at / 4 + 1], memory.f64[at / 8 + 1]]).toEqual([
              FRAME_HEADER_BYTES + length,
              0,
              -Infinity,
            ]);
            at = row + length;
          }
          expect(at).toBe(16 + written);
          // It stops because of the limit, the end, or a row that does not fit; frames here have about 180 bytes.
          expect(count === limit || from + count === 3000 || end - at < 256).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('numbers in labels are decimal, at every length', () => {
    const powers = Array.from({ length: 16 }, (_, i) => 10 ** i);
    const values = Float64Array.from([
      0,
      ...powers.flatMap((power) => [power - 1, power, power + 1, -power, 1 - power]),
      2 ** 31,
      2 ** 53 - 1,
    ]);
    const lengths = new Int32Array(values.length);
    digitCounts(values, values.length, 3, lengths);
    const bytes = Buffer.alloc(24);
    values.forEach((value, i) => {
      writeDecimal(bytes, 3, lengths[i], value);
      // -0 is 0, as in every string.
      expect(bytes.toString('latin1', 3, lengths[i])).toBe(String(value));
    });
  });

  it('bounded: the splits together have every index once, and are the same at any rate', async () => {
    for (const count of [0, 1, 9999, 10_000, 10_001, 1_234_567]) {
      const source = createSource(generateSpec({ count, make: (index) => index }));
      const splits = await source.enumerate(sourceContext);
      const indexes = splits.flatMap(({ data }) => {
        const { first, stride, count: records } = data as { first: number; stride: number; count: number };
        return Array.from({ length: records }, (_, i) => first + i * stride);
      });
      expect(indexes.length).toBe(count);
      expect(new Set(indexes).size).toBe(count);
      expect(Math.max(-1, ...splits.map(({ data }) => (data as { first: number }).first))).toBeLessThan(Math.max(1, count));
      const paced = createSource(generateSpec({ count, ratePerSecond: 10, make: (index) => index }));
      expect(await paced.enumerate(sourceContext)).toEqual(splits);
    }
  });

  it('goes on after a position with the records that follow, made from seed and index alone', async () => {
    const make: GenerateSourceSpec['make'] = (index, random) => ({
      index,
      a: random.float(),
      b: random.int(0, 10),
      c: random.int(-(2 ** 40), 2 ** 40),
    });
    const spec = generateSpec({ count: 2000, make });
    const straight = (await readAll(spec)).records;
    const source = createSource(spec);
    const out = new Collector();
    for (const split of await source.enumerate(sourceContext)) await readReopening(source, split, out, 7, 2);
    expect(out.records).toEqual(straight);
    expect((await readAll(generateSpec({ count: 2000, make, seed: 8 }))).records).not.toEqual(straight);
  });

  it('random integers are even, and the Zipf law holds, within the bounds of chance', () => {
    const samples = 200_000;
    const zipf = new Zipf(50, 2);
    const counts = new Float64Array(50);
    for (let index = 0; index < samples; index++) counts[zipf.sample(12345, index)]++;
    const weights = Array.from({ length: 50 }, (_, k) => (k + 1) ** -2);
    const total = weights.reduce((a, b) => a + b);
    // Chi-squared with 49 degrees of freedom: above 94 once in 10,000 seeds; this seed is fixed.
    const chi = weights.reduce(
      (sum, weight, k) => sum + (counts[k] - (samples * weight) / total) ** 2 / ((samples * weight) / total),
      0,
    );
    expect(chi).toBeLessThan(94);
    const exponentOne = new Zipf(2 ** 40, 1);
    for (let index = 0; index < 1000; index++) expect(exponentOne.sample(1, index)).toBeLessThan(2 ** 40);
  });

  it('random integers over a range are even', async () => {
    const counts = new Float64Array(100);
    const spec = generateSpec({
      count: 200_000,
      schema: { type: 'record', fields: [{ name: 'k', schema: { type: 'i32' } }] },
      fields: { k: { kind: 'int', min: 0, max: 100 } },
    });
    for (const record of (await readAll(spec)).records) counts[(record as { k: number }).k]++;
    const chi = counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(chi).toBeLessThan(170);
    expect(chi).toBeGreaterThan(50);
  });

  it('with a rate emits as many records as are due, and says when to ask again', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const source = createSource(generateSpec({ count: Infinity, ratePerSecond: 100, make: (index) => index }));
      expect(source).toMatchObject({ bounded: false, fixedSplits: true });
      const splits = await source.enumerate(sourceContext);
      expect(splits).toHaveLength(64);
      const readers = splits.map((split) => source.open(split, null, sourceContext) as SplitReader<unknown>);
      const out = new Collector();
      const readEach = (): readonly unknown[] => readers.map((reader) => reader.read(1000, out));
      expect(readEach().every((result) => typeof result === 'number')).toBe(true);
      expect(out.records).toEqual([0]);
      vi.advanceTimersByTime(1000);
      readEach();
      expect(out.records.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 101 }, (_, i) => i));
      expect(readers[5].read(1000, out)).toBeCloseTo(10 * (64 * 2 + 5) - 1000, 5);
      // After a pause it does not make up for all of it: one second, and the records that were due anyway.
      vi.advanceTimersByTime(60_000);
      readEach();
      expect(out.records.length).toBeLessThanOrEqual(101 + 64 * 3);
      expect(new Set(out.records).size).toBe(out.records.length);
      const before = out.records.length;
      expect(readEach().every((result) => typeof result === 'number')).toBe(true);
      expect(out.records.length).toBe(before);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    [{ k: { kind: 'int', min: 0, max: 2 ** 32 } }, /Field 'k' .* values from 0 to 4294967295 do not fit type i32/],
    [{ k: { kind: 'float', min: 0, max: 1 } }, /makes fractions/],
    [{ k: { kind: 'label', prefix: 'a', of: { kind: 'index' } } }, /a label is a string/],
    [{ k: { kind: 'zipf', n: 0, exponent: 1 } }, /n >= 1/],
    [{ k: { kind: 'constant', value: 'x' } }, /the constant must be an integer/],
    [{}, /Field 'k' .* has no generator/],
    [{ k: { kind: 'index' }, other: { kind: 'index' } }, /Field 'other' .* no such field/],
  ] as [Record<string, FieldGenerator>, RegExp][])(
    'fields that cannot be made are refused with ERR_INVALID_ARG: %j',
    (wrong, message) => {
      const create = (): unknown =>
        createSource(
          generateSpec({ schema: { type: 'record', fields: [{ name: 'k', schema: { type: 'i32' } }] }, fields: wrong }),
        );
      expect(create).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG' }));
      expect(create).toThrow(message);
    },
  );

  it('a `make` that throws is named with the record', async () => {
    const failing = readAll(generateSpec({ make: (index) => (index === 5 ? JSON.parse('{') : index) }));
    await expect(failing).rejects.toMatchObject({ code: 'ERR_OPERATOR_FAILED', facts: { index: 5 } });
  });
});

describe('collection', () => {
  it('gives its values in order, through splits and positions, and only those not taken', async () => {
    const values = Array.from({ length: 1000 }, (_, i) => ({ i }));
    const source = createSource({ kind: 'collection', values, schema: null });
    const splits = await source.enumerate(sourceContext);
    const out = new Collector();
    for (const split of splits) await readReopening(source, split, out, 3, 2);
    expect(out.records).toEqual(values);
    expect(await source.enumerate(sourceContext, [splits[0].id])).toEqual(splits.slice(1));
  });

  it('that has become shorter than the checkpoint knows it is refused with ERR_SOURCE_CHANGED', async () => {
    const [split] = await createSource({ kind: 'collection', values: [1, 2, 3], schema: null }).enumerate(sourceContext);
    const shorter = createSource({ kind: 'collection', values: [1, 2], schema: null });
    expect(() => shorter.open(split, 1, sourceContext)).toThrow(expect.objectContaining({ code: 'ERR_SOURCE_CHANGED' }));
  });
});

describe('a source of the user', () => {
  const good: Source<number> = {
    name: 'counter',
    bounded: true,
    splits: () => [{ id: 'only', data: { to: 5 } }],
    open: (split, position) => {
      let next = (position as number | null) ?? 0;
      return {
        async read(_limit, out) {
          await Promise.resolve();
          if (next === (split.data as { to: number }).to) return 'end';
          out.emit(next++);
          return 'more';
        },
        position: () => next,
        close: () => {},
      };
    },
  };
  const spec = (overrides: Partial<Source<unknown>>): CustomSourceSpec => ({
    kind: 'custom',
    source: { ...good, ...overrides },
    schema: null,
    onError: 'fail',
  });
  const withReader = (reader: Partial<Record<keyof SplitReader<unknown>, unknown>>): CustomSourceSpec =>
    spec({ open: () => ({ read: () => 'end', position: () => 0, close: () => {}, ...reader }) as SplitReader<unknown> });

  it('may read asynchronously, stop and go on', async () => {
    const source = createSource(spec({}));
    const out = new Collector();
    await readReopening(source, (await source.enumerate(sourceContext))[0], out, 1, 1);
    expect(out.records).toEqual([0, 1, 2, 3, 4]);
  });

  it.each([
    [
      'two splits with one id',
      spec({
        splits: () => [
          { id: 'a', data: 1 },
          { id: 'a', data: 2 },
        ],
      }),
      /two splits have the id 'a'/,
    ],
    ['splits that are no array', spec({ splits: () => 'a' as never }), /splits\(\) must return an array, but it returned "a"/],
    ['a split without an id', spec({ splits: () => [{ data: 1 } as never] }), /every split must have an id/],
    [
      'split data that is not JSON',
      spec({ splits: () => [{ id: 'a', data: { x: new Date(0) } as never }] }),
      /data of split 'a', at \.x, must be a JSON value.*an instance of Date/,
    ],
    ['a reader without read', spec({ open: () => ({}) as never }), /a reader with a method read\(\)/],
    ['an odd result of read', withReader({ read: () => undefined }), /read\(\) must return 'more', 'end' or a number.*undefined/],
    ['an odd result of an asynchronous read', withReader({ read: () => Promise.resolve(-1) }), /-1/],
    ['an error of read', withReader({ read: () => JSON.parse('{') as never }), /Source 'counter' could not read split 'only': /],
    ['an error of open', spec({ open: () => Promise.reject(new Error('refused')) }), /could not open split 'only': refused/],
    ['an error of splits', spec({ splits: () => Promise.reject(new Error('offline')) }), /could not list its splits: offline/],
  ])('that breaks its contract is named: %s', async (_, broken, message) => {
    const reading = readAll(broken);
    await expect(reading).rejects.toMatchObject({ code: 'ERR_SOURCE_FAILED' });
    await expect(reading).rejects.toThrow(message);
  });

  it('whose position does not survive JSON is refused when it reports it', async () => {
    const source = createSource(withReader({ position: () => undefined }));
    const [split] = await source.enumerate(sourceContext);
    const reader = await source.open(split, null, sourceContext);
    expect(() => reader.position()).toThrow(
      /position\(\) in split 'only' must be a JSON value, since checkpoints keep it, but it is undefined/,
    );
  });

  it('whose position is a promise is refused: a barrier cannot wait for it', async () => {
    const reader = await createSource(withReader({ position: async () => Promise.reject(new Error('unheard')) })).open(
      { id: 'only', data: 0 },
      null,
      sourceContext,
    );
    expect(() => reader.position()).toThrow(/position\(\) in split 'only' must return the position itself.*returned a promise/);
  });

  it('says with true or false whether it reads a backlog; without a word there is none', async () => {
    const open = (backlog: unknown) => createSource(withReader({ backlog })).open({ id: 'only', data: 0 }, null, sourceContext);
    expect((await open(() => true)).backlog?.()).toBe(true);
    expect((await open(() => false)).backlog?.()).toBe(false);
    expect((await open(undefined)).backlog?.()).toBe(false);
    for (const odd of [() => 1, () => undefined, () => Promise.reject(new Error('unheard'))]) {
      const reader = await open(odd);
      expect(() => reader.backlog?.()).toThrow(/backlog\(\) in split 'only' must return true or false/);
    }
  });

  it('that emits between two reads is told to keep what it has until the next', async () => {
    let late: RecordOutput<unknown> | undefined;
    for (const read of [
      (_: number, out: RecordOutput<unknown>) => void (late = out),
      async (_: number, out: RecordOutput<unknown>) => void (late = out),
    ]) {
      const reading = (limit: number, out: RecordOutput<unknown>): unknown => {
        const done = read(limit, out);
        return done instanceof Promise ? done.then(() => 5) : 5;
      };
      const reader = await createSource(withReader({ read: reading })).open({ id: 'only', data: 0 }, null, sourceContext);
      const out = new Collector();
      await reader.read(10, out);
      expect(() => late?.emit(1)).toThrow(/emit\(\) of the output was used in split 'only' after read\(\) had returned/);
      expect(out.records).toEqual([]);
    }
  });

  it('whose location fails does not hide what it is asked for', async () => {
    const location = (): never => {
      throw new Error('no idea');
    };
    const reader = await createSource(withReader({ location })).open({ id: 'only', data: 0 }, null, sourceContext);
    expect(reader.location?.()).toBe("split 'only' of source 'counter'");
  });

  it('is not blamed for an error of an operator behind it', async () => {
    const failure = new Error('from downstream');
    const failing = {
      full: false,
      malformed: () => {},
      emit: () => {
        throw failure;
      },
    } satisfies RecordOutput<unknown>;
    const reader = await createSource(spec({})).open({ id: 'only', data: { to: 5 } }, null, sourceContext);
    await expect(reader.read(10, failing)).rejects.toBe(failure);
  });
});

describe('a malformed record', () => {
  it('fails the job with place, reason, excerpt and what to do, if so asked', () => {
    const count = vi.fn();
    const handle = createMalformedHandler({ sourceName: 'files x', onError: 'fail', count });
    const report = (): void => handle('y'.repeat(1000), 'no number', 'x:3');
    expect(report).toThrow(
      expect.objectContaining({ code: 'ERR_RECORD_MALFORMED', facts: expect.objectContaining({ where: 'x:3' }) }),
    );
    expect(report).toThrow(/^x:3: no number\. The record is "y{200}…"\. .*onError: 'skip'/);
    expect(count).toHaveBeenCalledTimes(2);
  });

  it('is counted and dropped, or counted and passed on', () => {
    const count = vi.fn();
    const deadLetter = vi.fn();
    createMalformedHandler({ sourceName: 's', onError: 'skip', count })('raw', 'reason', 'x:1');
    createMalformedHandler({ sourceName: 's', onError: { deadLetter: { kind: 'discard' } }, count, deadLetter })(
      'raw',
      'reason',
      'x:1',
    );
    expect(count).toHaveBeenCalledTimes(2);
    expect(deadLetter).toHaveBeenCalledExactlyOnceWith({ raw: 'raw', reason: 'reason', where: 'x:1' });
  });
});
