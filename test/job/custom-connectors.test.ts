/** Sources and sinks that a user wrote, as the graph takes them: what is wrong is said with what to write. */
import { describe, expect, it } from 'vitest';
import { deadLetter, discard, files, job, type OnError, type Sink, type Source, t } from '../../src/index.ts';
import { schemaText } from '../../src/format/schema-text.ts';
import { errorOf, nodeOf, visits } from './support.ts';

const source: Source<{ n: number }> = {
  name: 'numbers',
  bounded: true,
  splits: () => [{ id: 'all', data: null }],
  open: () => ({ read: () => 'end', position: () => 0, close: () => {} }),
};
const sink: Sink<unknown> = {
  name: 'rows',
  open: () => ({ write: () => {}, prepare: () => null, close: () => {} }),
  commit: () => {},
};

const from = (given: unknown) => job('x', (flow) => flow.from(given as typeof source).to(discard()));
const to = (given: unknown) => job('x', (flow) => visits(flow).to(given as typeof sink));
const without = (object: object, name: string) => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));

class Numbers {
  readonly name = 'numbers';
}

describe("a source of the user's own", () => {
  const N = t.record({ n: t.i32 });

  it.each([
    ['a type', N],
    ['the schema of a type', N.schema],
  ])('its schema may be %s', (_, schema) => {
    const { schema: found } = nodeOf(from({ ...source, schema }), 'source');
    expect(found === null ? null : schemaText(found)).toBe(schemaText(N.schema));
  });

  it.each([
    ['absent', undefined],
    ['t.any()', t.any()],
  ])('without a schema records travel in the general codec: %s', (_, schema) => {
    expect(nodeOf(from({ ...source, schema }), 'source').schema).toBeNull();
  });

  it.each<[string, unknown, readonly string[]]>([
    ['a name', without(source, 'name'), ['A source of your own needs a `name`', 'undefined']],
    ['bounded', without(source, 'bounded'), ["source 'numbers'", '`bounded: true` or `bounded: false`', 'undefined']],
    ['splits', without(source, 'splits'), ["source 'numbers' needs a method splits()", 'splits: () =>']],
    ['open', { ...source, open: {} }, ["source 'numbers' needs a method open()", 'an empty object', 'open: (split, position)']],
    ['a type as schema', { ...source, schema: { n: t.i32 } }, ["schema of source 'numbers'", 't.record(', 'an object with n']],
    ['a sound schema', { ...source, schema: { type: 'i64' } }, ["schema of source 'numbers'", 'found "i64"']],
    ['to be awaited', Promise.resolve(source), ['an instance of Promise', 'await it before']],
    ['to be made', Numbers, ['the function Numbers', 'new Numbers(...)']],
    ['to be a source', sink, ['rows is a sink']],
  ])('is refused when the graph is built, saying what to write: it lacks %s', (_, given, texts) => {
    const error = errorOf(() => from(given));
    expect(error.code).toBe('ERR_INVALID_ARG');
    for (const text of texts) expect(error.message).toContain(text);
  });

  it('a dead-letter sink may be given without the function', () => {
    const letters = files.jsonl('rejected');
    const specOf = (onError: unknown) =>
      nodeOf(
        job('x', (flow) => flow.from(source, { onError: onError as OnError }).to(discard())),
        'source',
      ).source;
    expect(specOf({ deadLetter: letters })).toEqual(specOf(deadLetter(letters)));
    expect(errorOf(() => specOf({ deadLetter: 'rejected' })).message).toContain('.to needs a sink, but got "rejected"');
  });
});

describe("a sink of the user's own", () => {
  it.each<[string, unknown, readonly string[]]>([
    ['a name', { ...sink, name: '' }, ['A sink of your own needs a `name`']],
    ['open', without(sink, 'open'), ["sink 'rows' needs a method open()", 'open: (context) => writer']],
    [
      'commit',
      without(sink, 'commit'),
      ["sink 'rows' needs a method commit()", '`commit: () => {}` where prepare() returns null'],
    ],
    ['a method to recover', { ...sink, recover: true }, ["recover of sink 'rows' must be a method or absent", 'true']],
    ['a method to persist', { ...sink, persist: 5 }, ["persist of sink 'rows' must be a method or absent", '5']],
    ['to be opened', sink.open({} as never), ['A sink of your own needs a `name`', 'an object with write, prepare, close']],
    ['to be awaited', Promise.resolve(sink), ['an instance of Promise', 'await it before']],
    ['to be a sink', source, ['numbers is a source']],
  ])('is refused when the graph is built, saying what to write: it lacks %s', (_, given, texts) => {
    const error = errorOf(() => to(given));
    expect(error.code).toBe('ERR_INVALID_ARG');
    for (const text of texts) expect(error.message).toContain(text);
  });
});
