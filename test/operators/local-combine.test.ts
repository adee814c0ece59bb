import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Schema } from '../../src/format/schema.ts';
import type { AggregateSpec } from '../../src/job/aggregate.ts';
import type { KeySelector } from '../../src/job/graph.ts';
import { LocalCombiner } from '../../src/worker/operators/local-combiner.ts';
import { type LocalCombine, localCombineFor, PARTIAL_COUNT, partialColumn } from '../../src/worker/operators/local-combine.ts';
import type { Output, Rows } from '../../src/worker/operator.ts';
import type { FailureSite } from '../../src/worker/operators/operator-failure.ts';
import { RowCombiner } from '../../src/worker/operators/row-combiner.ts';
import { StringCombiner } from '../../src/worker/operators/string-combiner.ts';
import { contentOf, contextOf, type Edge, feed, finish, frameRows, keyedEdge, node, openChain, type Timed } from './harness.ts';

const Sale: Schema = {
  type: 'record',
  fields: [
    { name: 'shop', schema: { type: 'f64' } },
    { name: 'item', schema: { type: 'string' } },
    { name: 'price', schema: { type: 'i32' } },
  ],
};
interface SaleRecord {
  readonly shop: number;
  readonly item: string;
  readonly price: number;
}
const sale: fc.Arbitrary<SaleRecord> = fc.record({
  shop: fc.constantFrom(0, -0, 1, NaN),
  item: fc.constantFrom('', 'a', 'b', '0'),
  price: fc.integer({ min: -50, max: 50 }),
});

const SPECS: readonly { readonly name: string; readonly spec: AggregateSpec }[] = [
  {
    name: 'built-in',
    spec: {
      kind: 'built-in',
      emit: 'end',
      outputs: {
        n: { kind: 'count' },
        sum: { kind: 'sum', field: 'price' },
        min: { kind: 'min', field: 'price' },
        max: { kind: 'max', field: 'price' },
        avg: { kind: 'avg', field: 'price' },
      },
    },
  },
  {
    name: 'a function with a schema',
    spec: {
      kind: 'function',
      emit: 'end',
      project: (key: unknown, result: unknown) => ({ key, result }),
      aggregate: {
        create: () => 0,
        add: (n: number, { price }: SaleRecord) => n + price,
        merge: (a: number, b: number) => a + b,
        result: (n: number) => n,
        schema: { type: 'f64' },
      } as never,
    },
  },
  {
    name: 'a function without a schema',
    spec: {
      kind: 'function',
      emit: 'end',
      project: (key: unknown, result: unknown) => ({ key, result }),
      aggregate: {
        create: () => ({ prices: [] as number[] }),
        add: (all: { prices: number[] }, { price }: SaleRecord) => ({ prices: [...all.prices, price].sort((a, b) => a - b) }),
        merge: (a: { prices: number[] }, b: { prices: number[] }) => ({
          prices: [...a.prices, ...b.prices].sort((x, y) => x - y),
        }),
        result: ({ prices }: { prices: number[] }) => prices,
      },
    },
  },
  {
    name: 'reduce',
    spec: {
      kind: 'reduce',
      emit: 'end',
      reduce: (a: SaleRecord, b: SaleRecord): SaleRecord => ({ shop: a.shop, item: a.item, price: a.price + b.price }),
    },
  },
];
const SELECTORS: readonly { readonly name: string; readonly selector: KeySelector }[] = [
  { name: 'a number', selector: { kind: 'fields', fields: ['shop'] } },
  { name: 'a string', selector: { kind: 'fields', fields: ['item'] } },
  { name: 'two fields', selector: { kind: 'fields', fields: ['item', 'shop'] } },
  {
    name: 'a function',
    selector: { kind: 'function', select: ({ item, shop }: SaleRecord) => (item === 'b' ? { item } : `${item}${shop}`) },
  },
];

const timed = (values: readonly unknown[]): Timed[] => values.map((value) => ({ value, timestampMs: 0 }));

/** Frames each partial result as it comes, from a value or from a row. */
function outputTo(edge: Edge, rows: ReturnType<typeof frameRows>[]): Output & Required<Pick<Output, 'emitRows'>> {
  const emit = (value: unknown): void => void rows.push(frameRows(edge, [{ value, timestampMs: -Infinity }]));
  return {
    full: false,
    emit,
    emitRows: ({ memory, from, to, count }) => {
      let seen = 0;
      for (let at = from; at < to; at += memory.u32[at / 4], seen++) emit(edge.codec.decode(memory, at + 16));
      expect(seen).toBe(count);
    },
  };
}

type Combiner = LocalCombiner | RowCombiner | StringCombiner;
type RowsOutput = Output & Required<Pick<Output, 'emitRows'>>;

/** Every combiner that can combine these. */
function combinersOf(combine: LocalCombine, { codec, rowKey }: Edge): ((out: RowsOutput, site: FailureSite) => Combiner)[] {
  const { selector, partialSchema } = combine;
  const all: ((out: RowsOutput, site: FailureSite) => Combiner)[] = [(out, site) => new LocalCombiner(combine, out, site)];
  if (combine.node.aggregate.kind !== 'built-in' || selector.kind !== 'fields' || partialSchema === null || rowKey === null)
    return all;
  const { outputs } = combine.node.aggregate;
  const { fields } = selector;
  all.push((out, site) => new RowCombiner({ outputs, keyFields: fields, schema: partialSchema, codec, rowKey }, out, site));
  if (fields.length === 1 && fields[0] === 'item')
    all.push((out, site) => new StringCombiner({ outputs, keyField: 'item', codec }, out, site));
  return all;
}

describe('local combining', () => {
  for (const schema of [Sale, null]) {
    for (const { name, spec } of SPECS) {
      for (const { name: keyName, selector } of SELECTORS) {
        it(`of ${name}, keyed by ${keyName}, ${schema === null ? 'without' : 'with'} a schema: gives the results of the records themselves`, () => {
          const operator = node('aggregate', { aggregate: spec });
          const combine = localCombineFor(operator, schema, node('keyBy', { key: selector }));
          expect(combine).not.toBeNull();
          if (combine === null) return;
          const edge = keyedEdge(schema, selector);
          const partialEdge = keyedEdge(schema, selector, combine);
          for (const create of combinersOf(combine, partialEdge)) {
            fc.assert(
              fc.property(fc.array(fc.array(sale, { maxLength: 60, size: 'max' }), { maxLength: 6 }), (turns) => {
                const direct = openChain([operator], { edge });
                feed(direct, frameRows(edge, timed(turns.flat())));
                const merged = openChain([operator], { edge: partialEdge });
                for (const records of turns) {
                  // Partial results are framed as they leave: the combiner may reuse the object.
                  const rows: ReturnType<typeof frameRows>[] = [];
                  const out = outputTo(partialEdge, rows);
                  const site = { node: operator, context: contextOf(0, 1)(operator), where: () => undefined };
                  const combiner = create(out, site);
                  for (const record of records) combiner.emit(record);
                  while (!combiner.drain());
                  for (const row of rows) feed(merged, row);
                  expect(rows.length).toBeLessThanOrEqual(records.length);
                  if (!(combiner instanceof LocalCombiner))
                    expect(rows.length).toBe(new Set(records.map((record) => show(edge.keyOf(record)))).size);
                }
                finish(direct);
                finish(merged);
                expect(new Set(merged.out.values.map(show))).toEqual(new Set(direct.out.values.map(show)));
                expect(merged.out.values.length).toBe(direct.out.values.length);
                if (partialEdge.keyCodec.type === edge.keyCodec.type)
                  expect(contentOf(merged.states[0].map)).toEqual(contentOf(direct.states[0].map));
              }),
              { numRuns: 12 },
            );
          }
        });
      }
    }
  }

  it('is not done where results leave after each record, nor for topN, distinct, or a function without merge', () => {
    const key = node('keyBy', { key: { kind: 'fields', fields: ['item'] } });
    const specs: AggregateSpec[] = [
      { kind: 'built-in', emit: 'each', outputs: { n: { kind: 'count' } } },
      { kind: 'built-in', emit: 'end', outputs: { n: { kind: 'topN', field: 'price', n: 3 } } },
      { kind: 'built-in', emit: 'end', outputs: { n: { kind: 'distinct', field: 'price' } } },
      {
        kind: 'function',
        emit: 'end',
        project: undefined,
        aggregate: { create: () => 0, add: (n: number) => n + 1, result: (n: number) => n },
      },
    ];
    for (const aggregate of specs) expect(localCombineFor(node('aggregate', { aggregate }), Sale, key)).toBeNull();
  });

  it('steps aside while keys hardly repeat, and folds again where they do', () => {
    const operator = node('aggregate', { aggregate: { kind: 'built-in', emit: 'end', outputs: { n: { kind: 'count' } } } });
    const combine = localCombineFor(operator, Sale, node('keyBy', { key: { kind: 'fields', fields: ['item'] } }));
    let sent = 0;
    const out = { full: false, emit: () => void sent++ };
    const site = { node: operator, context: contextOf(0, 1)(operator), where: () => undefined };
    const combiner = new LocalCombiner(combine as NonNullable<typeof combine>, out, site);
    for (let i = 0; i < 20_000; i++) combiner.emit({ shop: 0, item: `item-${i}`, price: 1 });
    while (!combiner.drain());
    expect(sent).toBe(20_000);
    const repeated = { shop: 0, item: 'a', price: 1 };
    for (let i = 0; i < 1_000_000; i++) combiner.emit(repeated);
    expect(sent).toBe(1_020_000);
    for (let i = 0; i < 50_000; i++) combiner.emit(repeated);
    while (!combiner.drain());
    expect(sent).toBe(1_020_001);
  });
});

describe('a combiner with more keys than it holds', () => {
  const key = { name: 'two fields', selector: { kind: 'fields', fields: ['item', 'shop'] } as const };
  for (const selector of [{ kind: 'fields', fields: ['item'] } as const, key.selector]) {
    it(`sends them in between, keyed by ${selector.fields.join(' and ')}, and loses none`, () => {
      const operator = node('aggregate', { aggregate: { kind: 'built-in', emit: 'end', outputs: { n: { kind: 'count' } } } });
      const combine = localCombineFor(operator, Sale, node('keyBy', { key: selector }));
      const counts = new Map<string, number>();
      let sent = 0;
      const out = {
        full: false,
        emit: (partial: unknown) => {
          const { item, [PARTIAL_COUNT]: count } = partial as { item: string; [PARTIAL_COUNT]: number };
          counts.set(item, (counts.get(item) ?? 0) + count);
          sent++;
        },
      };
      const site = { node: operator, context: contextOf(0, 1)(operator), where: () => undefined };
      const combiner = new LocalCombiner(combine as NonNullable<typeof combine>, out, site);
      let records = 0;
      const emit = (item: string): void => {
        combiner.emit({ shop: item.length, item, price: 1 });
        records++;
      };
      for (let i = 0; i < 60_000; i++) {
        emit(`hot-${i % 2000}`);
        emit(`hot-${(i * 7) % 2000}`);
        emit(`cold-${i}`);
      }
      while (!combiner.drain());
      expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(records);
      expect(counts.get('hot-0')).toBe(60);
      expect(counts.get('cold-59999')).toBe(1);
      expect(sent).toBeGreaterThanOrEqual(62_000);
      expect(sent).toBeLessThan(records / 1.3);
    });
  }

  for (const index of [1, 2])
    it(`${['', 'in bytes', 'by strings'][index]}: sends them in between, large ones by themselves, and loses none`, () => {
      const operator = node('aggregate', {
        aggregate: { kind: 'built-in', emit: 'end', outputs: { n: { kind: 'count' }, sum: { kind: 'sum', field: 'price' } } },
      });
      const selector = { kind: 'fields', fields: ['item'] } as const;
      const combine = localCombineFor(operator, Sale, node('keyBy', { key: selector })) as LocalCombine;
      const edge = keyedEdge(Sale, selector, combine);
      const counts = new Map<string, number>();
      const sums = new Map<string, number>();
      let sent = 0;
      const emit = (partial: unknown): void => {
        const { item, [PARTIAL_COUNT]: count, [partialColumn(1)]: sum } = partial as Record<string, number> & { item: string };
        counts.set(item, (counts.get(item) ?? 0) + count);
        sums.set(item, (sums.get(item) ?? 0) + sum);
        sent++;
      };
      const out = {
        full: false,
        emit,
        emitRows: ({ memory, from, to }: Rows) => {
          for (let at = from; at < to; at += memory.u32[at / 4]) emit(edge.codec.decode(memory, at + 16));
        },
      };
      const site = { node: operator, context: contextOf(0, 1)(operator), where: () => undefined };
      const combiner = combinersOf(combine, edge)[index](out, site);
      const expected = new Map<string, number>();
      let records = 0;
      const record = (item: string): void => {
        combiner.emit({ shop: 1, item, price: 3 });
        expected.set(item, (expected.get(item) ?? 0) + 1);
        records++;
      };
      for (let i = 0; i < 40_000; i++) {
        for (let hot = 0; hot < 3; hot++) record(`hot-${(i * 7 + hot) % 500}`);
        record(`cold-${i}`);
        if (i % 10_000 === 0) record('x'.repeat(100_000));
      }
      while (!combiner.drain());
      expect(counts).toEqual(expected);
      for (const [item, count] of counts) expect(sums.get(item)).toBe(3 * count);
      expect(sent).toBeLessThan(records / 2);
    });

  it('by strings: gives way when there is no room, and goes on where it stopped', () => {
    const operator = node('aggregate', { aggregate: { kind: 'built-in', emit: 'end', outputs: { n: { kind: 'count' } } } });
    const selector = { kind: 'fields', fields: ['item'] } as const;
    const combine = localCombineFor(operator, Sale, node('keyBy', { key: selector })) as LocalCombine;
    const edge = keyedEdge(Sale, selector, combine);
    const items: string[] = [];
    const out = {
      full: false,
      emit: () => {},
      emitRows: ({ memory, from, to }: Rows) => {
        for (let at = from; at < to; at += memory.u32[at / 4])
          items.push((edge.codec.decode(memory, at + 16) as SaleRecord).item);
        out.full = true;
      },
    };
    const site = { node: operator, context: contextOf(0, 1)(operator), where: () => undefined };
    const combiner = combinersOf(combine, edge)[2](out, site);
    const wanted = Array.from({ length: 10_000 }, (_, i) => `item-${i}`);
    for (const item of wanted) combiner.emit({ shop: 0, item, price: 1 });
    let calls = 1;
    for (out.full = false; !combiner.drain(); calls++) out.full = false;
    expect(calls).toBeGreaterThan(2);
    expect(items.toSorted()).toEqual(wanted.toSorted());
    // It may be used again, and begins empty.
    items.length = 0;
    combiner.emit({ shop: 0, item: 'item-7', price: 1 });
    out.full = false;
    expect(combiner.drain()).toBe(true);
    expect(items).toEqual(['item-7']);
  });

  it('gives way when there is no room, and goes on where it stopped', () => {
    const operator = node('aggregate', { aggregate: { kind: 'built-in', emit: 'end', outputs: { n: { kind: 'count' } } } });
    const combine = localCombineFor(operator, Sale, node('keyBy', { key: { kind: 'fields', fields: ['item'] } }));
    const items: unknown[] = [];
    const out = {
      full: false,
      emit: (partial: unknown) => {
        items.push((partial as SaleRecord).item);
        out.full = items.length === 3;
      },
    };
    const site = { node: operator, context: contextOf(0, 1)(operator), where: () => undefined };
    const combiner = new LocalCombiner(combine as NonNullable<typeof combine>, out, site);
    for (const item of ['a', 'b', 'c', 'd', 'e']) combiner.emit({ shop: 0, item, price: 1 });
    expect(combiner.drain()).toBe(false);
    expect(items).toEqual(['a', 'b', 'c']);
    out.full = false;
    expect(combiner.drain()).toBe(true);
    expect(items).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});

/** JSON that tells -0 and NaN apart. */
function show(value: unknown): string {
  return JSON.stringify(value, (_key, part) =>
    typeof part === 'number' && (Object.is(part, -0) || Number.isNaN(part)) ? (Number.isNaN(part) ? 'NaN' : '-0') : part,
  );
}
