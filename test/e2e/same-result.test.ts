/**
 * The ledger's output and state do not depend on how it was run: on the number of subtasks and threads, on the size of batches
 * and turns, on checkpoints, on a stop and a resume at another parallelism.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from 'tidemark';
import { describe, expect, it } from 'vitest';
import { digestsOf, readManifest } from '../support/checkpoint-reader.mjs';
import { makeDirectory } from '../support/cli.ts';
import { ledgerRecords } from '../support/oracle-ledger.mjs';
import { compareOutput } from '../support/output.mjs';
import { projectRoot } from '../support/sources.ts';

const LEDGER = pathToFileURL(join(projectRoot, 'test/e2e/jobs/ledger.mjs'));
const ENTRIES = 20_000;
const ACCOUNTS = 150;

interface Way {
  readonly parallelism?: number;
  readonly threads?: number;
  readonly ratePerSecond?: number;
  readonly resume?: boolean;
  readonly config?: Readonly<Record<string, string | number | boolean>>;
}

function start(directory: string, { ratePerSecond = Infinity, config, ...options }: Way): ReturnType<typeof run> {
  return run(LEDGER, {
    ...options,
    args: [String(ENTRIES), String(ACCOUNTS), String(ratePerSecond), join(directory, 'out')],
    config: {
      'state.checkpoints.dir': join(directory, 'checkpoints'),
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
      'pipeline.max-parallelism': 128,
      ...config,
    },
  });
}

/** Runs to the end, checks the output, returns the state digests of the final checkpoint. */
async function finish(directory: string, way: Way): Promise<Readonly<Record<string, string>>> {
  const handle = await start(directory, way);
  const result = await handle.done;
  expect(result).toMatchObject({ status: 'finished', records: ENTRIES });
  expect(compareOutput(join(directory, 'out'), ledgerRecords(ENTRIES, ACCOUNTS))).toMatchObject({ lost: [], extra: [] });
  return digestsOf(readManifest(join(result.lastCheckpoint ?? '', '_metadata')));
}

const EVERY_20_MS = { 'execution.checkpointing.interval': '20 ms' };
let reference: Promise<Readonly<Record<string, string>>> | undefined;
/** Digests of a run in one subtask, made by the test that asks first. */
function referenceDigests(): Promise<Readonly<Record<string, string>>> {
  reference ??= finish(makeDirectory(), { parallelism: 1, threads: 1, config: { 'execution.checkpointing.interval': '10 s' } });
  return reference;
}

describe('same output and same state digest', () => {
  it('as a plain reference run, which has state worth comparing', async () => {
    const digests = await referenceDigests();
    expect(Object.keys(digests)).toEqual(expect.arrayContaining(['accounts/balance', 'accounts/byDigit', 'accounts/entries']));
    expect(digests['accounts/balance']).toMatch(/^[0-9a-f]{32} 150$/);
  });

  for (const parallelism of [1, 2, 3, 8]) {
    for (const threads of [1, 2]) {
      it(`with ${parallelism} subtasks on ${threads} threads, a checkpoint every 20 ms`, async () => {
        expect(await finish(makeDirectory(), { parallelism, threads, ratePerSecond: 60_000, config: EVERY_20_MS })).toEqual(
          await referenceDigests(),
        );
      });
    }
  }

  it('with tiny batches and turns', async () => {
    const config = {
      ...EVERY_20_MS,
      'runtime.batch.bytes': '8 kb',
      'runtime.turn.budget': '1 ms',
    };
    expect(await finish(makeDirectory(), { parallelism: 3, config })).toEqual(await referenceDigests());
  });

  it('with full instead of incremental checkpoints, compressed', async () => {
    const config = {
      ...EVERY_20_MS,
      'execution.checkpointing.incremental': false,
      'execution.checkpointing.snapshot-compression': 'auto',
    };
    expect(await finish(makeDirectory(), { parallelism: 2, ratePerSecond: 60_000, config })).toEqual(await referenceDigests());
  });

  it('stopped and resumed again and again, each time at another parallelism', async () => {
    const directory = makeDirectory();
    for (const parallelism of [3, 1, 8, 2]) {
      const handle = await start(directory, { parallelism, resume: true, ratePerSecond: 25_000, config: EVERY_20_MS });
      setTimeout(() => void handle.stop(), 120);
      expect((await handle.done).status).toBe('stopped');
    }
    expect(await finish(directory, { parallelism: 4, resume: true, config: EVERY_20_MS })).toEqual(await referenceDigests());
  });

  it('resumed twice from the same checkpoint', async () => {
    const directory = makeDirectory();
    const handle = await start(directory, { parallelism: 2, ratePerSecond: 25_000, config: EVERY_20_MS });
    setTimeout(() => void handle.stop(), 200);
    const { lastCheckpoint } = await handle.done;
    const abandoned = await run(LEDGER, {
      parallelism: 1,
      from: lastCheckpoint as string,
      args: [String(ENTRIES), String(ACCOUNTS), '25000', join(directory, 'out')],
    });
    setTimeout(() => void abandoned.cancel(), 100);
    expect((await abandoned.done).status).toBe('cancelled');
    expect(await finish(directory, { parallelism: 3, resume: true, config: EVERY_20_MS })).toEqual(await referenceDigests());
  });
});
