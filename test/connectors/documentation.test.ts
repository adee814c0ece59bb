/** The examples of docs/sources-and-sinks.md do what they say. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createJiti } from 'jiti';
import { expect, it } from 'vitest';
import type { Sink } from '../../src/job/sink.ts';
import type { Source } from '../../src/job/source.ts';
import { createSink } from '../../src/worker/connectors/sink-runtime.ts';
import { createSource } from '../../src/worker/connectors/source-runtime.ts';
import { projectRoot } from '../support/sources.ts';
import { Collector, readReopening, sinkContext, sourceContext, temporaryDirectory } from './support.ts';

const text = readFileSync(join(projectRoot, 'docs/sources-and-sinks.md'), 'utf8');

/** Loads the code block marked with `name`. */
async function loadExample<T>(name: string): Promise<T> {
  const code = new RegExp(`^\`\`\`ts ${name}\\n(.*?)^\`\`\``, 'ms').exec(text)?.[1];
  const path = join(temporaryDirectory(), `${name}.ts`);
  writeFileSync(path, code ?? '');
  return createJiti(import.meta.url, { alias: { tidemark: join(projectRoot, 'src/index.ts') } }).import<T>(path);
}

it('documentation: the source of your own reads the same records from any position', async () => {
  const { collatz } = await loadExample<{ collatz: Source<number> }>('source');
  const source = createSource({ kind: 'custom', source: collatz, schema: null, onError: 'fail' });
  const splits = await source.enumerate(sourceContext);
  const once = new Collector();
  const often = new Collector();
  for (const split of splits) {
    await readReopening(source, split, once, 1000, 1);
    await readReopening(source, split, often, 1, 1);
  }
  expect(once.records.slice(0, 9)).toEqual([6, 3, 10, 5, 16, 8, 4, 2, 1]);
  expect(once.records).toHaveLength(9 + 17 + 112);
  expect(often.records).toEqual(once.records);
});

it('documentation: the sink of your own commits each epoch once, however often it is asked to', async () => {
  const { sums } = await loadExample<{ sums: (directory: string) => Sink<number> }>('sink');
  const directory = temporaryDirectory();
  const sink = createSink({ kind: 'custom', sink: sums(directory) });
  const writer = await sink.open(sinkContext());
  for (const value of [1, 2, 3]) writer.write(value, 0);
  const first = await writer.prepare(1);
  expect(await writer.prepare(2)).toBeNull();
  expect(readdirSync(directory).filter((name) => !name.startsWith('.'))).toEqual([]);
  for (let i = 0; i < 3; i++) await sink.commit(first, sinkContext());
  const visible = readdirSync(directory);
  expect(visible).toHaveLength(1);
  expect(readFileSync(join(directory, visible[0]), 'utf8')).toBe('6');
});
