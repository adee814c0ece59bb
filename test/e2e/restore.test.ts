/** What a restore promises: graphs that changed, other parallelisms, claim modes, and what is refused. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { collectJob } from '../../src/main/collect-job.ts';
import { lockDirectory } from '../../src/main/dir-lock.ts';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { digestsOf, listCheckpoints, tablesOf } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import {
  manifestAt,
  type StandingOptions,
  standingStill,
  startStanding,
  startStill,
  treeHash,
  writeJob,
} from '../support/standing-job.ts';

const TOTALS = `
  .keyBy('key')
  .process({
    state: { total: value(t.f64, 0), numbers: list(t.int) },
    onRecord(record, { state, emit }) {
      state.total.update((n) => n + record.n);
      if (record.n % 9 === 0) state.numbers.add(record.n);
      emit(record);
    },
  })
  .returns(Count)
  .uid('totals')`;
const COUNTS = `.keyBy('key').aggregate({ n: count(), sum: sum('n') }, { emit: 'end' }).uid('counts')`;
const FIRST = `records${TOTALS}.map((x) => x).returns(Count).uid('same').filter((x) => x.n >= 0).uid('all')${COUNTS}.to(discard()).uid('out');`;

/** Takes a checkpoint of a job that stands still and ends it: the state that others are compared with. */
async function checkpointOf(
  file: string,
  options: StandingOptions,
): Promise<{ path: string; digests: Readonly<Record<string, string>> }> {
  const handle = await startStill(file, options);
  const { path } = await handle.checkpoint();
  await handle.cancel();
  // The digests that the manifest states are those of its tables.
  expect((await verifyCheckpoint(realFs, path, { deep: true })).problems).toEqual([]);
  return { path, digests: digestsOf(manifestAt(path)) };
}

async function restored(
  file: string,
  from: string,
  options: Partial<StandingOptions> = {},
): Promise<Readonly<Record<string, string>>> {
  return (await checkpointOf(file, { directory: makeDirectory(), from, ...options })).digests;
}

describe('a changed graph', () => {
  it.for(['checkpoint', 'canonical', 'native'] as const)(
    'keeps the state of every uid, out of a %s: operators added, removed, reordered, chained differently, with other records, at another parallelism',
    async (source) => {
      const directory = makeDirectory();
      const first = await startStill(writeJob(directory, 'first.mjs', FIRST), { directory, parallelism: 3 });
      const { path } = source === 'checkpoint' ? await first.checkpoint() : await first.savepoint(undefined, { format: source });
      await first.cancel();
      const digests = digestsOf(manifestAt(path));
      expect(Object.keys(digests).toSorted()).toEqual(['counts/accumulator', 'totals/numbers', 'totals/total']);
      const wider = `.map((x) => ({ at: 1, ...x })).returns(t.record({ at: t.int, key: t.string, n: t.int })).uid('wider')`;
      const versions = {
        reordered: `
          records${COUNTS}.to(discard()).uid('out');
          records.map((x) => x).returns(Count).uid('before')${TOTALS}.map((x) => x).returns(Count).uid('same').to(discard()).uid('out2');`,
        chained: `records.rebalance()${wider}${TOTALS}.flatMap((x) => [x]).returns(Count).uid('new')${COUNTS}.map((x) => x).returns(Count).uid('after').to(discard()).uid('out');`,
        broken: `records${TOTALS}.map((x) => x).returns(Count).uid('same').parallelism(1)${COUNTS}.parallelism(3).to(discard()).uid('out').parallelism(2);`,
      };
      for (const [i, [name, graph]] of Object.entries(versions).entries()) {
        const parallelism = [1, 4, 2][i];
        const changed = await restored(writeJob(directory, `${name}.mjs`, graph), path, { parallelism });
        expect(changed, `${name} at ${parallelism}`).toEqual(digests);
      }
    },
  );

  it('keeps the state of an operator that had no uid: the derived one is recorded, and may be given to it', async () => {
    const directory = makeDirectory();
    const anonymous = TOTALS.replace(".uid('totals')", '');
    const { path, digests } = await checkpointOf(writeJob(directory, 'first.mjs', `records${anonymous}.to(discard());`), {
      directory,
    });
    const [derived] = manifestAt(path)
      .operators.filter(({ keyedStates }) => keyedStates.length > 0)
      .map(({ uid }) => uid);
    // Behind other operators it would derive another uid.
    const moved = `records.filter(() => true).map((x) => x).returns(Count)${anonymous}`;
    await expect(
      startStill(writeJob(directory, 'moved.mjs', `${moved}.to(discard());`), { directory, from: path }),
    ).rejects.toMatchObject({ code: 'ERR_STATE_UNMATCHED', message: expect.stringContaining(derived) });
    const named = writeJob(directory, 'named.mjs', `${moved}.uid('${derived}').to(discard());`);
    expect(await restored(named, path, { parallelism: 3 })).toEqual(digests);
  });

  it('that lost an operator is refused; with -n its state is dropped for good, also when the operator comes back', async () => {
    const directory = makeDirectory();
    const first = writeJob(directory, 'first.mjs', FIRST);
    const { path, digests } = await checkpointOf(first, { directory });
    const second = writeJob(directory, 'second.mjs', `records${COUNTS}.to(discard()).uid('out');`);
    await expect(startStill(second, { directory, from: path })).rejects.toMatchObject({
      code: 'ERR_STATE_UNMATCHED',
      message: expect.stringContaining("'totals'"),
    });
    const without = await checkpointOf(second, { directory, from: path, allowNonRestoredState: true });
    expect(without.digests).toEqual({ 'counts/accumulator': digests['counts/accumulator'] });
    const back = await restored(first, without.path);
    expect(back['totals/total']).toMatch(/ 0$/);
    expect(back['totals/numbers']).toMatch(/ 0$/);
  });

  it('that lost a state is refused; with -n it is dropped for good, also when the state comes back', async () => {
    const directory = makeDirectory();
    const first = writeJob(directory, 'first.mjs', FIRST);
    const { path, digests } = await checkpointOf(first, { directory });
    const second = writeJob(
      directory,
      'second.mjs',
      FIRST.replace(', numbers: list(t.int)', '').replace('if (record.n % 9 === 0) state.numbers.add(record.n);', ''),
    );
    await expect(startStill(second, { directory, from: path })).rejects.toMatchObject({
      code: 'ERR_STATE_UNMATCHED',
      message: expect.stringContaining("'numbers' of operator 'totals'"),
    });
    const without = await checkpointOf(second, { directory, from: path, allowNonRestoredState: true });
    expect(without.digests['totals/total']).toBe(digests['totals/total']);
    expect(without.digests['totals/numbers']).toBeUndefined();
    expect(await restored(first, without.path)).toMatchObject({
      'totals/total': digests['totals/total'],
      'totals/numbers': expect.stringMatching(/ 0$/),
    });
  });
});

describe('claim modes', () => {
  const SOURCES = ['checkpoint', 'canonical', 'native'] as const;

  for (const source of SOURCES) {
    for (const incremental of source === 'native' ? [true, false] : [source === 'checkpoint']) {
      it(`no-claim of a ${source}, ${incremental ? 'incremental' : 'full'}: it is not touched, and not needed after one checkpoint`, async () => {
        const directory = makeDirectory();
        const file = writeJob(directory, 'job.mjs', FIRST);
        const { from, digests } = await takeOne(file, directory, source);
        const before = treeHash(dirname(from));
        const handle = await startStill(file, {
          directory: join(directory, 'second'),
          from,
          parallelism: 3,
          config: { 'execution.checkpointing.incremental': incremental },
        });
        const own = await handle.checkpoint();
        expect(treeHash(dirname(from))).toBe(before);
        rmSync(source === 'checkpoint' ? dirname(from) : from, { recursive: true });
        await handle.checkpoint();
        const { path } = await handle.checkpoint();
        await handle.cancel();
        expect(path).not.toBe(own.path);
        expect(await restored(file, path)).toEqual(digests);
      });
    }

    it(`claim of a ${source}: it is deleted when num-retained newer ones exist, and nothing else is`, async () => {
      const directory = makeDirectory();
      const file = writeJob(directory, 'job.mjs', FIRST);
      const { from, digests } = await takeOne(file, directory, source);
      const others = readdirSync(dirname(from)).filter((name) => join(dirname(from), name) !== from && name !== 'shared');
      const handle = await startStill(file, {
        directory: join(directory, 'second'),
        from,
        claimMode: 'claim',
        config: { 'state.checkpoints.num-retained': 2 },
      });
      await handle.checkpoint();
      expect(existsSync(from)).toBe(true);
      const { path } = await handle.checkpoint();
      expect(existsSync(from)).toBe(false);
      for (const name of others) expect(existsSync(join(dirname(from), name)), name).toBe(true);
      await handle.cancel();
      expect(await restored(file, path)).toEqual(digests);
      // Those that were not claimed are whole.
      const left = listCheckpoints(join(directory, 'checkpoints')).at(-1);
      if (left !== undefined) expect(await restored(file, left.path)).toEqual(digests);
    });
  }

  it('claim of a checkpoint whose job runs is refused, and no-claim is not', async () => {
    const directory = makeDirectory();
    const file = writeJob(directory, 'job.mjs', FIRST);
    const owner = await startStill(file, { directory });
    const { path } = await owner.checkpoint();
    await expect(startStill(file, { directory, from: path, claimMode: 'claim' })).rejects.toMatchObject({
      code: 'ERR_DIR_LOCKED',
      facts: { pid: process.pid },
    });
    expect((await startStill(file, { directory, from: path })).state).toBe('running');
  });

  it('a claimed checkpoint outlives a job that ends before it has one of its own, whatever the retention policy', async () => {
    const directory = makeDirectory();
    const file = writeJob(directory, 'job.mjs', FIRST);
    const { from } = await takeOne(file, directory, 'native');
    const config = { 'execution.checkpointing.externalized-checkpoint-retention': 'NO_EXTERNALIZED_CHECKPOINTS' };
    const second = join(directory, 'second');
    await (await startStill(file, { directory: second, from, claimMode: 'claim', config })).cancel();
    expect(existsSync(from)).toBe(true);
    const handle = await startStill(file, {
      directory: second,
      from,
      claimMode: 'claim',
      config: { ...config, 'state.checkpoints.num-retained': 5 },
    });
    await handle.checkpoint();
    await handle.cancel();
    expect(existsSync(from)).toBe(false);
  });

  it('claim from a job that had not deleted yet what it had claimed itself: both go when they are subsumed', async () => {
    const directory = makeDirectory();
    const file = writeJob(directory, 'job.mjs', FIRST);
    const { from: first, digests } = await takeOne(file, directory, 'native');
    const second = await claimAndEnd(file, directory, first, 5);
    expect(existsSync(first)).toBe(true);
    const third = await claimAndEnd(file, directory, second, 1);
    expect([first, dirname(second)].filter((path) => existsSync(path))).toEqual([]);
    expect(await restored(file, third)).toEqual(digests);
  });

  it('claim from such a job, cut short: tidemark gc removes both, unless a job runs that has one of them', async () => {
    const directory = makeDirectory();
    const file = writeJob(directory, 'job.mjs', FIRST);
    const { from: first } = await takeOne(file, directory, 'checkpoint');
    const second = await claimAndEnd(file, directory, first, 5);
    const third = await claimAndEnd(file, directory, second, 5);
    const collect = async (): Promise<readonly string[]> =>
      (await collectJob({ fs: realFs, lockDirectory }, dirname(third), { retained: 1, dryRun: false })).checkpoints;
    const owner = await lockDirectory(dirname(first));
    expect(await collect()).toEqual([]);
    await owner.release();
    expect([first, second].filter((path) => existsSync(path))).toEqual([first, second]);
    expect(await collect()).toEqual([first, second]);
    expect([first, dirname(second)].filter((path) => existsSync(path))).toEqual([]);
    expect(existsSync(third)).toBe(true);
  });

  /** A job that claims one, takes one, and ends. */
  async function claimAndEnd(file: string, directory: string, from: string, retained: number): Promise<string> {
    const config = { 'state.checkpoints.num-retained': retained };
    const handle = await startStill(file, { directory, from, claimMode: 'claim', config });
    const { path } = await handle.checkpoint();
    await handle.cancel();
    return path;
  }

  async function takeOne(
    file: string,
    directory: string,
    source: (typeof SOURCES)[number],
  ): Promise<{ from: string; digests: Readonly<Record<string, string>> }> {
    const handle = await startStill(file, { directory, config: { 'state.checkpoints.num-retained': 3 } });
    await handle.checkpoint();
    const { path } = source === 'checkpoint' ? await handle.checkpoint() : await handle.savepoint(undefined, { format: source });
    if (source === 'checkpoint') await handle.checkpoint();
    await handle.cancel();
    return { from: path, digests: digestsOf(manifestAt(path)) };
  }
});

describe('resume', () => {
  it('of a job that fails before it has a checkpoint of its own starts again from the same one', async () => {
    const directory = makeDirectory();
    const file = writeJob(
      directory,
      'job.mjs',
      `const fs = process.getBuiltinModule('node:fs');
      const flag = ${JSON.stringify(join(directory, 'fail'))};
      records.map((x) => { if (fs.existsSync(flag)) { fs.rmSync(flag); throw new Error('once'); } return x; }).uid('map').returns(Count)${COUNTS}.to(discard());`,
      1,
    );
    const first = await startStanding(file, { directory });
    await until(() => first.progress().records > 100, 'some records');
    await first.checkpoint();
    await first.cancel();
    writeFileSync(join(directory, 'fail'), '');
    const config = { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.delay': '1 ms' };
    const second = await startStanding(file, { directory, resume: true, config });
    await Promise.race([second.done, standingStill(second)]);
    expect(second.progress()).toMatchObject({ state: 'running', restarts: 1 });
  });
});

describe('what cannot be restored', () => {
  const RETRIES = { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.attempts': 1000 };

  it('fails at once whatever the restart strategy: a wrong path, a missing table, which is named', async () => {
    const directory = makeDirectory();
    const file = writeJob(directory, 'job.mjs', FIRST);
    await expect(startStill(file, { directory, from: join(directory, 'nowhere'), config: RETRIES })).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_NOT_FOUND',
    });
    const { path } = await checkpointOf(file, { directory });
    const [{ hash }] = tablesOf(manifestAt(path));
    rmSync(join(path, '../shared', `${hash}.sst`));
    await expect(startStill(file, { directory, from: path, config: RETRIES })).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
      message: expect.stringContaining(hash),
    });
  });

  it.for(['a table', 'the manifest'])(
    'damage of %s fails at once with the file named, whatever the restart strategy',
    async (what) => {
      const directory = makeDirectory();
      const file = writeJob(directory, 'job.mjs', FIRST);
      const { path } = await checkpointOf(file, { directory });
      const [{ hash }] = tablesOf(manifestAt(path));
      const damaged = what === 'a table' ? join(path, '../shared', `${hash}.sst`) : join(path, '_metadata');
      const bytes = readFileSync(damaged);
      bytes[Math.floor(bytes.length / 3)] ^= 1;
      writeFileSync(damaged, bytes);
      const config = { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.attempts': 2 };
      await expect(startStill(file, { directory, from: path, config })).rejects.toMatchObject({
        code: what === 'a table' ? 'ERR_TABLE_CORRUPT' : 'ERR_MANIFEST_CORRUPT',
        message: expect.stringContaining(damaged),
      });
    },
  );

  it('a parallelism above the recorded maximum is refused, up to it everything is exact', async () => {
    const directory = makeDirectory();
    const file = writeJob(directory, 'job.mjs', FIRST);
    const { path, digests } = await checkpointOf(file, { directory, parallelism: 3, config: { 'pipeline.max-parallelism': 13 } });
    for (const parallelism of [4, 13]) expect(await restored(file, path, { parallelism })).toEqual(digests);
    await expect(startStill(file, { directory, from: path, parallelism: 14 })).rejects.toMatchObject({ code: 'ERR_JOB_INVALID' });
    await expect(startStill(file, { directory, from: path, config: { 'pipeline.max-parallelism': 14 } })).rejects.toMatchObject({
      code: 'ERR_MAX_PARALLELISM',
    });
  });
});
