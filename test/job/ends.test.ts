import { describe, expect, it } from 'vitest';
import {
  collection,
  deadLetter,
  discard,
  files,
  type Flow,
  forEach,
  gen,
  generate,
  job,
  operatorList,
  type Sink,
  type Source,
  t,
  topN,
  value,
} from '../../src/index.ts';
import { schemaText } from '../../src/format/schema-text.ts';
import { Visit, visits, errorOf, nodeOf } from './support.ts';

describe('sources and sinks', () => {
  const source = (make: (flow: Flow) => { to: (sink: ReturnType<typeof discard>) => unknown }) =>
    nodeOf(
      job('s', (flow) => make(flow).to(discard())),
      'source',
    );
  const sink = (make: Parameters<ReturnType<typeof visits>['to']>[0]) =>
    nodeOf(
      job('s', (flow) => visits(flow).to(make)),
      'sink',
    );

  it('one description of files is a source in from and a sink in to', () => {
    const both = files.jsonl('visits', Visit);
    expect(source((flow) => flow.from(both)).source).toMatchObject({
      kind: 'files',
      format: 'jsonl',
      patterns: ['visits'],
      schema: Visit.schema,
      onError: 'fail',
      whole: false,
    });
    expect(sink(both).sink).toMatchObject({ kind: 'files', format: 'jsonl', directory: 'visits', schema: Visit.schema });
    expect(sink(files.jsonl('out')).sink).toMatchObject({ schema: Visit.schema });
    expect(sink(files.csv('out', { delimiter: ';' })).sink).toMatchObject({ csv: { delimiter: ';', header: true } });
  });

  it('lines and whole files have a schema, so that they travel as rows', () => {
    expect(source((flow) => flow.from(files.lines('x'))).schema).toStrictEqual(t.string.schema);
    expect(source((flow) => flow.from(files.lines('x', { withPath: true }))).schema).toStrictEqual(
      t.record({ path: t.string, line: t.int, text: t.string }).schema,
    );
    expect(source((flow) => flow.from(files.whole(['a', 'b']))).schema).toStrictEqual(
      t.record({ path: t.string, text: t.string }).schema,
    );
  });

  it('a dead letter sink stands in the source', () => {
    const { source: spec } = source((flow) =>
      flow.from(files.jsonl('x', Visit, { onError: deadLetter(files.jsonl('rejected')) })),
    );
    expect(spec).toMatchObject({ onError: { deadLetter: { kind: 'files', directory: 'rejected' } } });
  });

  it.each<[string, () => unknown, string]>([
    ['a pattern as a directory to write to', () => sink(files.jsonl('out/*.jsonl')), 'Name a directory'],
    ['two directories to write to', () => sink(files.jsonl(['a', 'b'])), 'one directory'],
    ['an option of reading at a sink', () => sink(files.jsonl('out', { onError: 'skip' })), "'onError' is one of sources"],
    [
      'an option of writing at a source',
      () => source((flow) => flow.from(files.lines('x', { maxPartBytes: 5 }))),
      "'maxPartBytes' is one of sinks",
    ],
    ['an option of another format', () => files.jsonl('x', { delimiter: ';' } as never), "no option 'delimiter'"],
    ['whole files as a sink', () => sink(files.whole('x') as never), 'only be a source'],
    ['no pattern', () => files.lines([]), 'an array of 0'],
    ['an odd onError', () => source((flow) => flow.from(files.lines('x', { onError: 'ignore' as never }))), '"ignore" (string)'],
    ['elements that do not match', () => collection([{ user: 1 }] as never, Visit), "Field 'user' must be a string"],
    ['generate with both make and fields', () => generate({ make: () => 1, fields: {} } as never), 'either `make`'],
    ['generate with a count of -1', () => generate({ count: -1, make: () => 1 }), 'at least 0'],
    ['generate with a number for a field', () => generate({ fields: { n: 5 as never } }), "'n'"],
    ['a rate of 0', () => generate({ ratePerSecond: 0, make: () => 1 }), 'above 0'],
    ['an initial value of another type', () => value(t.f64, 'x' as never), 'number'],
    ['topN of 0', () => topN(0, 'ms'), 'topN'],
  ])('%s is refused', (_, action, text) => {
    const error = errorOf(action);
    expect(error.code).toBe('ERR_INVALID_ARG');
    expect(error.message).toContain(text);
  });

  it('generators choose the smallest type that holds their values', () => {
    const fields = {
      index: gen.index(),
      small: gen.int(0, 2 ** 31),
      large: gen.int(0, 2 ** 31 + 1),
      share: gen.float(),
      rank: gen.zipf(100),
      name: gen.label('u-', gen.index()),
      one: gen.constant(1),
      half: gen.constant(0.5),
      yes: gen.constant(true),
    };
    const schema = (options: { count?: number }): string | null => {
      const node = source((flow) => flow.from(generate({ fields, ...options })));
      return node.schema === null ? null : schemaText(node.schema);
    };
    const rest = 'small: i32, large: int, share: f64, rank: i32, name: string, one: i32, half: f64, yes: boolean>';
    expect(schema({ count: 1000 })).toBe(`record<index: i32, ${rest}`);
    expect(schema({})).toBe(`record<index: int, ${rest}`);
  });

  it('objects of the user are sources and sinks as they are', () => {
    const own: Source<number> = {
      name: 'own',
      bounded: true,
      schema: t.i32.schema,
      splits: () => [],
      open: () => ({ read: () => 'end', position: () => null, close() {} }),
    };
    const node = source((flow) => flow.from(own, { onError: 'skip' }));
    expect(node).toMatchObject({ name: 'own', schema: { type: 'i32' }, source: { kind: 'custom', onError: 'skip' } });
    const sunk: Sink<unknown> = { name: 'mine', open: () => ({ write() {}, prepare: () => null, close() {} }), commit() {} };
    expect(sink(sunk)).toMatchObject({ name: 'mine', sink: { kind: 'custom' } });
    const fn = (): void => {};
    expect(sink(forEach(fn)).sink).toMatchObject({ kind: 'forEach', fn });
  });

  it('operator state and keyed state stand in the description of process', () => {
    const keyed = nodeOf(
      job('k', (flow) =>
        visits(flow)
          .keyBy('user')
          .process({ state: { total: value(t.f64, 0) }, onRecord() {} }, { objectReuse: true })
          .to(discard()),
      ),
      'process',
    );
    expect(keyed).toMatchObject({
      keyed: true,
      objectReuse: true,
      process: { state: { total: { kind: 'value', schema: { type: 'f64' }, initial: 0 } }, operatorState: {} },
    });
    const free = nodeOf(
      job('f', (flow) =>
        visits(flow)
          .process({ state: { held: operatorList(t.any(), { redistribute: 'union' }) }, onRecord() {} })
          .to(discard()),
      ),
      'process',
    );
    expect(free).toMatchObject({
      keyed: false,
      process: { state: {}, operatorState: { held: { schema: null, redistribute: 'union' } } },
    });
  });
});
