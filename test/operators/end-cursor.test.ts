import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashRangeOf, keyGroupRange } from '../../src/format/key-groups.ts';
import type { Schema } from '../../src/format/schema.ts';
import type { GraphNode } from '../../src/job/graph.ts';
import type { OperatorSnapshot } from '../../src/worker/operator.ts';
import { feed, frameRows, keyedEdge, node, type OpenedChain, openChain } from './harness.ts';

const Item: Schema = { type: 'record', fields: [{ name: 'key', schema: { type: 'string' } }] };
const edge = keyedEdge(Item, { kind: 'fields', fields: ['key'] });
const MAX_PARALLELISM = 13;

const count = node('aggregate', { aggregate: { kind: 'built-in', outputs: { n: { kind: 'count' } }, emit: 'end' } });
const collect = node('process', {
  keyed: true,
  process: {
    state: {
      seen: { kind: 'map', keySchema: { type: 'i32' }, schema: { type: 'i32' } },
      order: { kind: 'list', schema: { type: 'i32' } },
      total: { kind: 'value', schema: { type: 'f64' }, initial: 0 },
    },
    onOpen: undefined,
    onRecord: (
      _value: never,
      {
        state,
      }: {
        state: {
          seen: Map<number, number>;
          order: { add(n: number): void };
          total: { update(f: (n: number) => number): number };
        };
      },
    ) => {
      const n = state.total.update((before) => before + 1);
      // Keys end up with state in one, two or all three.
      if (n % 2 === 0) state.seen.set(n, n);
      if (n % 3 === 0) state.order.add(n);
    },
    onEnd: (context: { key: string; state: { total: { get(): number; clear(): void } }; emit(value: unknown): void }) => {
      context.emit({ key: context.key, n: context.state.total.get() });
      context.state.total.clear();
    },
    operatorState: {},
  } as never,
});

function rangeOf(subtask: number, parallelism: number) {
  return hashRangeOf(keyGroupRange(subtask, MAX_PARALLELISM, parallelism), MAX_PARALLELISM);
}

/** What `main/restore-plan.ts` does with states whose names begin with `$`: every subtask gets all of them. */
function unionOf(chains: readonly OpenedChain[]): Record<string, OperatorSnapshot> {
  const all = chains.flatMap(({ chain }) => chain.snapshot(1)[chain.counters()[0].uid]?.['$end'] ?? []);
  return all.length === 0 ? {} : { 'aggregate-uid': { $end: all }, 'process-uid': { $end: all } };
}

describe('results at the end', () => {
  for (const operator of [count, collect] as readonly GraphNode[]) {
    it(`of ${operator.kind}: leave once for each key, though restored at other parallelisms in the middle`, () => {
      const emissions = fc.array(
        fc.record({
          parallelism: fc.integer({ min: 1, max: 6 }),
          results: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 6, maxLength: 6 }),
        }),
        { maxLength: 4 },
      );
      fc.assert(
        fc.property(
          fc.uniqueArray(fc.string({ maxLength: 3 }), { maxLength: 60 }),
          emissions,
          fc.integer({ min: 1, max: 6 }),
          (keys, attempts, last) => {
            const first = openChain([operator], { edge });
            feed(
              first,
              frameRows(
                edge,
                keys.map((key) => ({ value: { key }, timestampMs: 0 })),
              ),
            );
            let chains = [first];
            const emitted: unknown[] = [];
            for (const { parallelism, results } of [
              ...attempts,
              { parallelism: last, results: Array.from({ length: 6 }, () => Infinity) },
            ]) {
              const restored = unionOf(chains);
              chains = Array.from({ length: parallelism }, (_, subtask) =>
                openChain([operator], {
                  edge,
                  range: rangeOf(subtask, parallelism),
                  restored,
                  from: chains,
                  subtask,
                  parallelism,
                }),
              );
              for (const [subtask, { chain, out }] of chains.entries()) {
                out.room = results[subtask];
                const all = chain.end(Infinity);
                if (results[subtask] === Infinity) expect(all).toBe(true);
                emitted.push(...out.values);
              }
            }
            expect(emitted.map((value) => (value as { key: string }).key).sort()).toEqual([...keys].sort());
            expect(emitted.every((value) => (value as { n: number }).n === 1)).toBe(true);
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it('stop at the deadline and go on in the next turn', () => {
    const opened = openChain([count], { edge });
    feed(
      opened,
      frameRows(
        edge,
        ['a', 'b', 'c'].map((key) => ({ value: { key }, timestampMs: 0 })),
      ),
    );
    expect(opened.chain.end(0)).toBe(false);
    expect(opened.out.values).toEqual([]);
    expect(opened.chain.end(Infinity)).toBe(true);
    expect(opened.out.values.length).toBe(3);
  });

  it('leave again for all keys when more records come after a restored end', () => {
    const opened = openChain([count], { edge });
    feed(
      opened,
      frameRows(
        edge,
        ['a', 'b'].map((key) => ({ value: { key }, timestampMs: 0 })),
      ),
    );
    expect(opened.chain.end(Infinity)).toBe(true);
    const again = openChain([count], { edge, restored: unionOf([opened]), from: [opened] });
    feed(again, frameRows(edge, [{ value: { key: 'a' }, timestampMs: 0 }]));
    expect(again.chain.end(Infinity)).toBe(true);
    expect(new Set(again.out.values.map((value) => JSON.stringify(value)))).toEqual(
      new Set(['{"key":"a","n":2}', '{"key":"b","n":1}']),
    );
  });
});
