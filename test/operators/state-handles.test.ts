import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyCodec } from '../../src/format/key-codec.ts';
import type { Schema } from '../../src/format/schema.ts';
import type { AggregatingState, ListState, MapState, ReducingState, StateSpec, ValueState } from '../../src/job/process.ts';
import { CurrentKey } from '../../src/worker/state/handles/current-key.ts';
import { openState } from '../../src/worker/state/handles/open-state.ts';
import { createStateMap } from '../../src/worker/state/log-state-map.ts';
import type { StateMap } from '../../src/worker/state/state-map.ts';
import { contentOf } from './harness.ts';

/** A state with a current key that is set by hand, and barriers. */
class StateBench<H> {
  readonly handle: H;
  readonly map: StateMap;
  readonly isHead: ((map: StateMap, address: number) => boolean) | null;
  readonly #key = new CurrentKey();
  readonly #codec = createKeyCodec([{ type: 'string' }]);
  #epoch = 1;

  constructor(spec: StateSpec) {
    const opened = openState(spec, { uid: 'op', name: 'state', keyType: 'string' }, this.#key, ({ composite }) =>
      createStateMap({ limitBytes: 32 << 20, epoch: 1, composite, derivesHash: !composite, label: 'state' }),
    );
    this.handle = opened.handle as H;
    this.map = opened.map;
    this.isHead = opened.isHead;
  }

  key(key: string): H {
    this.#codec.encode(key, this.#key.ref);
    this.#key.moved();
    return this.handle;
  }

  mark(): void {
    this.map.mark(this.#epoch + 1);
    if (this.#epoch > 1) this.map.complete(this.#epoch - 1);
    this.map.clean(1);
    this.#epoch++;
  }

  heads(): number {
    const { map, isHead } = this;
    return [...map.addresses()].filter((address) => isHead === null || isHead(map, address)).length;
  }
}

const KEYS = ['', 'a', 'b', 'key-12345678', 'ü', '\ud800'];
const anyKey = fc.constantFrom(...KEYS);
const record: Schema = {
  type: 'record',
  fields: [
    { name: 'n', schema: { type: 'i32' } },
    { name: 's', schema: { type: 'string' } },
  ],
};

describe('value state', () => {
  const kinds: readonly {
    readonly name: string;
    readonly schema: Schema | null;
    readonly values: fc.Arbitrary<unknown>;
    readonly initial: unknown;
  }[] = [
    { name: 'f64', schema: { type: 'f64' }, values: fc.oneof(fc.double(), fc.constant(-0)), initial: 0.5 },
    { name: 'int', schema: { type: 'int' }, values: fc.maxSafeInteger(), initial: 0 },
    { name: 'timestamp', schema: { type: 'timestamp' }, values: fc.integer({ min: 0, max: 8.64e15 }), initial: undefined },
    { name: 'i32', schema: { type: 'i32' }, values: fc.integer(), initial: -1 },
    { name: 'boolean', schema: { type: 'boolean' }, values: fc.boolean(), initial: false },
    { name: 'string', schema: { type: 'string' }, values: fc.string({ unit: 'binary', maxLength: 60 }), initial: 'x' },
    { name: 'record', schema: record, values: fc.record({ n: fc.integer(), s: fc.string() }), initial: { n: 1, s: '' } },
    {
      name: 'any',
      schema: null,
      values: fc.oneof(fc.integer(), fc.string(), fc.array(fc.integer()), fc.bigInt()),
      initial: undefined,
    },
  ];

  for (const { name, schema, values, initial } of kinds) {
    it(`of ${name}: behaves as a plain map over random operations with barriers`, () => {
      const operation = fc.oneof(
        fc.record({ op: fc.constant('set' as const), key: anyKey, value: values }),
        fc.record({ op: fc.constant('update' as const), key: anyKey, value: values }),
        fc.record({ op: fc.constant('clear' as const), key: anyKey }),
        fc.record({ op: fc.constant('mark' as const) }),
      );
      fc.assert(
        fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
          const bench = new StateBench<ValueState<unknown>>({ kind: 'value', schema, initial });
          const model = new Map<string, unknown>();
          for (const step of operations) {
            if (step.op === 'mark') {
              bench.mark();
              continue;
            }
            const state = bench.key(step.key);
            expect(state.exists).toBe(model.has(step.key));
            if (step.op === 'set') {
              state.set(step.value);
              model.set(step.key, step.value);
            } else if (step.op === 'update') {
              const before = model.has(step.key) ? model.get(step.key) : initial;
              const after = state.update((value) => {
                expect(value).toEqual(before);
                return step.value;
              });
              expect(after).toEqual(step.value);
              model.set(step.key, step.value);
            } else {
              state.clear();
              model.delete(step.key);
            }
            for (const key of KEYS) expect(bench.key(key).get()).toEqual(model.has(key) ? model.get(key) : initial);
          }
          expect(bench.heads()).toBe(model.size);
        }),
        { numRuns: 60 },
      );
    });
  }

  it('refuses a value that does not match the schema and keeps the old one', () => {
    for (const [schema, good, bad] of [
      [{ type: 'f64' }, 1, '1'],
      [{ type: 'int' }, 1, 1.5],
      [{ type: 'i32' }, 1, 2 ** 31],
      [{ type: 'boolean' }, true, 1],
      [record, { n: 1, s: 'a' }, { n: 1, s: 2 }],
    ] as const) {
      const bench = new StateBench<ValueState<unknown>>({ kind: 'value', schema: schema as Schema, initial: undefined });
      bench.key('a').set(good);
      expect(() => bench.handle.set(bad)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG' }));
      expect(() => bench.handle.update(() => bad)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG' }));
      expect(bench.handle.get()).toEqual(good);
      bench.key('b');
      expect(() => bench.handle.set(bad)).toThrow();
      expect(bench.handle.exists).toBe(false);
    }
  });

  it('refuses an initial value that does not match the schema when it is opened', () => {
    expect(() => new StateBench({ kind: 'value', schema: { type: 'i32' }, initial: 0.5 })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG' }),
    );
  });

  it('gives every key an initial value of its own', () => {
    const bench = new StateBench<ValueState<number[]>>({ kind: 'value', schema: null, initial: [] });
    bench.key('a').get().push(1);
    expect(bench.key('b').get()).toEqual([]);
  });

  it('stores all NaN alike', () => {
    const bench = new StateBench<ValueState<number>>({ kind: 'value', schema: { type: 'f64' }, initial: 0 });
    bench.key('a').set(NaN);
    const [address] = bench.map.addresses();
    expect(bench.map.memory.buf.readBigUInt64LE(bench.map.valueAt(address))).toBe(0x7ff8000000000000n);
  });
});

describe('state map', () => {
  it('isMutable says when upsert would find the entry in place', () => {
    const step = fc.record({
      op: fc.constantFrom('upsert' as const, 'mark' as const),
      key: anyKey,
      length: fc.constantFrom(0, 8, 16),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const codec = createKeyCodec([{ type: 'string' }]);
        const { ref } = new CurrentKey();
        const map = createStateMap({ limitBytes: 1 << 20, epoch: 1, label: 'state' });
        let epoch = 1;
        for (const { op, key, length } of steps) {
          if (op === 'mark') {
            map.mark(++epoch);
            continue;
          }
          codec.encode(key, ref);
          const found = map.find(ref.hash, ref.memory, ref.at, ref.length);
          const mutable = found !== 0 && map.isMutable(found, length);
          expect(map.upsert(ref.hash, ref.memory, ref.at, ref.length, length) === found).toBe(mutable);
        }
      }),
    );
  });
});

describe('list state', () => {
  const lists: readonly { readonly name: string; readonly schema: Schema | null; readonly elements: fc.Arbitrary<unknown> }[] = [
    { name: 'i32', schema: { type: 'i32' }, elements: fc.integer() },
    {
      name: 'string',
      schema: { type: 'string' },
      elements: fc.oneof(fc.string(), fc.string({ minLength: 100, maxLength: 3000 })),
    },
    { name: 'any', schema: null, elements: fc.anything({ maxDepth: 1, withNullPrototype: false }) },
  ];

  for (const { name, schema, elements } of lists) {
    it(`of ${name}: behaves as an array over random operations with barriers`, () => {
      const operation = fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({
            op: fc.constant('addAll' as const),
            key: anyKey,
            values: fc.array(elements, { maxLength: 40 }),
          }),
        },
        fc.record({ op: fc.constant('set' as const), key: anyKey, values: fc.array(elements, { maxLength: 10 }) }),
        fc.record({ op: fc.constant('clear' as const), key: anyKey }),
        fc.record({ op: fc.constant('mark' as const) }),
      );
      fc.assert(
        fc.property(fc.array(operation, { maxLength: 20 }), (operations) => {
          const bench = new StateBench<ListState<unknown>>({ kind: 'list', schema });
          const model = new Map<string, unknown[]>();
          for (const step of operations) {
            if (step.op === 'mark') {
              bench.mark();
              continue;
            }
            const list = bench.key(step.key);
            if (step.op === 'addAll') {
              list.addAll(step.values);
              model.set(step.key, [...(model.get(step.key) ?? []), ...step.values]);
            } else if (step.op === 'set') {
              list.set(step.values);
              model.set(step.key, step.values);
            } else {
              list.clear();
              model.delete(step.key);
            }
            for (const key of KEYS) {
              expect(bench.key(key).get()).toEqual(model.get(key) ?? []);
              expect(bench.handle.length).toBe(model.get(key)?.length ?? 0);
            }
          }
          expect(bench.heads()).toBe([...model.values()].filter((elementsOfKey) => elementsOfKey.length > 0).length);
        }),
        { numRuns: 60 },
      );
    });
  }

  it('is stored alike however it came to be', () => {
    const whole = new StateBench<ListState<string>>({ kind: 'list', schema: { type: 'string' } });
    const grown = new StateBench<ListState<string>>({ kind: 'list', schema: { type: 'string' } });
    const elements = Array.from({ length: 500 }, (_, i) => 'x'.repeat(i % 90));
    whole.key('a').set(elements);
    grown.key('a').addAll(['gone', 'gone too']);
    grown.mark();
    grown.key('a').clear();
    for (const [i, element] of elements.entries()) {
      if (i % 7 === 0) grown.mark();
      grown.key('a').add(element);
    }
    expect(contentOf(grown.map)).toEqual(contentOf(whole.map));
  });

  it('appends to long lists at the cost of short ones: entries stay small and few are touched', () => {
    const bench = new StateBench<ListState<number>>({ kind: 'list', schema: { type: 'f64' } });
    bench.key('a').addAll(Array.from({ length: 50_000 }, (_, i) => i));
    for (const address of bench.map.addresses()) expect(bench.map.valueLength(address)).toBeLessThanOrEqual(1024);
    expect(bench.handle.length).toBe(50_000);
    expect(bench.handle.get()[49_999]).toBe(49_999);
  });
});

describe('map state', () => {
  const maps: readonly {
    readonly name: string;
    readonly spec: Extract<StateSpec, { kind: 'map' }>;
    readonly keys: fc.Arbitrary<unknown>;
    readonly values: fc.Arbitrary<unknown>;
  }[] = [
    {
      name: 'i32 to f64',
      spec: { kind: 'map', keySchema: { type: 'i32' }, schema: { type: 'f64' } },
      keys: fc.integer({ min: 0, max: 40 }),
      values: fc.double(),
    },
    {
      name: 'string to record',
      spec: { kind: 'map', keySchema: { type: 'string' }, schema: record },
      keys: fc.string({ maxLength: 3 }),
      values: fc.record({ n: fc.integer(), s: fc.string() }),
    },
    {
      name: 'anything to anything',
      spec: { kind: 'map', keySchema: null, schema: null },
      keys: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.string({ maxLength: 1 }), fc.bigInt(0n, 9n)),
      values: fc.oneof(fc.string(), fc.bigInt()),
    },
  ];

  for (const { name, spec, keys, values } of maps) {
    it(`of ${name}: behaves as a Map over random operations with barriers`, () => {
      const operation = fc.oneof(
        { weight: 6, arbitrary: fc.record({ op: fc.constant('set' as const), key: anyKey, mapKey: keys, value: values }) },
        { weight: 4, arbitrary: fc.record({ op: fc.constant('delete' as const), key: anyKey, mapKey: keys }) },
        fc.record({ op: fc.constant('clear' as const), key: anyKey }),
        fc.record({ op: fc.constant('mark' as const) }),
      );
      fc.assert(
        fc.property(fc.array(operation, { maxLength: 150, size: 'max' }), (operations) => {
          const bench = new StateBench<MapState<unknown, unknown>>(spec);
          const model = new Map<string, Map<unknown, unknown>>(KEYS.map((key) => [key, new Map()]));
          for (const step of operations) {
            if (step.op === 'mark') {
              bench.mark();
              continue;
            }
            const state = bench.key(step.key);
            const expected = model.get(step.key) as Map<unknown, unknown>;
            if (step.op === 'set') {
              state.set(step.mapKey, step.value);
              expected.set(step.mapKey, step.value);
            } else if (step.op === 'delete') {
              expect(state.delete(step.mapKey)).toBe(expected.delete(step.mapKey));
            } else {
              state.clear();
              expected.clear();
            }
            expect(state.size).toBe(expected.size);
          }
          for (const [key, expected] of model) {
            const state = bench.key(key);
            expect(new Map(state.entries())).toEqual(expected);
            expect([...state.keys()].length).toBe(expected.size);
            expect(new Set(state.values())).toEqual(new Set(expected.values()));
            for (const [mapKey, value] of expected) {
              expect(state.has(mapKey)).toBe(true);
              expect(state.get(mapKey)).toEqual(value);
            }
          }
          expect(bench.heads()).toBe([...model.values()].filter((entries) => entries.size > 0).length);
        }),
        { numRuns: 60 },
      );
    });
  }

  it('is stored and iterated alike whatever the order in which keys came and went', () => {
    const spec: StateSpec = { kind: 'map', keySchema: { type: 'string' }, schema: { type: 'i32' } };
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ maxLength: 4 }), { maxLength: 120, size: 'max' }),
        fc.integer({ min: 0, max: 60 }),
        fc.infiniteStream(fc.nat(1000)),
        (names, extra, random) => {
          const straight = new StateBench<MapState<string, number>>(spec);
          for (const [i, name] of names.entries()) straight.key('k').set(name, i);
          const crooked = new StateBench<MapState<string, number>>(spec);
          const shuffled = names
            .map((name, i) => ({ name, i, order: random.next().value as number }))
            .sort((a, b) => a.order - b.order);
          for (let i = 0; i < extra; i++) crooked.key('k').set(`extra-${i}`, 0);
          for (const { name } of shuffled) crooked.key('k').set(name, -1);
          crooked.mark();
          for (let i = 0; i < extra; i++) crooked.key('k').delete(`extra-${i}`);
          for (const { name, i } of shuffled) crooked.key('k').set(name, i);
          expect([...crooked.key('k').entries()]).toEqual([...straight.key('k').entries()]);
          expect(contentOf(crooked.map)).toEqual(contentOf(straight.map));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('holds tens of thousands of entries per key, lists them without looking at other keys, and empties again', () => {
    const bench = new StateBench<MapState<number, number>>({ kind: 'map', keySchema: { type: 'i32' }, schema: { type: 'i32' } });
    for (let i = 0; i < 30_000; i++) {
      bench.key('large').set(i, -i);
      if (i % 100 === 0) bench.key('small').set(i, i);
    }
    expect(bench.key('large').size).toBe(30_000);
    expect([...bench.key('small').keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i * 100));
    bench.mark();
    bench.key('large');
    let deleted = 0;
    for (let i = 0; i < 30_000; i++) if (bench.handle.delete(i)) deleted++;
    expect(deleted).toBe(30_000);
    expect(bench.handle.size).toBe(0);
    bench.key('small').clear();
    expect(bench.map.size).toBe(0);
  });

  it('may be iterated within an iteration, and after one that was left early', () => {
    const bench = new StateBench<MapState<string, number>>({
      kind: 'map',
      keySchema: { type: 'string' },
      schema: { type: 'i32' },
    });
    const state = bench.key('a');
    // More than are looked up ahead together, and than are sorted by insertion.
    const names = Array.from({ length: 150 }, (_, i) => `name-${i}`);
    for (const [i, name] of names.entries()) state.set(name, i);
    for (const _ of state.entries()) break;
    const outer: string[] = [];
    const content = new Map(state.entries());
    for (const [name] of state.entries()) {
      outer.push(name);
      if (outer.length % 50 !== 0) continue;
      // Not at its end, so that the inner list is not the outer one with something after it.
      content.set(`a-${outer.length}`, 0);
      state.set(`a-${outer.length}`, 0);
      expect(new Map(state.entries())).toEqual(content);
    }
    expect(outer.toSorted()).toEqual(names.toSorted());
    state.clear();
    expect([...state.entries()]).toEqual([]);
  });

  it('may be changed while it is iterated, and refuses to be iterated on after its record', () => {
    const bench = new StateBench<MapState<string, number>>({
      kind: 'map',
      keySchema: { type: 'string' },
      schema: { type: 'i32' },
    });
    const state = bench.key('a');
    for (const name of ['x', 'y', 'z']) state.set(name, 1);
    const seen: string[] = [];
    for (const [name] of state.entries()) {
      seen.push(name);
      state.delete('y');
      state.set(`${name}-new`, 2);
    }
    expect(seen).toEqual(['x', 'z']);
    const iterator = state.entries();
    iterator.next();
    bench.key('b');
    expect(() => iterator.next()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG' }));
  });
});

describe('reducing and aggregating state', () => {
  it('fold values into what is there', () => {
    const reducing = new StateBench<ReducingState<number>>({
      kind: 'reducing',
      schema: { type: 'f64' },
      reduce: (a: number, b: number) => a + b,
    });
    const aggregating = new StateBench<AggregatingState<number, number>>({
      kind: 'aggregating',
      schema: { type: 'list', of: { type: 'f64' } },
      aggregate: {
        create: (): number[] => [],
        add: (all: number[], n: number) => [...all, n],
        result: (all: number[]) => all.length,
      },
    });
    expect(reducing.key('a').get()).toBeUndefined();
    expect(aggregating.key('a').get()).toBeUndefined();
    for (const [i, key] of ['a', 'b', 'a', 'a'].entries()) {
      reducing.key(key).add(i);
      aggregating.key(key).add(i);
      reducing.mark();
      aggregating.mark();
    }
    expect(reducing.key('a').get()).toBe(5);
    expect(aggregating.key('a').get()).toBe(3);
    reducing.key('a').clear();
    aggregating.key('a').clear();
    expect(reducing.key('a').get()).toBeUndefined();
    expect(aggregating.key('a').get()).toBeUndefined();
    expect(reducing.key('b').get()).toBe(1);
  });
});
