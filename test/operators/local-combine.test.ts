import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Schema } from '../../src/format/schema.ts';
import type { AggregateSpec } from '../../src/job/aggregate.ts';
import type { KeySelector } from '../../src/job/graph.ts';
import { LocalCombiner } from '../../src/worker/operators/local-combiner.ts';
import { localCombineFor } from '../../src/worker/operators/local-combine.ts';
import { contentOf, contextOf, feed, finish, frameRows, keyedEdge, node, openChain, type Timed } from './harness.ts';

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
  { name: 'two fields', selector: { kind: 'fields', fields: ['item', 'shop'] } },
  {
    name: 'a function',
    selector: { kind: 'function', select: ({ item, shop }: SaleRecord) => (item === 'b' ? { item } : `${item}${shop}`) },
  },
];

const timed = (values: readonly unknown[]): Timed[] => values.map((value) => ({ value, timestampMs: 0 }));

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
          fc.assert(
            fc.property(fc.array(fc.array(sale, { maxLength: 60, size: 'max' }), { maxLength: 6 }), (turns) => {
              const direct = openChain([operator], { edge });
              feed(direct, frameRows(edge, timed(turns.flat())));
              const merged = openChain([operator], { edge: partialEdge });
              for (const records of turns) {
                // Partial results are framed as they leave: the combiner may reuse the object.
                const rows: ReturnType<typeof frameRows>[] = [];
                const sink = {
                  full: false,
                  emit: (value: unknown) => void rows.push(frameRows(partialEdge, [{ value, timestampMs: -Infinity }])),
                };
                const combiner = new LocalCombiner(combine, sink, {
                  node: operator,
                  context: contextOf(0, 1)(operator),
                  where: () => undefined,
                });
                for (const record of records) combiner.emit(record);
                combiner.flush();
                for (const row of rows) feed(merged, row);
                expect(rows.length).toBeLessThanOrEqual(records.length);
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
    expect(sent).toBe(20_000);
    const repeated = { shop: 0, item: 'a', price: 1 };
    for (let i = 0; i < 1_000_000; i++) combiner.emit(repeated);
    expect(sent).toBe(1_020_000);
    for (let i = 0; i < 50_000; i++) combiner.emit(repeated);
    combiner.flush();
    expect(sent).toBeLessThan(1_020_010);
  });
});

/** JSON that tells -0 and NaN apart. */
function show(value: unknown): string {
  return JSON.stringify(value, (_key, part) =>
    typeof part === 'number' && (Object.is(part, -0) || Number.isNaN(part)) ? (Number.isNaN(part) ? 'NaN' : '-0') : part,
  );
}
