import { describe, expect, it } from 'vitest';
import { collection, count, discard, job, list, sum, t } from '../../src/index.ts';
import { visits, errorOf } from './support.ts';

describe('jobs that cannot be', () => {
  const stream = visits;
  it.each<[string, () => unknown, string, readonly string[]]>([
    ['no source', () => job('empty', () => {}), 'ERR_JOB_INVALID', ["Job 'empty' has no source"]],
    [
      'no sink',
      () => job('open', (flow) => stream(flow).map((v) => v)),
      'ERR_JOB_INVALID',
      ['no sink', "'map' (test/job/refusals.test.ts:", '.to('],
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
      ["the uid 'a'", "'collection' (test/job/support.ts:", "'map' (test/job/refusals.test.ts:"],
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
