import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Schema } from '../../src/format/schema.ts';
import type { AggregateSpec, BuiltInAggregate } from '../../src/job/aggregate.ts';
import type { KeySelector } from '../../src/job/graph.ts';
import { keyedEdge, feed, finish, frameRows, node, openChain, type Timed } from './harness.ts';

const Visit: Schema = {
  type: 'record',
  fields: [
    { name: 'id', schema: { type: 'i32' } },
    { name: 'user', schema: { type: 'string' } },
    { name: 'ms', schema: { type: 'i32' } },
    { name: 'score', schema: { type: 'f64' } },
    { name: 'page', schema: { type: 'string' } },
  ],
};
interface VisitRecord {
  readonly id: number;
  readonly user: string;
  readonly ms: number;
  readonly score: number;
  readonly page: string;
}

const visit: fc.Arbitrary<VisitRecord> = fc.record({
  id: fc.integer({ min: -3, max: 3 }),
  user: fc.constantFrom('', 'a', 'user-1', 'user-2', 'größer', '\ud83d\ude00'),
  ms: fc.integer({ min: -1000, max: 1000 }),
  // Halves and eighths add up exactly, in any order.
  score: fc.integer({ min: -800, max: 800 }).map((n) => n / 8),
  page: fc.constantFrom('/', '/a', '/b', '/c/d'),
});
const pieces = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 });

const OUTPUTS: Readonly<Record<string, BuiltInAggregate>> = {
  n: { kind: 'count' },
  total: { kind: 'sum', field: 'ms' },
  least: { kind: 'min', field: 'score' },
  most: { kind: 'max', field: 'ms' },
  mean: { kind: 'avg', field: 'ms' },
  pages: { kind: 'distinct', field: 'page' },
  best: { kind: 'topN', field: 'score', n: 2 },
};

/** The same aggregates, computed the plain way. */
function reference(visits: readonly VisitRecord[]): Record<string, unknown> {
  const best: VisitRecord[] = [];
  for (const record of visits) {
    const at = best.findIndex(({ score }) => record.score > score);
    best.splice(at < 0 ? best.length : at, 0, record);
    best.length = Math.min(best.length, 2);
  }
  const total = visits.reduce((sum, { ms }) => sum + ms, 0);
  return {
    n: visits.length,
    total,
    least: Math.min(...visits.map(({ score }) => score)),
    most: Math.max(...visits.map(({ ms }) => ms)),
    mean: total / visits.length,
    pages: new Set(visits.map(({ page }) => page)).size,
    best,
  };
}

const SELECTORS: readonly {
  readonly name: string;
  readonly selector: KeySelector;
  readonly keyOf: (record: VisitRecord) => Record<string, unknown>;
}[] = [
  { name: 'an i32 field', selector: { kind: 'fields', fields: ['id'] }, keyOf: ({ id }) => ({ id }) },
  { name: 'an f64 field', selector: { kind: 'fields', fields: ['score'] }, keyOf: ({ score }) => ({ score }) },
  { name: 'a string field', selector: { kind: 'fields', fields: ['user'] }, keyOf: ({ user }) => ({ user }) },
  { name: 'two fields', selector: { kind: 'fields', fields: ['user', 'id'] }, keyOf: ({ user, id }) => ({ user, id }) },
  {
    name: 'a function',
    selector: { kind: 'function', select: (record: VisitRecord) => `${record.user}!` },
    keyOf: ({ user }) => ({ key: `${user}!` }),
  },
];

function groupOf(
  visits: readonly VisitRecord[],
  keyOf: (record: VisitRecord) => Record<string, unknown>,
): Map<string, VisitRecord[]> {
  const groups = new Map<string, VisitRecord[]>();
  for (const record of visits) {
    const key = JSON.stringify(keyOf(record));
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return groups;
}

const timed = (values: readonly unknown[]): Timed[] => values.map((value, i) => ({ value, timestampMs: i }));
const sorted = (values: readonly unknown[]): unknown[] =>
  [...values].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
const aggregate = (spec: AggregateSpec) => node('aggregate', { aggregate: spec });

describe('built-in aggregates', () => {
  for (const schema of [Visit, null]) {
    for (const { name, selector, keyOf } of SELECTORS) {
      it(`keyed by ${name}, ${schema === null ? 'without' : 'with'} a schema: results at the end are those of a plain loop`, () => {
        const edge = keyedEdge(schema, selector);
        fc.assert(
          fc.property(fc.array(visit, { maxLength: 400, size: 'max' }), pieces, (visits, sizes) => {
            const opened = openChain([aggregate({ kind: 'built-in', outputs: OUTPUTS, emit: 'end' })], { edge });
            const half = visits.length >>> 1;
            feed(opened, frameRows(edge, timed(visits.slice(0, half))), sizes);
            opened.mark();
            feed(opened, frameRows(edge, timed(visits.slice(half))), sizes);
            finish(opened, 1);
            const expected = [...groupOf(visits, keyOf)].map(([key, group]) => ({ ...JSON.parse(key), ...reference(group) }));
            expect(sorted(opened.out.values)).toEqual(sorted(expected));
            expect(opened.chain.counters()).toEqual([
              { uid: 'aggregate-uid', name: 'aggregate', recordsIn: visits.length, recordsOut: expected.length },
            ]);
          }),
          { numRuns: 15 },
        );
      });

      it(`keyed by ${name}, ${schema === null ? 'without' : 'with'} a schema: each record is answered with the result so far, however small the room downstream`, () => {
        const edge = keyedEdge(schema, selector);
        fc.assert(
          fc.property(fc.array(visit, { maxLength: 200, size: 'max' }), pieces, (visits, sizes) => {
            const opened = openChain([aggregate({ kind: 'built-in', outputs: OUTPUTS, emit: 'each' })], { edge });
            feed(opened, frameRows(edge, timed(visits)), sizes);
            finish(opened);
            const soFar = new Map<string, VisitRecord[]>();
            const expected = visits.map((record, timestampMs) => {
              const key = JSON.stringify(keyOf(record));
              soFar.set(key, [...(soFar.get(key) ?? []), record]);
              return { value: { ...JSON.parse(key), ...reference(soFar.get(key) as VisitRecord[]) }, timestampMs };
            });
            expect(opened.out.records).toEqual(expected);
          }),
          { numRuns: 15 },
        );
      });
    }
  }

  it('count past 2^32 and past what a float of 32 bits could', () => {
    const edge = keyedEdge(Visit, { kind: 'fields', fields: ['id'] });
    const opened = openChain([aggregate({ kind: 'built-in', outputs: { n: { kind: 'count' } }, emit: 'each' })], { edge });
    const row = frameRows(edge, timed([{ id: 1, user: '', ms: 0, score: 0, page: '' }]));
    feed(opened, row);
    const { map } = opened.states[0];
    map.memory.f64[map.valueAt(map.addresses()[0]) / 8] = 2 ** 33 + 1;
    feed(opened, row);
    expect(opened.out.values).toEqual([
      { id: 1, n: 1 },
      { id: 1, n: 2 ** 33 + 2 },
    ]);
  });

  it('min and max are NaN once a value was, wherever it came', () => {
    const edge = keyedEdge(Visit, { kind: 'fields', fields: ['id'] });
    const outputs: Record<string, BuiltInAggregate> = {
      least: { kind: 'min', field: 'score' },
      most: { kind: 'max', field: 'score' },
    };
    for (const scores of [
      [NaN, 1, 2],
      [1, NaN, 2],
      [1, 2, NaN],
    ]) {
      const opened = openChain([aggregate({ kind: 'built-in', outputs, emit: 'end' })], { edge });
      feed(opened, frameRows(edge, timed(scores.map((score) => ({ id: 1, user: '', ms: 0, score, page: '' })))));
      finish(opened);
      expect(opened.out.values).toEqual([{ id: 1, least: NaN, most: NaN }]);
    }
  });

  it('results of many keys leave in the order of key hashes, whatever the order of arrival', () => {
    const edge = keyedEdge(Visit, { kind: 'fields', fields: ['id'] });
    const visits = Array.from({ length: 3000 }, (_, id) => ({ id, user: '', ms: id, score: 0, page: '' }));
    const orders = [visits, visits.toReversed()].map((records) => {
      const opened = openChain([aggregate({ kind: 'built-in', outputs: { n: { kind: 'count' } }, emit: 'end' })], { edge });
      feed(opened, frameRows(edge, timed(records)));
      finish(opened, 7);
      return opened.out.values;
    });
    expect(orders[0].length).toBe(3000);
    expect(orders[1]).toEqual(orders[0]);
  });

  it('a field that is not a number fails with operator, subtask, place and record', () => {
    const edge = keyedEdge(null, { kind: 'fields', fields: ['id'] });
    const opened = openChain([aggregate({ kind: 'built-in', outputs: { total: { kind: 'sum', field: 'ms' } }, emit: 'end' })], {
      edge,
      subtask: 2,
      parallelism: 4,
      where: () => 'in.jsonl:17',
    });
    const error = catchError(() => feed(opened, frameRows(edge, timed([{ id: 1, ms: 'seven' }]))));
    expect(error).toMatchObject({
      code: 'ERR_OPERATOR_FAILED',
      facts: { uid: 'aggregate-uid', subtask: 2, parallelism: 4, source: 'in.jsonl:17', location: 'job.ts:7' },
    });
    expect(String(error)).toContain('seven');
  });
});

describe('aggregates of the user and reduce', () => {
  const longest = {
    create: () => ({ n: 0, names: [] as string[] }),
    add: (all: { n: number; names: string[] }, record: VisitRecord) => ({ n: all.n + 1, names: [...all.names, record.user] }),
    result: (all: { n: number; names: string[] }) => `${all.n}:${all.names.join(',')}`,
  };
  const withSchema = {
    ...longest,
    schema: {
      type: 'record',
      fields: [
        { name: 'n', schema: { type: 'i32' } },
        { name: 'names', schema: { type: 'list', of: { type: 'string' } } },
      ],
    } as Schema,
  };

  for (const schema of [Visit, null]) {
    for (const emit of ['each', 'end'] as const) {
      it(`fold as a plain loop does, ${schema === null ? 'without' : 'with'} a schema, emitting ${emit}`, () => {
        const edge = keyedEdge(schema, { kind: 'fields', fields: ['id'] });
        const spec: AggregateSpec = {
          kind: 'function',
          aggregate: schema === null ? longest : withSchema,
          emit,
          project: (key: number, result: string) => ({ key, result }),
        };
        fc.assert(
          fc.property(fc.array(visit, { maxLength: 100, size: 'max' }), pieces, (visits, sizes) => {
            const opened = openChain([aggregate(spec)], { edge });
            feed(opened, frameRows(edge, timed(visits)), sizes);
            finish(opened, 1);
            const all = new Map<number, { n: number; names: string[] }>();
            const each = visits.map((record) => {
              const next = longest.add(all.get(record.id) ?? longest.create(), record);
              all.set(record.id, next);
              return { key: record.id, result: longest.result(next) };
            });
            const end = [...all].map(([key, value]) => ({ key, result: longest.result(value) }));
            if (emit === 'each') expect(opened.out.values).toEqual(each);
            else expect(sorted(opened.out.values)).toEqual(sorted(end));
          }),
          { numRuns: 15 },
        );
      });

      it(`reduce as a plain loop does, ${schema === null ? 'without' : 'with'} a schema, emitting ${emit}, on objects and on views`, () => {
        const edge = keyedEdge(schema, { kind: 'fields', fields: ['user'] });
        const reduce = (a: VisitRecord, b: VisitRecord): VisitRecord => ({
          id: b.id,
          user: a.user,
          ms: a.ms + b.ms,
          score: Math.max(a.score, b.score),
          page: a.page,
        });
        fc.assert(
          fc.property(fc.array(visit, { maxLength: 100, size: 'max' }), pieces, fc.boolean(), (visits, sizes, objectReuse) => {
            const opened = openChain([node('aggregate', { aggregate: { kind: 'reduce', reduce, emit } }, { objectReuse })], {
              edge,
            });
            feed(opened, frameRows(edge, timed(visits)), sizes);
            finish(opened);
            const all = new Map<string, VisitRecord>();
            const each = visits.map((record) => {
              const before = all.get(record.user);
              const next = before === undefined ? record : reduce(before, record);
              all.set(record.user, next);
              return next;
            });
            const plain = opened.out.values.map((value) => JSON.parse(JSON.stringify(value)));
            if (emit === 'each') expect(plain).toEqual(each);
            else expect(sorted(plain)).toEqual(sorted([...all.values()]));
          }),
          { numRuns: 15 },
        );
      });
    }
  }

  it('an error of the function is wrapped, with the record and the original error', () => {
    const edge = keyedEdge(Visit, { kind: 'fields', fields: ['id'] });
    const cause = new RangeError('boom');
    const opened = openChain(
      [
        aggregate({
          kind: 'reduce',
          emit: 'end',
          reduce: () => {
            throw cause;
          },
        }),
      ],
      { edge },
    );
    const record = { id: 1, user: 'u', ms: 1, score: 1, page: 'p' };
    const error = catchError(() => feed(opened, frameRows(edge, timed([record, record]))));
    expect(error).toMatchObject({ code: 'ERR_OPERATOR_FAILED', cause, facts: { record: JSON.stringify(record) } });
  });
});

function catchError(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
