import { describe, expect, it } from 'vitest';
import type { Schema } from '../../src/format/schema.ts';
import type { ProcessContext, ProcessSpec, ValueState } from '../../src/job/process.ts';
import type { Output, Rows } from '../../src/worker/operator.ts';
import { buildChain } from '../../src/worker/operators/chain.ts';
import { ALL_HASHES, contextOf, feed, finish, frameRows, keyedEdge, node, openChain } from './harness.ts';

const Item: Schema = {
  type: 'record',
  fields: [
    { name: 'key', schema: { type: 'string' } },
    { name: 'n', schema: { type: 'i32' } },
  ],
};
interface ItemRecord {
  readonly key: string;
  readonly n: number;
}
const edge = keyedEdge(Item, { kind: 'fields', fields: ['key'] });
const rowsOf = (records: readonly ItemRecord[]): Rows =>
  frameRows(
    edge,
    records.map((value, timestampMs) => ({ value, timestampMs })),
  );

const spec = (fields: Partial<ProcessSpec>): ProcessSpec => ({
  state: {},
  onOpen: undefined,
  onRecord: () => {},
  onEnd: undefined,
  onCheckpoint: undefined,
  operatorState: {},
  ...fields,
});
type Context = ProcessContext<unknown, { total: ValueState<number> }, string>;

describe('chain', () => {
  it('hands values through map, filter and flatMap, with their times, and counts', () => {
    const opened = openChain([
      node('map', { fn: (n: number) => n + 1 }),
      node('filter', { fn: (n: number) => n % 2 === 0 }),
      node('flatMap', {
        fn: (n: number) => {
          if (n === 4) return undefined;
          return n === 2 ? [n, n * 10] : new Set([n]);
        },
      }),
    ]);
    for (const [i, n] of [1, 2, 3, 5].entries()) opened.chain.emit(n, i);
    expect(opened.out.records).toEqual([
      { value: 2, timestampMs: 0 },
      { value: 20, timestampMs: 0 },
      { value: 6, timestampMs: 3 },
    ]);
    expect(opened.chain.counters().map(({ recordsIn, recordsOut }) => [recordsIn, recordsOut])).toEqual([
      [4, 4],
      [4, 3],
      [3, 3],
    ]);
  });

  it('an error names the operator that threw, not those before it', () => {
    const cause = new Error('boom');
    const opened = openChain(
      [
        node('map', { fn: (n: number) => ({ n, big: 12n, text: 'x'.repeat(500) }) }, { uid: 'one', name: 'first' }),
        node(
          'filter',
          {
            fn: () => {
              throw cause;
            },
          },
          { uid: 'two', name: 'second' },
        ),
      ],
      { subtask: 1, parallelism: 3, where: () => 'data.csv:12' },
    );
    let error: unknown;
    try {
      opened.chain.emit(1, 0);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      code: 'ERR_OPERATOR_FAILED',
      cause,
      facts: { uid: 'two', operator: 'second', subtask: 1, source: 'data.csv:12', location: 'job.ts:7' },
    });
    const { record } = (error as { facts: { record: string } }).facts;
    expect(record.startsWith('{"n":1,"big":"12n"')).toBe(true);
    expect(record.length).toBe(203);
  });

  it('decodes rows for operators that take values, and stops where there is no room', () => {
    const opened = openChain([node('map', { fn: ({ n }: ItemRecord) => n })], { edge });
    const rows = rowsOf(Array.from({ length: 10 }, (_, n) => ({ key: 'k', n })));
    opened.out.room = 3;
    const taken = opened.chain.rows(rows, 8);
    expect(taken.frames).toBe(3);
    opened.out.room = Infinity;
    expect(opened.chain.rows({ ...rows, from: taken.next, count: 7 }, 100).frames).toBe(7);
    expect(opened.out.values).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('gives a reused view to functions that ask for it, and never lets it reach the tail', () => {
    const seen = new Set<unknown>();
    const map = node('map', { fn: (row: ItemRecord) => (seen.add(row), row.n) }, { objectReuse: true });
    const filter = node('filter', { fn: (row: ItemRecord) => row.n > 0 }, { objectReuse: true });
    const rows = rowsOf([1, 2, 3].map((n) => ({ key: 'k', n })));
    const reused = openChain([filter, map], { edge });
    reused.chain.rows(rows, 10);
    expect(reused.out.values).toEqual([1, 2, 3]);
    expect(seen.size).toBe(1);
    const kept = openChain([filter], { edge });
    kept.chain.rows(rows, 10);
    expect(kept.out.values).toEqual([1, 2, 3].map((n) => ({ key: 'k', n })));
  });

  it('without operators, hands rows on as they are where the tail takes rows', () => {
    const taken: [number, number][] = [];
    const tail: Output = { full: false, emit: () => {}, emitRows: ({ from, to }) => void taken.push([from, to]) };
    const chain = buildChain({
      nodes: [],
      tail,
      input: { codec: edge.codec, rowKey: null, keyInFrame: false, keyCodec: null, selector: null },
      partialInput: null,
      combiners: [],
      context: contextOf(0, 1),
      where: () => undefined,
      range: ALL_HASHES,
      restored: () => undefined,
      openState: () => {
        throw new Error('no state');
      },
    });
    const rows = rowsOf([1, 2, 3].map((n) => ({ key: 'k', n })));
    expect(chain.emitRows).not.toBeNull();
    const { next } = chain.rows(rows, 2);
    chain.rows({ ...rows, from: next, count: 1 }, 2);
    expect(taken).toEqual([
      [0, next],
      [next, rows.to],
    ]);
  });

  it('drains combiners when asked, and not at the end of a turn', () => {
    let drained = 0;
    const chain = buildChain({
      nodes: [],
      tail: { full: false, emit: () => {} },
      input: null,
      partialInput: null,
      combiners: [{ drain: () => ++drained === 2 }],
      context: contextOf(0, 1),
      where: () => undefined,
      range: ALL_HASHES,
      restored: () => undefined,
      openState: () => {
        throw new Error('no state');
      },
    });
    chain.endTurn();
    expect(drained).toBe(0);
    expect(chain.drain()).toBe(false);
    expect(chain.drain()).toBe(true);
  });
});

describe('keyed process', () => {
  const total = { total: { kind: 'value', schema: { type: 'f64' }, initial: 0 } } as const;

  for (const objectReuse of [false, true]) {
    it(`keeps state for each key, emits with the record's time, and ends key by key (${objectReuse ? 'views' : 'objects'})`, () => {
      const process = spec({
        state: total,
        onRecord: (v: ItemRecord, { state, emit, key, timestampMs }: Context) => {
          emit({ key, total: state.total.update((n) => n + v.n), timestampMs });
        },
        onEnd: (context: Context) => context.emit({ end: context.key, total: context.state.total.get() }),
      });
      const opened = openChain([node('process', { keyed: true, process }, { objectReuse })], { edge });
      feed(opened, rowsOf(['a', 'b', 'a'].map((key, i) => ({ key, n: i + 1 }))), [1]);
      expect(opened.out.records).toEqual([
        { value: { key: 'a', total: 1, timestampMs: 0 }, timestampMs: 0 },
        { value: { key: 'b', total: 2, timestampMs: 1 }, timestampMs: 1 },
        { value: { key: 'a', total: 4, timestampMs: 2 }, timestampMs: 2 },
      ]);
      finish(opened, 1);
      expect(opened.out.values.slice(3)).toHaveLength(2);
      expect(opened.out.values.slice(3)).toEqual(
        expect.arrayContaining([
          { end: 'a', total: 4 },
          { end: 'b', total: 2 },
        ]),
      );
      expect(opened.chain.keyedStates).toEqual([
        { uid: 'process-uid', name: 'total', kind: 'value', keyType: 'string', schema: { type: 'f64' }, composite: false },
      ]);
    });
  }

  it('a failure names the record, and a failing emit is the failure of what is downstream', () => {
    const process = spec({
      onRecord: ({ n }: ItemRecord) => {
        if (n === 2) throw new TypeError('two');
      },
    });
    const opened = openChain([node('process', { keyed: true, process }, { objectReuse: true })], { edge });
    expect(() =>
      feed(
        opened,
        rowsOf([
          { key: 'a', n: 1 },
          { key: 'b', n: 2 },
        ]),
      ),
    ).toThrow(
      expect.objectContaining({ code: 'ERR_OPERATOR_FAILED', facts: expect.objectContaining({ record: '{"key":"b","n":2}' }) }),
    );
  });

  it('calls onOpen with subtask and parallelism, and refuses to stand behind anything but keyBy', () => {
    const opened: unknown[] = [];
    const process = node('process', { keyed: true, process: spec({ onOpen: (context) => void opened.push({ ...context }) }) });
    openChain([process], { edge, subtask: 1, parallelism: 2 });
    expect(opened).toEqual([{ subtask: 1, parallelism: 2 }]);
    expect(() => openChain([process])).toThrow(expect.objectContaining({ code: 'ERR_JOB_INVALID' }));
  });
});

describe('process without keys', () => {
  const buffered = spec({
    operatorState: { held: { schema: { type: 'bigint' }, redistribute: 'split' }, any: { schema: null, redistribute: 'union' } },
    onRecord: (value: bigint, { state }: { state: { held: { add(v: bigint): void }; any: { set(v: unknown[]): void } } }) => {
      state.held.add(value);
      state.any.set([new Map([['last', value]])]);
    },
    onEnd: (context: { state: { held: { get(): bigint[] }; any: { get(): unknown[] } }; emit(value: unknown): void }) => {
      for (const value of context.state.held.get()) context.emit(value);
      context.emit(context.state.any.get());
    },
  });

  it('keeps lists over a checkpoint, exactly, as JSON', () => {
    const before = openChain([node('process', { keyed: false, process: buffered })]);
    for (const value of [1n, -(2n ** 70n)]) before.chain.emit(value, 0);
    const recorded = JSON.parse(JSON.stringify(before.chain.snapshot(1)));
    const after = openChain([node('process', { keyed: false, process: buffered })], { restored: recorded });
    after.chain.emit(3n, 0);
    finish(after);
    expect(after.out.values).toEqual([1n, -(2n ** 70n), 3n, [new Map([['last', 3n]])]]);
  });

  it('ends once, also when restored after its end', () => {
    const before = openChain([node('process', { keyed: false, process: buffered })], { subtask: 1, parallelism: 2 });
    before.chain.emit(1n, 0);
    finish(before);
    expect(before.out.values.length).toBe(2);
    const restored = before.chain.snapshot(1);
    const same = openChain([node('process', { keyed: false, process: buffered })], { restored, subtask: 1, parallelism: 2 });
    finish(same);
    expect(same.out.values).toEqual([]);
    const other = openChain([node('process', { keyed: false, process: buffered })], { restored, subtask: 0, parallelism: 2 });
    finish(other);
    expect(other.out.values.length).toBe(2);
  });

  it('refuses operator state that does not match its schema', () => {
    const restored = { 'process-uid': { held: [{ value: 'not a number' }] } };
    expect(() => openChain([node('process', { keyed: false, process: buffered })], { restored })).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_INCOMPATIBLE' }),
    );
  });
});
