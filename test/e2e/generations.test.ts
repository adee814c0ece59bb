/**
 * A job that is started from the checkpoint of the one before, again and again: with every claim mode, with full and incremental
 * checkpoints, and with changes between them. Each generation reads a few records more.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CheckpointSummary, type JobHandle, run, type RunOptions } from 'tidemark';
import { describe, expect, it, onTestFinished } from 'vitest';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { digestsOf, tablesOf } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import { readLines } from '../support/output.mjs';
import { projectRoot } from '../support/sources.ts';
import { manifestAt, treeHash } from '../support/standing-job.ts';

const JOB = pathToFileURL(join(projectRoot, 'test/e2e/jobs/standing.mjs'));
/** Records of each of four splits, by generation. A step changes less than half of the keys, so that deltas stay deltas. */
const RECORDS = [300, 315, 330] as const;
const MODES = ['no-claim', 'claim'] as const;

type Kind = 'incremental' | 'full';
const SEQUENCES: readonly (readonly [Kind, Kind, Kind])[] = [
  ['incremental', 'incremental', 'incremental'],
  ['full', 'full', 'full'],
  ['incremental', 'full', 'incremental'],
  ['full', 'incremental', 'full'],
];

/** Returns when it has read all that its generation may read. */
async function startGeneration(directory: string, records: number, kind: Kind, options: RunOptions = {}): Promise<JobHandle> {
  const handle = await run(JOB, {
    parallelism: 2,
    threads: 1,
    ...options,
    args: [String(records), join(directory, 'out')],
    config: {
      'execution.checkpointing.dir': join(directory, 'checkpoints'),
      'execution.checkpointing.savepoint-dir': join(directory, 'savepoints'),
      'execution.checkpointing.incremental': kind === 'incremental',
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
    },
  });
  onTestFinished(() => handle.cancel());
  await Promise.race([handle.done, until(() => handle.progress().records >= 4 * records, 'all records')]);
  return handle;
}

async function endAfterCheckpoint(handle: JobHandle): Promise<CheckpointSummary> {
  const summary = await handle.checkpoint();
  await handle.cancel();
  expect((await verifyCheckpoint(realFs, summary.path, { deep: true })).problems).toEqual([]);
  return summary;
}

function namesOf(path: string): Set<string> {
  return new Set(tablesOf(manifestAt(path)).map(({ hash }) => hash));
}

let plain: Promise<Readonly<Record<string, string>>> | undefined;
/** Digests of a job that reads all there is in one life, made by the test that asks first. */
function plainDigests(): Promise<Readonly<Record<string, string>>> {
  plain ??= startGeneration(makeDirectory(), RECORDS[2], 'full', { parallelism: 1 })
    .then(endAfterCheckpoint)
    .then(({ path }) => digestsOf(manifestAt(path)));
  return plain;
}

describe('a job started from the checkpoint of the one before', () => {
  for (const claimMode of MODES) {
    it.each(SEQUENCES)(`${claimMode}, %s, then %s, then %s: goes on exactly`, async (...kinds) => {
      const directory = makeDirectory();
      let before: CheckpointSummary | null = null;
      for (const [generation, kind] of kinds.entries()) {
        const from = before?.path;
        const source = from === undefined ? '' : treeHash(from);
        const tables = from === undefined ? new Set<string>() : namesOf(from);
        const handle = await startGeneration(directory, RECORDS[generation], kind, from === undefined ? {} : { from, claimMode });
        const own = await endAfterCheckpoint(handle);
        expect(handle.progress().records).toBe(4 * RECORDS[generation]);
        expect(manifestAt(own.path).incremental).toBe(kind === 'incremental');
        if (from !== undefined) {
          expect(own.checkpointId).toBeGreaterThan((before as CheckpointSummary).checkpointId);
          // A delta builds on the tables of what it was restored from, whatever wrote them; a full checkpoint has only its own.
          const inherited = [...namesOf(own.path)].filter((hash) => tables.has(hash));
          expect(inherited.length > 0, kind).toBe(kind === 'incremental');
          // What was claimed is gone, and with it the last of its job's directory; what was not is untouched.
          expect(existsSync(dirname(from))).toBe(claimMode === 'no-claim');
          if (claimMode === 'no-claim') expect(treeHash(from)).toBe(source);
        }
        before = own;
      }
      expect(digestsOf(manifestAt((before as CheckpointSummary).path))).toEqual(await plainDigests());
      const output = readLines(join(directory, 'out'));
      expect(output).toHaveLength(4 * RECORDS[2]);
      expect(new Set(output).size).toBe(output.length);
    });
  }

  it('claim of a native savepoint: the first incremental checkpoint has its tables, and is restored when it is gone', async () => {
    const directory = makeDirectory();
    const first = await startGeneration(directory, RECORDS[0], 'incremental');
    const savepoint = await first.savepoint(undefined, { format: 'native' });
    await first.cancel();
    const tables = namesOf(savepoint.path);
    const options = { from: savepoint.path, claimMode: 'claim' } as const;
    const own = await endAfterCheckpoint(await startGeneration(directory, RECORDS[1], 'incremental', options));
    expect([...namesOf(own.path)].filter((hash) => tables.has(hash)).length).toBeGreaterThan(0);
    expect(own.newBytes).toBeLessThan(own.referencedBytes);
    expect(existsSync(savepoint.path)).toBe(false);
    expect(readdirSync(join(directory, 'savepoints'))).toEqual([]);
    const last = await endAfterCheckpoint(await startGeneration(directory, RECORDS[2], 'incremental', { from: own.path }));
    expect(digestsOf(manifestAt(last.path))).toEqual(await plainDigests());
  });

  it('no-claim: several may start from one checkpoint, and each goes on without it', async () => {
    const directory = makeDirectory();
    const from = (await endAfterCheckpoint(await startGeneration(directory, RECORDS[0], 'incremental'))).path;
    const both = [makeDirectory(), makeDirectory()];
    const handles = await Promise.all(both.map((own) => startGeneration(own, RECORDS[1], 'incremental', { from })));
    const checkpoints = await Promise.all(handles.map(endAfterCheckpoint));
    rmSync(dirname(from), { recursive: true });
    for (const [i, { path }] of checkpoints.entries()) {
      const last = await endAfterCheckpoint(await startGeneration(both[i], RECORDS[2], 'incremental', { from: path }));
      expect(digestsOf(manifestAt(last.path))).toEqual(await plainDigests());
    }
  });
});
