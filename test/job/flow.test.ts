import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  avg,
  collect,
  collection,
  count,
  deadLetter,
  discard,
  distinct,
  files,
  type Flow,
  forEach,
  gen,
  generate,
  isTidemarkError,
  job,
  list,
  max,
  min,
  operatorList,
  type Sink,
  type Source,
  sum,
  t,
  type TidemarkError,
  topN,
  value,
} from '../../src/index.ts';
import type { GraphNode, JobGraph } from '../../src/job/graph.ts';
import { schemaText } from '../../src/format/schema-text.ts';

const Visit = t.record({ user: t.string, url: t.string, ms: t.i32, at: t.timestamp });
const visits = (flow: Flow) => flow.from(collection([{ user: 'ann', url: '/', ms: 5, at: 1 }], Visit));

function errorOf(action: () => unknown): TidemarkError {
  try {
    action();
  } catch (error) {
    if (isTidemarkError(error)) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

function nodeOf<K extends GraphNode['kind']>(graph: JobGraph, kind: K): Extract<GraphNode, { kind: K }> {
  const node = graph.nodes.find((candidate) => candidate.kind === kind);
  if (node === undefined) throw new Error(`no ${kind}`);
  return node as Extract<GraphNode, { kind: K }>;
}

const schemaOfKind = (graph: JobGraph, kind: GraphNode['kind']): string | null => {
  const { schema } = nodeOf(graph, kind);
  return schema === null ? null : schemaText(schema);
};

describe('graph', () => {
  it('has a node for each operator, with inputs that come before it', () => {
    const graph = job('all', (flow) => {
      const stream = visits(flow);
      const others = stream.rebalance().map((v) => v, { schema: Visit });
      stream
        .filter((v) => v.ms > 0)
        .union(others)
        .keyBy('user')
        .reduce((a) => a)
        .flatMap((v) => [v.ms])
        .process({ onRecord() {} })
        .to(discard());
      stream.to(collect());
    });
    expect(graph.nodes.map((node) => node.kind)).toStrictEqual([
      'source',
      'rebalance',
      'map',
      'filter',
      'union',
      'keyBy',
      'aggregate',
      'flatMap',
      'process',
      'sink',
      'sink',
    ]);
    for (const [i, node] of graph.nodes.entries()) {
      expect(node.id).toBe(i);
      expect(node.inputs.every((input) => input < i)).toBe(true);
    }
    expect(nodeOf(graph, 'union').inputs).toStrictEqual([3, 2]);
    expect(graph.nodes[10].inputs).toStrictEqual([0]);
    expect(Object.isFrozen(graph.nodes)).toBe(true);
  });

  it('settings apply to the operator before them', () => {
    const graph = job(
      'settings',
      (flow) =>
        visits(flow)
          .parallelism(3)
          .keyBy('user')
          .count()
          .uid('counts')
          .name('count visits')
          .maxParallelism(64)
          .to(discard())
          .name('nothing'),
      {
        config: { 'parallelism.default': 2 },
      },
    );
    expect(nodeOf(graph, 'source')).toMatchObject({ parallelism: 3, explicitUid: false });
    expect(nodeOf(graph, 'aggregate')).toMatchObject({
      uid: 'counts',
      explicitUid: true,
      name: 'count visits',
      parallelism: undefined,
      maxParallelism: 64,
    });
    expect(nodeOf(graph, 'sink').name).toBe('nothing');
    expect(graph.config).toStrictEqual({ 'parallelism.default': 2 });
  });

  it('operators know where they were written', () => {
    const graph = job('places', (flow) => visits(flow).to(discard()));
    expect(nodeOf(graph, 'source').location).toMatch(/^test\/job\/flow\.test\.ts:\d+$/);
    expect(nodeOf(graph, 'sink').location).toMatch(/^test\/job\/flow\.test\.ts:\d+$/);
  });

  it('schemas follow from types, pass through what does not change records, and end where a function makes new ones', () => {
    const graph = job('schemas', (flow) =>
      visits(flow)
        .filter(() => true)
        .rebalance()
        .keyBy('user')
        .reduce((a) => a)
        .map((v) => v.ms)
        .to(discard()),
    );
    for (const kind of ['source', 'filter', 'rebalance', 'keyBy', 'aggregate'] as const)
      expect(schemaOfKind(graph, kind)).toBe(schemaText(Visit.schema));
    expect(schemaOfKind(graph, 'map')).toBeNull();
    const returned = job('returns', (flow) =>
      visits(flow)
        .map((v) => v.ms)
        .returns(t.i32)
        .to(discard()),
    );
    expect(schemaOfKind(returned, 'map')).toBe('i32');
  });

  it('the result of built-in aggregates has the key, then the outputs, with their types', () => {
    const outputs = {
      n: count(),
      total: sum('ms'),
      first: min('at'),
      longest: max('ms'),
      mean: avg('ms'),
      pages: distinct('url'),
      best: topN(2, 'ms'),
    };
    const byField = job('a', (flow) => visits(flow).keyBy(['user', 'url']).aggregate(outputs).to(discard()));
    expect(schemaOfKind(byField, 'aggregate')).toBe(
      `record<user: string, url: string, n: int, total: f64, first: timestamp, longest: i32, mean: f64, pages: int, best: list<${schemaText(Visit.schema)}>>`,
    );
    const byTypedFunction = job('b', (flow) =>
      visits(flow)
        .keyBy((v) => v.ms, { schema: t.i32 })
        .count()
        .to(discard()),
    );
    expect(schemaOfKind(byTypedFunction, 'aggregate')).toBe('record<key: i32, count: int>');
    const byFunction = job('c', (flow) =>
      visits(flow)
        .keyBy((v) => v.ms)
        .count()
        .to(discard()),
    );
    expect(schemaOfKind(byFunction, 'aggregate')).toBeNull();
  });

  it('an aggregate of the user gets the key into its result', () => {
    const sizes = { create: () => 0, add: (n: number) => n + 1, result: (n: number) => n };
    const project = (graph: JobGraph): ((key: unknown, result: unknown) => unknown) => {
      const { aggregate } = nodeOf(graph, 'aggregate');
      return (aggregate.kind === 'function' ? aggregate.project : undefined) as (key: unknown, result: unknown) => unknown;
    };
    expect(project(job('a', (flow) => visits(flow).keyBy('user').aggregate(sizes).to(discard())))('ann', 3)).toStrictEqual({
      user: 'ann',
      result: 3,
    });
    expect(
      project(job('b', (flow) => visits(flow).keyBy(['user', 'ms']).aggregate(sizes).to(discard())))(['ann', 5], 3),
    ).toStrictEqual({ user: 'ann', ms: 5, result: 3 });
    expect(
      project(
        job('c', (flow) =>
          visits(flow)
            .keyBy((v) => v.ms)
            .aggregate(sizes)
            .to(discard()),
        ),
      )(5, 3),
    ).toStrictEqual({ key: 5, result: 3 });
    expect(
      project(
        job('d', (flow) =>
          visits(flow)
            .keyBy('ms')
            .aggregate(sizes, { project: (key, n) => key + n })
            .to(discard()),
        ),
      )(5, 3),
    ).toBe(8);
  });

  it('methods of user objects keep their `this`', () => {
    class Mean {
      #start = 10;
      create() {
        return this.#start;
      }
      add(acc: number, visit: { ms: number }) {
        return acc + visit.ms;
      }
      merge(a: number, b: number) {
        return a + b - this.#start;
      }
      result(acc: number) {
        return acc - this.#start;
      }
    }
    const { aggregate } = nodeOf(
      job('this', (flow) => visits(flow).keyBy('user').aggregate(new Mean()).to(discard())),
      'aggregate',
    );
    if (aggregate.kind !== 'function') throw new Error('not a function');
    expect(aggregate.aggregate.result(aggregate.aggregate.merge?.(aggregate.aggregate.create(), 12) as never)).toBe(2);
  });
});

/** Written down once. */
const GOLDEN_UIDS = ['source-7a557976', 'keyBy-9d1ad7eb', 'aggregate-2c50771d', 'sink-cbbda9a2'];

describe('derived uids', () => {
  const build = (name: string, change: (flow: Flow) => unknown): (string | undefined)[] =>
    job(name, change).nodes.map((node) => node.uid);

  it('depend on the structure only, not on names, functions, settings or the job', () => {
    const first = build('one', (flow) =>
      visits(flow)
        .map((v) => v.ms)
        .keyBy((n) => n)
        .count()
        .to(discard()),
    );
    const second = build('two', (flow) =>
      visits(flow)
        .name('x')
        .parallelism(4)
        .map((v) => v.user, { schema: t.string })
        .name('y')
        .keyBy((s) => s.length)
        .aggregate({ n: count() }, { emit: 'end' })
        .to(collect()),
    );
    expect(second).toStrictEqual(first);
    expect(new Set(first).size).toBe(first.length);
  });

  it('differ between operators that read the same', () => {
    const uids = build('twins', (flow) => {
      const stream = visits(flow);
      stream.map((v) => v.ms).to(discard());
      stream.map((v) => v.user).to(discard());
    });
    expect(new Set(uids).size).toBe(5);
  });

  it('do not change behind an operator with a uid of its own', () => {
    const before = build('a', (flow) =>
      visits(flow)
        .keyBy('user')
        .count()
        .uid('counts')
        .map((v) => v.count)
        .to(discard()),
    );
    const after = build('b', (flow) =>
      visits(flow)
        .filter(() => true)
        .keyBy('user')
        .count()
        .uid('counts')
        .map((v) => v.count)
        .to(discard()),
    );
    expect(after.slice(-2)).toStrictEqual(before.slice(-2));
  });

  it('are these: a change would orphan the state of jobs without uids', () => {
    const uids = build('golden', (flow) => visits(flow).keyBy('user').count().to(discard()));
    expect(uids).toStrictEqual(GOLDEN_UIDS);
  });
});

describe('jobs that cannot be', () => {
  const stream = visits;
  it.each<[string, () => unknown, string, readonly string[]]>([
    ['no source', () => job('empty', () => {}), 'ERR_JOB_INVALID', ["Job 'empty' has no source"]],
    [
      'no sink',
      () => job('open', (flow) => stream(flow).map((v) => v)),
      'ERR_JOB_INVALID',
      ['no sink', "'map' (test/job/flow.test.ts:", '.to('],
    ],
    [
      'a branch without a sink',
      () =>
        job('open', (flow) => {
          const s = stream(flow);
          s.filter(() => true);
          s.to(discard());
        }),
      'ERR_JOB_INVALID',
      ['a stream without a sink', "'filter'"],
    ],
    [
      'keyBy with nothing after it',
      () =>
        job('open', (flow) => {
          const s = stream(flow);
          s.keyBy('user');
          s.to(discard());
        }),
      'ERR_JOB_INVALID',
      ['.count()'],
    ],
    [
      'two operators with one uid',
      () =>
        job('twice', (flow) =>
          stream(flow)
            .uid('a')
            .map((v) => v)
            .uid('a')
            .to(discard()),
        ),
      'ERR_JOB_INVALID',
      ["the uid 'a'", "'collection' (test/job/flow.test.ts:", "'map' (test/job/flow.test.ts:"],
    ],
    [
      'an unknown key field',
      () =>
        job('k', (flow) =>
          stream(flow)
            .keyBy('nobody' as 'user')
            .count()
            .to(discard()),
        ),
      'ERR_JOB_INVALID',
      ["'nobody'", "'user', 'url', 'ms', 'at'"],
    ],
    [
      'a key field twice',
      () => job('k', (flow) => stream(flow).keyBy(['ms', 'ms']).count().to(discard())),
      'ERR_INVALID_ARG',
      ["'ms' twice"],
    ],
    [
      'an aggregate of an unknown field',
      () =>
        job('k', (flow) =>
          stream(flow)
            .keyBy('user')
            .aggregate({ n: sum('size' as 'ms') })
            .to(discard()),
        ),
      'ERR_JOB_INVALID',
      ["output 'n'", "'size'"],
    ],
    [
      'an aggregate of a field that is no number',
      () =>
        job('k', (flow) =>
          stream(flow)
            .keyBy('user')
            .aggregate({ n: sum('url' as 'ms') })
            .to(discard()),
        ),
      'ERR_JOB_INVALID',
      ['type string'],
    ],
    [
      'an output with the name of the key',
      () => job('k', (flow) => stream(flow).keyBy('user').aggregate({ user: count() }).to(discard())),
      'ERR_JOB_INVALID',
      ["'user'", 'name of the key'],
    ],
    [
      'streams of different schemas united',
      () =>
        job('u', (flow) =>
          stream(flow)
            .union(stream(flow).map((v) => v))
            .to(discard()),
        ),
      'ERR_JOB_INVALID',
      ['different schemas', '.returns(schema)'],
    ],
    [
      'a stream of another job',
      () => {
        let other: ReturnType<typeof stream> | undefined;
        job('a', (flow) => {
          other = stream(flow);
          other.to(discard());
        });
        return job('b', (flow) =>
          stream(flow)
            .union(other as never)
            .to(discard()),
        );
      },
      'ERR_JOB_INVALID',
      ['belongs to another job'],
    ],
    ['an async builder', () => job('late', async (flow) => stream(flow).to(discard())), 'ERR_INVALID_ARG', ['async function']],
    ['an empty name', () => job('', (flow) => stream(flow).to(discard())), 'ERR_INVALID_ARG', ['name of a job']],
    ['a builder that is no function', () => job('x', 5 as never), 'ERR_INVALID_ARG', ['5 (number)']],
    [
      'a config value that is an object',
      () => job('x', (flow) => stream(flow).to(discard()), { config: { a: {} as never } }),
      'ERR_INVALID_ARG',
      ['an empty object for a'],
    ],
    [
      'a misspelt option',
      () =>
        job('x', (flow) =>
          stream(flow)
            .map((v) => v, { objectReuze: true } as never)
            .to(discard()),
        ),
      'ERR_INVALID_ARG',
      ["'objectReuze'", 'schema, objectReuse'],
    ],
    [
      'map without a function',
      () =>
        job('x', (flow) =>
          stream(flow)
            .map('user' as never)
            .to(discard()),
        ),
      'ERR_INVALID_ARG',
      ['"user" (string)'],
    ],
    [
      'a parallelism of 0',
      () => job('x', (flow) => stream(flow).parallelism(0).to(discard())),
      'ERR_INVALID_ARG',
      ['from 1 to 32768'],
    ],
    [
      'a parallelism for rebalance',
      () => job('x', (flow) => stream(flow).rebalance().parallelism(2).to(discard())),
      'ERR_INVALID_ARG',
      ['operator that follows'],
    ],
    [
      'a list of keyed state in a process without keyBy',
      () =>
        job('x', (flow) =>
          stream(flow)
            .process({ state: { all: list(t.string) as never }, onRecord() {} })
            .to(discard()),
        ),
      'ERR_INVALID_ARG',
      ["'all'", 'operatorList'],
    ],
    [
      'a bare number as state',
      () =>
        job('x', (flow) =>
          stream(flow)
            .keyBy('user')
            .process({ state: { n: 0 as never }, onRecord() {} })
            .to(discard()),
        ),
      'ERR_INVALID_ARG',
      ["'n'", 'value(t.f64, 0)'],
    ],
    [
      'process without onRecord',
      () =>
        job('x', (flow) =>
          stream(flow)
            .keyBy('user')
            .process({} as never)
            .to(discard()),
        ),
      'ERR_INVALID_ARG',
      ['onRecord'],
    ],
    [
      'emit of another word',
      () =>
        job('x', (flow) =>
          stream(flow)
            .keyBy('user')
            .count({ emit: 'last' as never })
            .to(discard()),
        ),
      'ERR_INVALID_ARG',
      ["'each' or 'end'"],
    ],
    ['a sink as a source', () => job('x', (flow) => flow.from(discard() as never)), 'ERR_INVALID_ARG', ['discard is a sink']],
    [
      'a source as a sink',
      () => job('x', (flow) => stream(flow).to(collection([]) as never)),
      'ERR_INVALID_ARG',
      ['collection is a source'],
    ],
    [
      'nonsense as a source',
      () => job('x', (flow) => flow.from({} as never)),
      'ERR_INVALID_ARG',
      ['an empty object', '`splits`'],
    ],
  ])('%s: refused, saying what and where', (_, action, code, texts) => {
    const error = errorOf(action);
    expect(error.code).toBe(code);
    for (const text of texts) expect(error.message).toContain(text);
  });

  it('an operator added after the builder returned is refused', () => {
    let kept: ReturnType<typeof visits> | undefined;
    job('x', (flow) => {
      kept = visits(flow);
      kept.to(discard());
    });
    expect(errorOf(() => kept?.map((v) => v)).message).toContain('after its builder returned');
  });
});

describe('arguments', () => {
  it('a builder with a second parameter makes a graph for each list of arguments', () => {
    const factory = job('args', (flow, [input = 'none', ...rest]) => flow.from(collection([input, ...rest])).to(discard()));
    const values = (args: readonly string[]): unknown => (nodeOf(factory(args), 'source').source as { values?: unknown }).values;
    expect(values([])).toStrictEqual(['none']);
    expect(values(['a', 'b'])).toStrictEqual(['a', 'b']);
  });
});

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

describe('the entry', () => {
  it('loads only the job API and the formats it needs: no engine, no package', () => {
    const loaded = new Set<string>();
    const follow = (file: URL): void => {
      if (loaded.has(file.href)) return;
      loaded.add(file.href);
      const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gms);
      for (const [, specifier] of imports) {
        if (specifier.startsWith('.')) follow(new URL(specifier, file));
        else if (!specifier.startsWith('node:')) throw new Error(`${file.pathname} imports ${specifier}`);
      }
    };
    const entry = new URL('../../src/index.ts', import.meta.url);
    follow(entry);
    const folders = [...loaded].map((href) => href.slice(new URL('.', entry).href.length).split('/')[0]);
    expect(new Set(folders)).toStrictEqual(new Set(['index.ts', 'job', 'format']));
    expect(loaded.size).toBeGreaterThan(20);
  });
});
