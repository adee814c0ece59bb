/** How state is written and kept is chosen anew at each start: what was taken with one choice is restored with each other. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobHandle } from 'tidemark';
import { expect, it } from 'vitest';
import { digestsOf } from '../support/checkpoint-reader.mjs';
import { makeDirectory } from '../support/cli.ts';
import { manifestAt, startStill, writeJob } from '../support/standing-job.ts';

const STATES = `
  records
    .keyBy('key')
    .process({
      state: { total: value(t.f64, 0), numbers: list(t.int), byDigit: map(t.int, t.f64) },
      onRecord(record, { state, emit }) {
        state.total.update((n) => n + record.n);
        if (record.n % 9 === 0) state.numbers.add(record.n);
        state.byDigit.set(record.n % 10, record.n);
        emit(record);
      },
    })
    .returns(Count)
    .uid('states')
    .keyBy('key')
    .aggregate({ n: count(), total: sum('n') })
    .uid('totals')
    .to(discard());`;

const CHOICES = {
  'incremental, plain, 1 subtask': { incremental: true, compression: 'none', parallelism: 1, threads: 1 },
  'incremental, compressed, 3 subtasks': { incremental: true, compression: 'auto', parallelism: 3, threads: 2 },
  'full, plain, 4 subtasks on 1 thread': { incremental: false, compression: 'none', parallelism: 4, threads: 1 },
  'full, compressed, 2 subtasks': { incremental: false, compression: 'auto', parallelism: 2, threads: 2 },
} as const satisfies Readonly<Record<string, Choice>>;

interface Choice {
  readonly incremental: boolean;
  readonly compression: 'none' | 'auto';
  readonly parallelism: number;
  readonly threads: number;
}

function start(file: string, { incremental, compression, ...threads }: Choice, from?: string): Promise<JobHandle> {
  return startStill(file, {
    directory: makeDirectory(),
    ...threads,
    ...(from !== undefined && { from }),
    config: {
      'execution.checkpointing.incremental': incremental,
      'execution.checkpointing.snapshot-compression': compression,
      'pipeline.max-parallelism': 64,
    },
  });
}

/** Content of every table of a savepoint, by name. */
function tablesIn(savepoint: string): Readonly<Record<string, string>> {
  const names = readdirSync(savepoint).filter((name) => name.endsWith('.sst'));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(savepoint, name), 'base64')]));
}

let canonical: Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> | undefined;
/** Tables of the canonical savepoint of a job in one life, by compression; made by the test that asks first. */
function canonicalTables(file: string): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  canonical ??= (async () => {
    const tables = new Map<string, Readonly<Record<string, string>>>();
    for (const compression of ['none', 'auto'] as const) {
      const handle = await start(file, { incremental: true, compression, parallelism: 2, threads: 2 });
      tables.set(compression, tablesIn((await handle.savepoint()).path));
      await handle.cancel();
    }
    return tables;
  })();
  return canonical;
}

it.each(Object.entries(CHOICES))(
  'taken %s: restored with every other choice, and the canonical savepoint is then the same bytes',
  async (name, choice) => {
    const file = writeJob(makeDirectory(), 'job.mjs', STATES);
    const references = await canonicalTables(file);
    const handle = await start(file, choice);
    const taken = [
      await handle.checkpoint(),
      await handle.savepoint(undefined, { format: 'native' }),
      await handle.savepoint(undefined, { format: 'canonical' }),
    ];
    await handle.cancel();
    const digests = digestsOf(manifestAt(taken[0].path));
    expect(Object.keys(digests)).toHaveLength(4);
    // Each of the others has one of the three, in turn.
    const others = Object.entries(CHOICES).filter(([other]) => other !== name);
    for (const [i, [other, options]] of others.entries()) {
      const { path } = taken[(i + Object.keys(CHOICES).indexOf(name)) % taken.length];
      const restored = await start(file, options, path);
      const savepoint = await restored.savepoint();
      await restored.cancel();
      expect(digestsOf(manifestAt(savepoint.path)), `${path}, ${other}`).toEqual(digests);
      expect(tablesIn(savepoint.path), `${path}, ${other}`).toEqual(references.get(options.compression));
    }
  },
);
