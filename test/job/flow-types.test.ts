/**
 * Types through whole chains, without an annotation. The checks are made by `npm run types`; at run time the chains are
 * only built.
 */
import { describe, expectTypeOf, it } from 'vitest';
import {
  type Aggregate,
  aggregating,
  collect,
  collection,
  count,
  deadLetter,
  discard,
  distinct,
  files,
  forEach,
  gen,
  generate,
  job,
  type JobFactory,
  type JobGraph,
  type KeyedStream,
  list,
  map,
  max,
  operatorList,
  print,
  reducing,
  type Stream,
  sum,
  t,
  topN,
  value,
} from '../../src/index.ts';

const Visit = t.record({ user: t.string, url: t.string, ms: t.i32, at: t.timestamp, referrer: t.optional(t.string) });
type Visit = t.infer<typeof Visit>;
const Total = t.record({ user: t.string, total: t.f64 });

describe('types of schemas', () => {
  it('a record with optional fields, lists, enums and records', () => {
    expectTypeOf<Visit>().toEqualTypeOf<{ user: string; url: string; ms: number; at: number; referrer?: string | undefined }>();
    const PAGES = ['home', 'item'] as const;
    const Nested = t.record({
      page: t.enum(PAGES),
      side: t.enum('buy', 'sell'),
      visits: t.list(Visit),
      big: t.bigint,
      raw: t.bytes,
      ok: t.boolean,
      n: t.withDefault(t.int, 0),
    });
    expectTypeOf<t.infer<typeof Nested>>().toEqualTypeOf<{
      page: 'home' | 'item';
      side: 'buy' | 'sell';
      visits: Visit[];
      big: bigint;
      raw: Uint8Array;
      ok: boolean;
      n: number;
    }>();
    const anything = t.any<Map<string, Date>>();
    expectTypeOf<t.infer<typeof anything>>().toEqualTypeOf<Map<string, Date>>();
  });
});

describe('types of chains', () => {
  it('the chain of the README compiles and is typed', () => {
    const graph = job('time-on-site', (flow) =>
      flow
        .from(files.jsonl('visits/*.jsonl', Visit))
        .filter((v) => v.ms > 0)
        .keyBy('user')
        .process({
          state: { total: value(t.f64, 0) },
          onRecord(v, { state, emit, key }) {
            expectTypeOf(v).toEqualTypeOf<Visit>();
            expectTypeOf(key).toEqualTypeOf<string>();
            expectTypeOf(state.total.get()).toEqualTypeOf<number>();
            emit({ user: v.user, total: state.total.update((n) => n + v.ms) });
          },
        })
        .to(files.jsonl('out')),
    );
    expectTypeOf(graph).toEqualTypeOf<JobGraph>();
  });

  it('every operator', () => {
    const factory = job('types', (flow, [input = 'x']) => {
      expectTypeOf(input).toEqualTypeOf<string>();
      const visits = flow.from(files.jsonl(input, Visit));
      expectTypeOf(visits).toEqualTypeOf<Stream<Visit>>();
      expectTypeOf(visits.uid('a').name('b').parallelism(2)).toEqualTypeOf<Stream<Visit>>();
      expectTypeOf(visits.map((v) => v.ms / 2)).toEqualTypeOf<Stream<number>>();
      expectTypeOf(visits.map(({ user, ms }) => ({ user, total: ms }), { schema: Total })).toEqualTypeOf<
        Stream<{ user: string; total: number }>
      >();
      expectTypeOf(visits.flatMap((v) => v.url.split('/'))).toEqualTypeOf<Stream<string>>();
      expectTypeOf(visits.flatMap((v) => (v.ms > 1 ? [v.user] : undefined), { schema: t.string })).toEqualTypeOf<
        Stream<string>
      >();
      expectTypeOf(visits.rebalance().union(visits)).toEqualTypeOf<Stream<Visit>>();
      expectTypeOf(visits.filter((v): v is Visit & { referrer: string } => v.referrer !== undefined)).toEqualTypeOf<
        Stream<Visit & { referrer: string }>
      >();
      expectTypeOf(visits.map((v): unknown => v).returns(Visit)).toEqualTypeOf<Stream<Visit>>();

      expectTypeOf(visits.keyBy('user')).toEqualTypeOf<KeyedStream<Visit, string, { user: string }>>();
      expectTypeOf(visits.keyBy(['user', 'ms'])).toEqualTypeOf<
        KeyedStream<Visit, [string, number], { user: string; ms: number }>
      >();
      expectTypeOf(visits.keyBy(['user'])).toEqualTypeOf<KeyedStream<Visit, string, { user: string }>>();
      expectTypeOf(visits.keyBy((v) => v.ms % 2 === 0)).toEqualTypeOf<KeyedStream<Visit, boolean, { key: boolean }>>();

      expectTypeOf(visits.keyBy('user').count()).toEqualTypeOf<Stream<{ user: string; count: number }>>();
      expectTypeOf(visits.keyBy((v) => v.ms).count()).toEqualTypeOf<Stream<{ key: number; count: number }>>();
      expectTypeOf(visits.keyBy('user').reduce((a, b) => (a.ms > b.ms ? a : b))).toEqualTypeOf<Stream<Visit>>();
      expectTypeOf(
        visits
          .keyBy('user')
          .aggregate({ n: count(), ms: sum('ms'), last: max('at'), pages: distinct('url'), top: topN(3, 'ms') }, { emit: 'end' }),
      ).toEqualTypeOf<Stream<{ user: string; n: number; ms: number; last: number; pages: number; top: Visit[] }>>();

      const mean = {
        create: () => ({ n: 0, ms: 0 }),
        add: (acc: { n: number; ms: number }, v: Visit) => ({ n: acc.n + 1, ms: acc.ms + v.ms }),
        result: (acc: { n: number; ms: number }) => acc.ms / acc.n,
      };
      expectTypeOf(visits.keyBy('user').aggregate(mean)).toEqualTypeOf<Stream<{ user: string; result: number }>>();
      expectTypeOf(visits.keyBy('user').aggregate(mean, { project: (user, result) => ({ who: user, result }) })).toEqualTypeOf<
        Stream<{ who: string; result: number }>
      >();
      visits.keyBy('user').aggregate({
        create: () => ({ n: 0 }),
        add(acc, visit) {
          expectTypeOf(acc).toEqualTypeOf<{ n: number }>();
          expectTypeOf(visit).toEqualTypeOf<Visit>();
          return { n: acc.n + visit.ms };
        },
        result: ({ n }) => n,
      });
    });
    expectTypeOf(factory).toEqualTypeOf<JobFactory>();
  });

  it('state handles and emit', () => {
    const median: Aggregate<number, number[], number> = {
      create: () => [],
      add: (all, n) => [...all, n],
      result: (all) => all[all.length >> 1],
    };
    job('states', (_flow, _args) => {
      const visits = _flow.from(files.jsonl('x', Visit));
      const out = visits.keyBy(['user', 'url']).process(
        {
          state: {
            last: value(Visit),
            seen: map(t.string, t.i32),
            all: list(t.string),
            longest: reducing(t.string, (a, b) => (a > b ? a : b)),
            median: aggregating(median),
            any: value(t.any<Set<string>>(), new Set()),
          },
          onOpen({ subtask }) {
            expectTypeOf(subtask).toEqualTypeOf<number>();
          },
          onRecord(visit, { state, key, emit }) {
            expectTypeOf(key).toEqualTypeOf<[string, string]>();
            expectTypeOf(state.last.get()).toEqualTypeOf<Visit | undefined>();
            expectTypeOf(state.seen.get('x')).toEqualTypeOf<number | undefined>();
            expectTypeOf(state.all.get()).toEqualTypeOf<string[]>();
            expectTypeOf(state.longest.get()).toEqualTypeOf<string | undefined>();
            state.median.add(5);
            expectTypeOf(state.median.get()).toEqualTypeOf<number | undefined>();
            expectTypeOf(state.any.get()).toEqualTypeOf<Set<string>>();
            emit({ user: visit.user, total: 1 });
            // @ts-expect-error -- `total` is missing
            emit({ user: visit.user });
          },
          onEnd({ key, emit }) {
            emit({ user: key[0], total: 0 });
          },
        },
        { schema: Total },
      );
      expectTypeOf(out).toEqualTypeOf<Stream<{ user: string; total: number }>>();
      const free = visits.process(
        { state: { held: operatorList(Visit) }, onRecord: (v, { state }) => state.held.add(v) },
        { schema: t.list(Visit) },
      );
      expectTypeOf(free).toEqualTypeOf<Stream<Visit[]>>();
    });
  });

  it('sources and sinks', () => {
    job('ends', (_flow, _args) => {
      expectTypeOf(_flow.from(files.lines('x'))).toEqualTypeOf<Stream<string>>();
      expectTypeOf(_flow.from(files.lines('x', { withPath: true }))).toEqualTypeOf<
        Stream<{ readonly path: string; readonly line: number; readonly text: string }>
      >();
      expectTypeOf(_flow.from(files.jsonl('x'))).toEqualTypeOf<Stream<unknown>>();
      expectTypeOf(_flow.from(files.csv('x'))).toEqualTypeOf<Stream<Readonly<Record<string, string>>>>();
      expectTypeOf(_flow.from(files.csv('x', { header: false }))).toEqualTypeOf<Stream<readonly string[]>>();
      expectTypeOf(_flow.from(files.csv('x', Visit, { delimiter: ';' }))).toEqualTypeOf<Stream<Visit>>();
      expectTypeOf(_flow.from(collection([1, 2]))).toEqualTypeOf<Stream<number>>();
      expectTypeOf(_flow.from(generate({ count: 5, make: (index, random) => ({ index, at: random.float() }) }))).toEqualTypeOf<
        Stream<{ index: number; at: number }>
      >();
      expectTypeOf(
        _flow.from(generate({ fields: { id: gen.index(), user: gen.label('u-', gen.int(0, 9)), kind: gen.constant('x') } })),
      ).toEqualTypeOf<Stream<{ id: number; user: string; kind: 'x' }>>();
      const visits = _flow.from(files.jsonl('x', Visit, { onError: deadLetter(files.jsonl('bad')) }));
      visits.to(collect());
      visits.to(print());
      visits.to(discard());
      visits.to(forEach((visit) => expectTypeOf(visit).toEqualTypeOf<Visit>()));
      visits.to(files.jsonl('out', Visit));
      // @ts-expect-error -- a visit is not a total
      visits.to(files.jsonl('out', Total));
      // @ts-expect-error -- nor a line
      visits.to(files.lines('out'));
    });
  });

  it('mistakes are errors of the compiler', () => {
    job('mistakes', (_flow, _args) => {
      const visits = _flow.from(files.jsonl('x', Visit));
      // @ts-expect-error -- no such field
      visits.keyBy('nobody');
      // @ts-expect-error -- not a number
      visits.keyBy('user').aggregate({ n: sum('url') });
      // @ts-expect-error -- ms is not in Total
      visits.map((v) => ({ user: v.user, ms: v.ms }), { schema: Total });
      // @ts-expect-error -- a sink is no source
      _flow.from(collect());
      // @ts-expect-error -- the initial value is not a number
      value(t.f64, 'x');
    });
  });
});
