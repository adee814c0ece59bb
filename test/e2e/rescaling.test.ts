/** Keyed and operator state when the parallelism changes: what goes where, and that nothing is lost or doubled on the way. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type JobHandle, run, type RunOptions } from 'tidemark';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hashKeyOfWord } from '../../src/format/hash.ts';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { makeDirectory, until } from '../support/cli.ts';
import { readLines } from '../support/output.mjs';
import { projectRoot } from '../support/sources.ts';
import { manifestAt } from '../support/standing-job.ts';

const JOB = pathToFileURL(join(projectRoot, 'test/e2e/jobs/forty-two.mjs'));
const KEYS = Array.from({ length: 42 }, (_, key) => key);

interface Life extends RunOptions {
  readonly elements: number;
  /** Keys that get one element more. */
  readonly extraKeys?: number;
  readonly out: string;
  readonly atEnd: 'end' | 'wait';
}

async function start(directory: string, { elements, extraKeys = 0, out, atEnd, config, ...options }: Life): Promise<JobHandle> {
  const handle = await run(JOB, {
    threads: 1,
    ...options,
    args: [String(elements), String(extraKeys), join(directory, out), atEnd],
    config: {
      'execution.checkpointing.dir': join(directory, 'checkpoints'),
      'execution.checkpointing.savepoint-dir': join(directory, 'savepoints'),
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
      ...config,
    },
  });
  onTestFinished(() => handle.cancel());
  if (atEnd === 'wait') {
    const records = KEYS.length * elements + extraKeys;
    await Promise.race([handle.done, until(() => handle.progress().records >= records, 'all records')]);
  }
  return handle;
}

interface Sum {
  readonly key: number;
  readonly sum: number;
  readonly subtask: number;
}

/** The sums of a life that has ended, by key. */
function sumsIn(directory: string, out: string): Sum[] {
  return readLines(join(directory, out))
    .map((line) => JSON.parse(line) as Sum)
    .toSorted((a, b) => a.key - b.key);
}

/** Each key once, with the sum of its elements, from the subtask that owns its key group by the arithmetic of docs/formats.md. */
function expectSums(sums: readonly Sum[], elements: (key: number) => number, parallelism: number, max: number): void {
  const owner = (key: number): number => Math.floor((Math.floor((hashKeyOfWord(key) * max) / 2 ** 32) * parallelism) / max);
  expect(sums).toEqual(KEYS.map((key) => ({ key, sum: key * elements(key), subtask: owner(key) })));
  expect(new Set(sums.map(({ subtask }) => subtask)).size).toBe(parallelism);
}

describe('keyed state of 42 keys', () => {
  it.each([
    [3, 4],
    [4, 3],
  ])(
    'from %i to %i subtasks, 13 key groups, out of an incremental, compressed checkpoint: sums are exact, each where its key belongs',
    async (before, after) => {
      const directory = makeDirectory();
      const config = { 'pipeline.max-parallelism': 13, 'execution.checkpointing.snapshot-compression': 'auto' };
      const first = await start(directory, { elements: 1000, out: 'first', atEnd: 'wait', parallelism: before, config });
      const { path } = await first.checkpoint();
      await first.cancel();
      expectSums(sumsIn(directory, 'first'), () => 1000, before, 13);

      // Few keys change, so that the next checkpoint is a delta upon tables of another job.
      const options = { elements: 1000, extraKeys: 6, parallelism: before, from: path, config };
      const second = await start(directory, { ...options, out: 'second', atEnd: 'wait' });
      const delta = await second.checkpoint();
      await second.cancel();
      expect(delta.referencedBytes).toBeGreaterThan(0);
      expect(delta.newBytes).toBeLessThan(delta.referencedBytes);
      // Without compression the notes alone are 400 to 600 bytes for each key.
      expect(delta.newBytes + delta.referencedBytes).toBeLessThan(42 * 400);
      expect((await verifyCheckpoint(realFs, delta.path, { deep: true })).problems).toEqual([]);

      const third = await start(directory, {
        elements: 1500,
        extraKeys: 6,
        out: 'third',
        atEnd: 'end',
        parallelism: after,
        from: delta.path,
        config,
      });
      expect(await third.done).toMatchObject({ status: 'finished', records: 42 * 1500 + 6 });
      expectSums(sumsIn(directory, 'third'), (key) => (key < 6 ? 1501 : 1500), after, 13);
    },
  );

  it.each(['canonical', 'native'] as const)(
    'out of a %s savepoint, 13 key groups, from 3 to 4 subtasks and back',
    async (format) => {
      const directory = makeDirectory();
      const config = { 'pipeline.max-parallelism': 13 };
      const first = await start(directory, { elements: 1000, out: 'first', atEnd: 'wait', parallelism: 3, config });
      const out = await first.savepoint(undefined, { format });
      await first.cancel();
      const second = await start(directory, {
        elements: 1200,
        out: 'second',
        atEnd: 'wait',
        parallelism: 4,
        from: out.path,
        config,
      });
      const back = await second.savepoint(undefined, { format });
      await second.cancel();
      const third = await start(directory, {
        elements: 1500,
        out: 'third',
        atEnd: 'end',
        parallelism: 3,
        from: back.path,
        config,
      });
      expect((await third.done).status).toBe('finished');
      expectSums(sumsIn(directory, 'third'), () => 1500, 3, 13);
    },
  );

  it('with a maximum parallelism that nobody chose: it is recorded, and stays', async () => {
    const directory = makeDirectory();
    const maxOf = (checkpoint: string): number | undefined =>
      manifestAt(checkpoint).operators.find(({ uid }) => uid === 'sums')?.maxParallelism;
    const first = await start(directory, { elements: 100, out: 'first', atEnd: 'wait', parallelism: 2 });
    const { path } = await first.checkpoint();
    await first.cancel();
    expect(maxOf(path)).toBe(128);
    expectSums(sumsIn(directory, 'first'), () => 100, 2, 128);
    const second = await start(directory, { elements: 150, out: 'second', atEnd: 'end', parallelism: 5, from: path });
    expect(maxOf((await second.done).lastCheckpoint as string)).toBe(128);
    expectSums(sumsIn(directory, 'second'), () => 150, 5, 128);
  });
});

describe('operator state', () => {
  /** Each subtask holds letters of its own; what it holds in the end leaves with its number. */
  const LISTS = `
    import { files, job, operatorList, t } from 'tidemark';
    const held = (redistribute) => operatorList(t.string, { redistribute });
    export default job('lists', (flow, [out, then]) =>
      flow
        .from({
          name: 'letters',
          bounded: then === 'end',
          splits: () => [{ id: 'all', data: null }],
          open(split, position) {
            let next = position ?? 0;
            return {
              read(limit, output) {
                for (; next < 11; next++) output.emit({ letter: 'abcdefghijk'[next] });
                return then === 'end' ? 'end' : 60_000;
              },
              position: () => next,
              close() {},
            };
          },
        })
        .returns(t.record({ letter: t.string }))
        .parallelism(1)
        .rebalance()
        .process({
          state: { split: held('split'), union: held('union'), broadcast: held('broadcast') },
          onRecord({ letter }, { state }) {
            state.split.add(letter);
            state.union.add(letter);
            if (state.broadcast.length === 0) state.broadcast.addAll(['x', 'y']);
          },
          onEnd({ state, subtask, emit }) {
            emit({ subtask, split: state.split.get(), union: state.union.get(), broadcast: state.broadcast.get() });
          },
        })
        .uid('lists')
        .to(files.jsonl(out)));
  `;

  interface Held {
    readonly subtask: number;
    readonly split: readonly string[];
    readonly union: readonly string[];
    readonly broadcast: readonly string[];
  }

  const LETTERS = 'abcdefghijk'.split('');

  const canonical = async (handle: JobHandle): Promise<string> => (await handle.savepoint()).path;
  const native = async (handle: JobHandle): Promise<string> => (await handle.savepoint(undefined, { format: 'native' })).path;
  const checkpoint = async (handle: JobHandle): Promise<string> => (await handle.checkpoint()).path;

  it.each([
    [3, 4, 'a canonical savepoint', canonical],
    [4, 3, 'a native savepoint', native],
    [2, 1, 'a checkpoint', checkpoint],
  ] as const)(
    'from %i to %i subtasks, out of %s: lists are dealt out evenly, given whole to all, or that of the first to all',
    async (before, after, _source, take) => {
      const directory = makeDirectory();
      const file = join(directory, 'lists.mjs');
      writeFileSync(file, LISTS);
      const begin = (options: RunOptions, then: string): Promise<JobHandle> =>
        run(pathToFileURL(file), {
          threads: 1,
          ...options,
          args: [join(directory, 'out'), then],
          config: {
            'execution.checkpointing.dir': join(directory, 'checkpoints'),
            'execution.checkpointing.savepoint-dir': join(directory, 'savepoints'),
            'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
          },
        });
      const first = await begin({ parallelism: before }, 'wait');
      onTestFinished(() => first.cancel());
      await until(() => first.progress().stages.at(-1)?.recordsIn === LETTERS.length, 'all letters');
      const path = await take(first);
      await first.cancel();
      await (await begin({ parallelism: after, from: path }, 'end')).done;

      const held = readLines(join(directory, 'out')).map((line) => JSON.parse(line) as Held);
      expect(held.map(({ subtask }) => subtask).toSorted((a, b) => a - b)).toEqual(Array.from({ length: after }, (_, i) => i));
      expect(held.flatMap(({ split }) => split).toSorted()).toEqual(LETTERS);
      const sizes = held.map(({ split }) => split.length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      for (const { union, broadcast } of held) {
        expect(union.toSorted()).toEqual(LETTERS);
        expect(broadcast).toEqual(['x', 'y']);
      }
    },
  );
});
