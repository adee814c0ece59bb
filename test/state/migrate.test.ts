import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyCodec } from '../../src/format/key-codec.ts';
import type { Schema } from '../../src/format/schema.ts';
import type { EntryCursor } from '../../src/format/sorted-table/cursor.ts';
import type { StateDescription } from '../../src/format/state-content.ts';
import type { ListState, MapState, ReducingState, StateSpec, ValueState } from '../../src/job/process.ts';
import * as t from '../../src/job/types.ts';
import { openDeltaReader } from '../../src/worker/state/delta-reader.ts';
import { CurrentKey } from '../../src/worker/state/handles/current-key.ts';
import { openState } from '../../src/worker/state/handles/open-state.ts';
import { createStateMap } from '../../src/worker/state/log-state-map.ts';
import { loadMigrated } from '../../src/worker/state/migrate.ts';
import type { StateMap } from '../../src/worker/state/state-map.ts';
import { contentOf } from '../operators/harness.ts';

/** A state of string keys, in its first epoch. */
class Bench<H> {
  readonly map: StateMap;
  readonly #handle: H;
  readonly #key = new CurrentKey();
  readonly #codec = createKeyCodec([{ type: 'string' }]);

  constructor(spec: StateSpec) {
    const opened = openState(spec, { uid: 'op', name: 'state', keyType: 'string' }, this.#key, ({ composite }) =>
      createStateMap({ limitBytes: 32 << 20, epoch: 1, composite, derivesHash: !composite, label: 'state' }),
    );
    this.#handle = opened.handle as H;
    this.map = opened.map;
  }

  key(key: string): H {
    this.#codec.encode(key, this.#key.ref);
    this.#key.moved();
    return this.#handle;
  }
}

/** All entries, as a checkpoint has them. */
function entriesOf(map: StateMap): EntryCursor {
  map.mark(2);
  const reader = openDeltaReader(map.handles());
  const addresses = reader.collectFull(1);
  let i = 0;
  return {
    next() {
      if (i === addresses.length) return null;
      const address = addresses[i++];
      return {
        hash: reader.hashAt(address),
        memory: reader.memory,
        keyAt: reader.keyAt(address),
        keyLength: reader.keyLength(address),
        valueAt: reader.valueAt(address),
        valueLength: reader.valueLength(address),
        tombstone: false,
      };
    },
  };
}

const Before = t.record({ n: t.i32, note: t.string });
const After = t.record({ n: t.f64, size: t.withDefault(t.i32, 7) });
type BeforeValue = { readonly n: number; readonly note: string };

const migrated = ({ n }: BeforeValue) => ({ n, size: 7 });

/** A state of kind `spec` with schema `After`, loaded from one with `Before`. */
function migrate<H>(before: Bench<unknown>, spec: (schema: Schema) => StateSpec): Bench<H> {
  return load(before, spec(Before.schema), spec(After.schema));
}

function load<H>(before: Bench<unknown>, from: StateSpec, to: StateSpec): Bench<H> {
  const after = new Bench<H>(to);
  loadMigrated(after.map, entriesOf(before.map), descriptionOf(from), descriptionOf(to), 'op');
  return after;
}

function descriptionOf(spec: StateSpec): StateDescription {
  const keySchema = spec.kind === 'map' ? spec.keySchema : null;
  return { name: 'state', kind: spec.kind, keyType: 'string', keySchema, schema: spec.schema };
}

const keys = ['', 'a', 'key-12345678', 'ü'];
const anyKey = fc.constantFrom(...keys);
const anyValue = fc.record({ n: fc.integer(), note: fc.string({ maxLength: 40 }) });

describe('migration of a state whose schema changed', () => {
  const valueSpec = (schema: Schema): StateSpec => ({ kind: 'value', schema, initial: undefined });
  const reducingSpec = (schema: Schema): StateSpec => ({ kind: 'reducing', schema, reduce: (a) => a });
  const listSpec = (schema: Schema): StateSpec => ({ kind: 'list', schema });
  const mapSpec = (schema: Schema): StateSpec => ({ kind: 'map', keySchema: { type: 'string' }, schema });

  it('value and reducing state: every value is as if it had been set under the new schema, byte for byte', () => {
    fc.assert(
      fc.property(fc.dictionary(anyKey, anyValue), (values) => {
        const [value, expectedValue] = [
          new Bench<ValueState<unknown>>(valueSpec(Before.schema)),
          new Bench<ValueState<unknown>>(valueSpec(After.schema)),
        ];
        const [reducing, expectedReducing] = [
          new Bench<ReducingState<unknown>>(reducingSpec(Before.schema)),
          new Bench<ReducingState<unknown>>(reducingSpec(After.schema)),
        ];
        for (const [key, one] of Object.entries(values)) {
          value.key(key).set(one);
          expectedValue.key(key).set(migrated(one));
          reducing.key(key).add(one);
          expectedReducing.key(key).add(migrated(one));
        }
        expect(contentOf(migrate(value, valueSpec).map)).toEqual(contentOf(expectedValue.map));
        expect(contentOf(migrate(reducing, reducingSpec).map)).toEqual(contentOf(expectedReducing.map));
      }),
      { numRuns: 50 },
    );
  });

  it('map state: entries are migrated, keys stay, and the map is as if it had been made under the new schema, byte for byte', () => {
    fc.assert(
      fc.property(fc.dictionary(anyKey, fc.dictionary(fc.string({ maxLength: 12 }), anyValue, { maxKeys: 30 })), (maps) => {
        const before = new Bench<MapState<string, unknown>>(mapSpec(Before.schema));
        const expected = new Bench<MapState<string, unknown>>(mapSpec(After.schema));
        for (const [key, entries] of Object.entries(maps)) {
          for (const [mapKey, one] of Object.entries(entries)) {
            before.key(key).set(mapKey, one);
            expected.key(key).set(mapKey, migrated(one));
          }
        }
        const after = migrate<MapState<string, unknown>>(before, mapSpec);
        expect(contentOf(after.map)).toEqual(contentOf(expected.map));
        for (const key of keys) {
          expect([...after.key(key).entries()]).toEqual([...expected.key(key).entries()]);
          for (const mapKey of Object.keys(maps[key] ?? {})) after.key(key).delete(mapKey);
          expect(after.key(key).size).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('map state whose keys widened too: the map and its directory are as if they had been made so, byte for byte', () => {
    const before = (keySchema: Schema): StateSpec => ({ kind: 'map', keySchema, schema: Before.schema });
    const after: StateSpec = { kind: 'map', keySchema: { type: 'optional', of: { type: 'f64' } }, schema: After.schema };
    fc.assert(
      fc.property(fc.dictionary(anyKey, fc.array(fc.tuple(fc.integer(), anyValue), { maxLength: 40 })), (maps) => {
        const former = new Bench<MapState<number, unknown>>(before({ type: 'i32' }));
        const expected = new Bench<MapState<number, unknown>>(after);
        for (const [key, entries] of Object.entries(maps)) {
          for (const [mapKey, one] of entries) {
            former.key(key).set(mapKey, one);
            expected.key(key).set(mapKey, migrated(one));
          }
        }
        const loaded = load<MapState<number, unknown>>(former, before({ type: 'i32' }), after);
        expect(contentOf(loaded.map)).toEqual(contentOf(expected.map));
        for (const key of keys) expect([...loaded.key(key).entries()]).toEqual([...expected.key(key).entries()]);
      }),
      { numRuns: 50 },
    );
  });

  it('list state: elements keep their order, and the chunks are as if they had been added under the new schema, byte for byte', () => {
    fc.assert(
      fc.property(fc.dictionary(anyKey, fc.array(anyValue, { maxLength: 60 })), (lists) => {
        const before = new Bench<ListState<unknown>>(listSpec(Before.schema));
        const expected = new Bench<ListState<unknown>>(listSpec(After.schema));
        for (const [key, elements] of Object.entries(lists)) {
          before.key(key).addAll(elements);
          expected.key(key).addAll(elements.map(migrated));
        }
        const after = migrate<ListState<unknown>>(before, listSpec);
        expect(contentOf(after.map)).toEqual(contentOf(expected.map));
        for (const key of keys) expect(after.key(key).get()).toEqual((lists[key] ?? []).map(migrated));
      }),
      { numRuns: 50 },
    );
  });

  it('list state: also where there are so many chunks that they are not in the order of their numbers', () => {
    const before = new Bench<ListState<unknown>>(listSpec(Before.schema));
    const elements = Array.from({ length: 20_000 }, (_, n) => ({ n, note: `note ${n}` }));
    before.key('a').addAll(elements);
    before.key('b').add(elements[7]);
    expect(before.map.size).toBeGreaterThan(600);
    const after = migrate<ListState<unknown>>(before, listSpec);
    expect(after.key('a').get()).toEqual(elements.map(migrated));
    after.key('b').add({ n: 1, size: 2 });
    expect(after.key('b').get()).toEqual([migrated(elements[7]), { n: 1, size: 2 }]);
  });
});
