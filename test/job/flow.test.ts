import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { avg, collect, collection, count, discard, distinct, type Flow, job, max, min, sum, t, topN } from '../../src/index.ts';
import { schemaText } from '../../src/format/schema-text.ts';
import type { JobGraph } from '../../src/job/graph.ts';
import { Visit, visits, nodeOf, schemaOfKind } from './support.ts';

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
    expect(nodeOf(graph, 'source').location).toMatch(/^test\/job\/support\.ts:\d+$/);
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

describe('arguments', () => {
  it('a builder with a second parameter makes a graph for each list of arguments', () => {
    const factory = job('args', (flow, [input = 'none', ...rest]) => flow.from(collection([input, ...rest])).to(discard()));
    const values = (args: readonly string[]): unknown => (nodeOf(factory(args), 'source').source as { values?: unknown }).values;
    expect(values([])).toStrictEqual(['none']);
    expect(values(['a', 'b'])).toStrictEqual(['a', 'b']);
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
