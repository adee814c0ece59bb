/** Tables that were merged in the background, and such that never are, in the checkpoints of one job. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointSummary, JobHandle } from 'tidemark';
import { describe, expect, it } from 'vitest';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { digestsOf, tablesOf } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import { manifestAt, type StandingOptions, startStanding } from '../support/standing-job.ts';

/** Keys, all of which the first step sets. Each step after it changes an eighth of them, so that what it writes is a delta. */
const KEYS = 800;
const STEP = 100;
/** More than any run of tables grows to before it is merged. */
const MOST_STEPS = 40;

/** Reads as many records as the file `limit` says, and then waits for more. */
function writeJob(directory: string): string {
  const file = join(directory, 'job.mjs');
  writeFileSync(
    file,
    `
import { readFileSync } from 'node:fs';
import { count, discard, job, sum } from 'tidemark';
const source = {
  name: 'stepped',
  bounded: false,
  splits: () => [{ id: 'all', data: null }],
  open(split, position) {
    let next = position ?? 0;
    return {
      read(limit, out) {
        const end = Number(readFileSync(${JSON.stringify(join(directory, 'limit'))}, 'utf8'));
        for (; next < end && !out.full; next++) out.emit({ key: 'key ' + (next % ${KEYS}), n: next });
        return next < end ? 'more' : 2;
      },
      position: () => next,
      close() {},
    };
  },
};
export default job('stepped', (flow) => {
  flow.from(source).uid('in').keyBy('key').aggregate({ n: count(), total: sum('n') }).uid('totals').to(discard());
});
`,
  );
  return file;
}

class SteppedJob {
  readonly handle: JobHandle;
  readonly #directory: string;
  #records: number;

  private constructor(directory: string, handle: JobHandle, records: number) {
    this.#directory = directory;
    this.handle = handle;
    this.#records = records;
  }

  static async start(directory: string, records: number, options: Omit<StandingOptions, 'directory'> = {}): Promise<SteppedJob> {
    writeFileSync(join(directory, 'limit'), String(records));
    const job = new SteppedJob(directory, await startStanding(writeJob(directory), { directory, ...options }), records);
    await job.#read();
    return job;
  }

  get records(): number {
    return this.#records;
  }

  async step(): Promise<CheckpointSummary> {
    this.#records += STEP;
    writeFileSync(join(this.#directory, 'limit'), String(this.#records));
    await this.#read();
    return this.handle.checkpoint();
  }

  /** Steps until a subtask has fewer tables than it would have without merging. */
  async untilMerged(): Promise<CheckpointSummary> {
    let before = tableCounts(await this.step());
    for (let i = 0; i < MOST_STEPS; i++) {
      const summary = await this.step();
      const counts = tableCounts(summary);
      if (counts.some((count, subtask) => count <= before[subtask])) return summary;
      before = counts;
    }
    throw new Error(`nothing was merged in ${MOST_STEPS} checkpoints`);
  }

  async #read(): Promise<void> {
    await until(() => this.handle.state === 'running' && this.handle.progress().records >= this.#records, 'all records');
  }
}

/** Tables of each subtask that has any. */
function tableCounts({ path }: CheckpointSummary): number[] {
  const subtasks = manifestAt(path).stages.flatMap((stage) => stage.subtasks);
  return subtasks.map(({ tables }) => tables.length).filter((count) => count > 0);
}

function namesOf({ path }: CheckpointSummary): string[] {
  return tablesOf(manifestAt(path)).map(({ hash }) => `${hash}.sst`);
}

/** Digests of a job that has read so many records in one life, without a delta. */
async function plainDigests(records: number): Promise<Readonly<Record<string, string>>> {
  const { handle } = await SteppedJob.start(makeDirectory(), records, { parallelism: 1, config: FULL });
  const { path } = await handle.checkpoint();
  await handle.cancel();
  return digestsOf(manifestAt(path));
}

async function expectSound({ path }: CheckpointSummary, records: number): Promise<void> {
  expect((await verifyCheckpoint(realFs, path, { deep: true })).problems).toEqual([]);
  expect(digestsOf(manifestAt(path))).toEqual(await plainDigests(records));
}

/** Every checkpoint is one table for each subtask: there is nothing to merge. */
const FULL = { 'execution.checkpointing.incremental': false };

describe('merged tables', () => {
  it('a checkpoint that has them is restored by a job that merges nothing, and that one by a job that merges again', async () => {
    const directory = makeDirectory();
    const first = await SteppedJob.start(directory, KEYS);
    const merged = await first.untilMerged();
    await first.handle.cancel();
    await expectSound(merged, first.records);

    const second = await SteppedJob.start(directory, first.records, { from: merged.path, parallelism: 3, config: FULL });
    const whole = await second.step();
    await second.handle.cancel();
    expect(tableCounts(whole)).toEqual([1, 1, 1]);
    await expectSound(whole, second.records);

    const third = await SteppedJob.start(directory, second.records, { from: whole.path });
    const again = await third.untilMerged();
    await third.handle.cancel();
    await expectSound(again, third.records);
  });

  it('a checkpoint that has none yet is restored by a job that merges what it inherited', async () => {
    const directory = makeDirectory();
    const first = await SteppedJob.start(directory, KEYS);
    await first.handle.checkpoint();
    await first.step();
    const unmerged = await first.step();
    await first.handle.cancel();
    expect(tableCounts(unmerged)).toEqual([3, 3]);

    const second = await SteppedJob.start(directory, first.records, { from: unmerged.path });
    const merged = await second.untilMerged();
    await second.handle.cancel();
    await expectSound(merged, second.records);
    await expectSound(unmerged, first.records);
  });

  it('what went into one is deleted when the last checkpoint that names it is subsumed', async () => {
    const directory = makeDirectory();
    const job = await SteppedJob.start(directory, KEYS);
    const first = namesOf(await job.handle.checkpoint());
    const inputs = namesOf(await job.step());
    const merged = namesOf(await job.untilMerged());
    const last = await job.step();
    // In the background. What else there is was merged since, and the next checkpoint names it.
    const needed = new Set(namesOf(last));
    const gone = [...first, ...inputs, ...merged].filter((name) => !needed.has(name));
    expect(gone.length).toBeGreaterThan(0);
    const shared = join(last.path, '../shared');
    await until(() => gone.every((name) => !existsSync(join(shared, name))), 'tables that nobody names are deleted');
    expect([...needed].every((name) => existsSync(join(shared, name)))).toBe(true);
    await expectSound(last, job.records);
  });
});
