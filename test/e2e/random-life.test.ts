/**
 * Lives of a job at random: checkpoints and savepoints are taken, it is cancelled, stopped and restored from any that is left, claimed
 * or not, at another parallelism, beside a second run. After each step all that should be there is there and whole; at the end the
 * state is that of a life without any of it. `LIVES` and `SEED` say how many and which.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointSummary, JobHandle } from 'tidemark';
import { describe, expect, it } from 'vitest';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { randomFrom } from '../snapshot/sim-fs.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { digestsOf, findIncompleteCheckpoints, listCheckpoints } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import { manifestAt, standingStill, startStanding, startStill, writeJob } from '../support/standing-job.ts';

const LIVES = Number(process.env['LIVES'] ?? 2);
const SEED = Number(process.env['SEED'] ?? 20260101);
const STEPS = 10;

const GRAPH = `
  records
    .keyBy('key')
    .process({
      state: { total: value(t.f64, 0), seen: map(t.i32, t.int), odd: value(t.int) },
      onRecord(record, { state, emit }) {
        state.total.update((n) => n + record.n);
        state.seen.set(record.n % 3, record.n);
        if (record.n % 2 === 1) state.odd.set(record.n); else state.odd.clear();
        emit(record);
      },
    })
    .returns(Count).uid('totals')
    .keyBy('key').aggregate({ n: count() }, { emit: 'end' }).uid('counts')
    .to(discard());
`;

class Life {
  readonly #random: () => number;
  readonly #directory = makeDirectory();
  readonly #file = writeJob(this.#directory, 'job.mjs', GRAPH, 2);
  readonly #savepoints = new Set<string>();
  #job: JobHandle | null = null;
  readonly steps: string[] = [];

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  async live(): Promise<Readonly<Record<string, string>>> {
    await this.#start({});
    for (let i = 0; i < STEPS; i++) {
      await this.#step();
      await this.#check();
    }
    const job = this.#job as JobHandle;
    await standingStill(job);
    const { path } = await job.checkpoint();
    await job.cancel();
    expect((await verifyCheckpoint(realFs, path, { deep: true })).problems).toEqual([]);
    return digestsOf(manifestAt(path));
  }

  async #step(): Promise<void> {
    const job = this.#job as JobHandle;
    const format = this.#one(['canonical', 'native'] as const);
    switch (this.#one(['checkpoint', 'savepoint', 'restore', 'restore', 'stop', 'beside'] as const)) {
      case 'checkpoint':
        this.steps.push('checkpoint');
        await job.checkpoint();
        return;
      case 'savepoint':
        this.steps.push(`savepoint ${format}`);
        this.#savepoints.add((await job.savepoint(undefined, { format })).path);
        return;
      case 'restore':
        // Whatever it has is kept: a killed process leaves no less.
        await job.cancel();
        await this.#restore();
        return;
      case 'stop':
        this.steps.push(`stop with ${format}`);
        this.#savepoints.add(((await job.stop({ savepointFormat: format })) as CheckpointSummary).path);
        await this.#restore();
        return;
      case 'beside': {
        const from = this.#anyOne();
        if (from === null) return;
        this.steps.push(`beside from ${from}`);
        const other = await startStanding(this.#file, { directory: this.#directory, from, parallelism: this.#parallelism() });
        await until(() => other.state === 'running', 'running');
        await other.checkpoint();
        await other.cancel();
        expect(existsSync(from)).toBe(true);
      }
    }
  }

  async #restore(): Promise<void> {
    const from = this.#anyOne();
    if (from === null) return this.#start({});
    const claimMode = this.#one(['claim', 'no-claim'] as const);
    await this.#start({ from, claimMode });
    if (claimMode === 'no-claim') return;
    await (this.#job as JobHandle).checkpoint();
    expect(existsSync(from)).toBe(false);
    this.#savepoints.delete(from);
  }

  async #start(how: { readonly from?: string; readonly claimMode?: 'claim' | 'no-claim' }): Promise<void> {
    const parallelism = this.#parallelism();
    const incremental = this.#one([true, true, false]);
    this.steps.push(`start ${JSON.stringify({ ...how, parallelism, incremental })}`);
    this.#job = await startStanding(this.#file, {
      directory: this.#directory,
      ...how,
      parallelism,
      config: { 'execution.checkpointing.interval': '15 ms', 'execution.checkpointing.incremental': incremental },
    });
    const job = this.#job;
    await Promise.race([job.done, until(() => job.state === 'running', 'running')]);
  }

  /** Every checkpoint of every run, and every savepoint, is there with all its files. */
  async #check(): Promise<void> {
    // What the running job deletes in this moment may be seen half gone: so twice.
    const incomplete = (): readonly string[] => findIncompleteCheckpoints(join(this.#directory, 'checkpoints'));
    await until(() => incomplete().length === 0, `complete checkpoints, not ${incomplete().join()}`, 2_000);
    for (const savepoint of this.#savepoints)
      expect((await verifyCheckpoint(realFs, savepoint, { deep: false })).problems).toEqual([]);
  }

  /** A checkpoint of a run that has ended, or a savepoint. */
  #anyOne(): string | null {
    const running = this.#job?.state === 'running' ? this.#job.jobId : null;
    const ended = listCheckpoints(join(this.#directory, 'checkpoints')).filter(({ jobId }) => jobId !== running);
    const all = [...ended.map(({ path }) => path), ...this.#savepoints];
    return all.length === 0 ? null : this.#one(all);
  }

  #parallelism(): number {
    return this.#one([1, 2, 3, 4]);
  }

  #one<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)];
  }
}

describe('any life of a job', () => {
  for (let i = 0; i < LIVES; i++) {
    it(`ends with the same state and loses nothing on the way, seed ${SEED + i}`, async () => {
      const directory = makeDirectory();
      const plain = await startStill(writeJob(directory, 'job.mjs', GRAPH), { directory, parallelism: 1 });
      const { path } = await plain.checkpoint();
      const expected = digestsOf(manifestAt(path));
      await plain.cancel();
      const life = new Life(SEED + i);
      const digests = await life.live().catch((error: unknown) => {
        throw new Error(`after ${life.steps.join('; ')}`, { cause: error });
      });
      expect(digests, life.steps.join('; ')).toEqual(expected);
    });
  }
});
