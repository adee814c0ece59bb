/**
 * The life of tables that checkpoints share, over restarts, failures and power cuts. Each test is a mistake that a system of this
 * kind once shipped; `test/mutation` puts each mistake back and sees its test fail. All go on after the first restore: another
 * checkpoint, a collection and a second crash are where such mistakes show.
 */
import { describe, expect, test } from 'vitest';
import { TidemarkError } from '../../src/format/errors.ts';
import { claimOne, deleteClaimed } from '../../src/snapshot/claim.ts';
import { removeDirectoryOfFiles } from '../../src/snapshot/files.ts';
import { sharedDirectory, tablePath } from '../../src/snapshot/paths.ts';
import { ALL_HASHES } from '../../src/snapshot/hash-range.ts';
import { liveEntries } from '../../src/snapshot/merge.ts';
import { openCheckpoint } from '../../src/snapshot/restore.ts';
import { withTables, writeTable } from '../../src/snapshot/table-file.ts';
import type { TableRef } from '../../src/format/manifest.ts';
import { merge } from '../../src/worker/merge-task.ts';
import type { Task } from '../../src/worker/protocol.ts';
import { addTo, drain, info } from '../format/sorted-table/table-tools.ts';
import { errno, type SimFs } from '../snapshot/sim-fs.ts';
import { BASE, type SimulatedJob, World } from './simulated-job.ts';

const OTHER_JOB = 'fedcba9876543210fedcba9876543210';
const ids = (world: World, { jobDir }: SimulatedJob) => world.checkpoints(jobDir).map(({ manifest }) => manifest.checkpointId);
const is = (op: Task['op'], checkpointId?: number) => (task: Task) =>
  task.op === op && (checkpointId === undefined || !('checkpointId' in task) || task.checkpointId === checkpointId);

/** From now on no merged table waits for the checkpoint that names it first. */
function noMerge(task: Task): void {
  if (task.op === 'merge') throw new Error('no merge now');
}

/** Takes checkpoints of a job that changes. */
async function take(world: World, job: SimulatedJob, count: number, keys?: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    world.change(job.state, keys);
    await job.checkpoint();
    world.check(job.jobDir);
  }
}

/** Files and their bytes under a directory; a temporary one whose removal was not synced may be back after a power cut. */
function tree(fs: SimFs, directory: string): string[] {
  return fs.tree().filter((path) => path.startsWith(directory) && !path.includes('/.tmp-'));
}

interface Scenario {
  readonly fs: SimFs;
  /** Ends well or not. */
  readonly run: () => Promise<unknown>;
  readonly after: () => Promise<void>;
}

/** Runs a scenario with the k-th file operation failing, for each k that there is. Returns how many there are. */
async function failEach(code: string, prepare: () => Promise<Scenario>): Promise<number> {
  for (let k = 1; ; k++) {
    const scenario = await prepare();
    let count = 0;
    scenario.fs.before = (operation, path) => {
      if (operation !== 'close' && ++count === k) throw errno(code, path);
    };
    await scenario.run().catch(() => null);
    scenario.fs.before = () => undefined;
    await scenario.after();
    if (count < k) return k - 1;
  }
}

describe('deletion', () => {
  test('that was decided before a restart and comes after it takes nothing from the new attempt', async () => {
    const world = new World();
    const before = world.start();
    await take(world, before, 2);
    before.hold = is('gc');
    await take(world, before, 1);
    before.kill();

    const after = world.start();
    await take(world, after, 1);
    // The late one comes while a checkpoint is written: its tables have their names, and no manifest.
    after.hold = is('publish');
    world.change(after.state);
    const fifth = after.begin();
    await after.idle();
    await before.release();
    expect(ids(world, after)).toContain(4);
    world.check(after.jobDir);
    await after.release();
    expect((await fifth).checkpointId).toBe(5);
    world.check(after.jobDir);
    after.kill();
    await world.goOn();
  });

  test('of a subsumed checkpoint leaves a table that one in flight has written again', async () => {
    const world = new World();
    const job = world.start({ maxConcurrent: 2, incremental: false });
    await take(world, job, 1);
    const first = new Map(job.state);
    job.hold = is('publish');
    world.change(job.state);
    const second = job.begin();
    await job.idle();
    // Back to what the first one holds: the same content, so the same names.
    job.state.clear();
    for (const [key, value] of first) job.state.set(key, value);
    const third = job.begin();
    await job.idle();
    await job.release();
    expect((await second).checkpointId).toBe(2);
    expect(ids(world, job)).toEqual([2]);
    await job.release();
    expect((await third).checkpointId).toBe(3);
    job.hold = () => false;
    expect(ids(world, job)).toEqual([3]);
    world.check(job.jobDir);
    job.kill();
    await world.goOn();
  });

  test('counts the checkpoint that was restored among the retained ones, and deletes no other', async () => {
    const world = new World();
    const before = world.start({ retained: 3 });
    await take(world, before, 2);
    before.kill();
    world.cutPower();
    const source = tree(world.fs, `${before.jobDir}/chk-2`);
    const after = world.start({ retained: 3 });
    await take(world, after, 1);
    expect(ids(world, after)).toEqual([3, 2, 1]);
    await take(world, after, 1);
    expect(ids(world, after)).toEqual([4, 3, 2]);
    expect(tree(world.fs, `${before.jobDir}/chk-2`)).toEqual(source);
    await take(world, after, 1);
    expect(ids(world, after)).toEqual([5, 4, 3]);
    after.kill();
    await world.goOn({ retained: 3 });
  });

  test('of nothing while a manifest cannot be read, be it for a moment; then it is made up for', async () => {
    const world = new World();
    const job = world.start({ retained: 2 });
    await take(world, job, 2);
    world.fs.before = (operation, path) => {
      if (operation === 'open' && path === `${job.jobDir}/chk-2/_metadata`) throw errno('EIO', path);
    };
    const before = world.fs.tree();
    world.change(job.state);
    await job.checkpoint();
    expect(world.fs.tree()).toEqual(expect.arrayContaining(before));
    expect(job.notices.join()).toContain('EIO');
    world.fs.before = () => undefined;
    world.check(job.jobDir);
    expect(ids(world, job)).toEqual([3, 2, 1]);
    await take(world, job, 1);
    expect(ids(world, job)).toEqual([4, 3]);
    expect(world.orphans(job.jobDir)).toEqual([]);
    job.kill();
    await world.goOn({ retained: 2 });
  });

  test.each(['EACCES', 'EBUSY', 'EIO'])('that fails with %s is tried again, and the job goes on', async (code) => {
    const world = new World();
    const job = world.start({ incremental: false });
    await take(world, job, 1);
    world.fs.before = (operation, path) => {
      if (operation === 'unlink' && path.endsWith('.sst')) throw errno(code, path);
    };
    await take(world, job, 2);
    expect(world.orphans(job.jobDir).filter((name) => name.endsWith('.sst'))).toHaveLength(4);
    world.fs.before = () => undefined;
    await take(world, job, 1);
    expect(world.orphans(job.jobDir)).toEqual([]);
    job.kill();
    await world.goOn();
  });
});

describe('a crash', () => {
  test('after the tables were written and before they were published: what is written instead counts', async () => {
    const world = new World();
    const before = world.start();
    await take(world, before, 2);
    before.state.set('first/key 1', 'lost');
    before.state.set('second/key 1', 'lost');
    before.hold = is('publish');
    before.begin().catch(() => undefined);
    await before.idle();
    before.kill();

    // The same number, the same places, the same sizes, and other content.
    const after = world.start();
    after.state.set('first/key 1', 'kept');
    after.state.set('second/key 1', 'kept');
    expect((await after.checkpoint()).checkpointId).toBe(3);
    world.check(after.jobDir);
    after.kill();
    await world.goOn();
  });

  test('at any file operation of a running job leaves a checkpoint, whole, with all that sinks have committed', async () => {
    const world = new World();
    const job = world.start();
    const images: { readonly fs: SimFs; readonly committed: number }[] = [];
    const look = (): void => void images.push({ fs: world.fs.crash(world.random), committed: Math.max(0, ...world.committed) });
    await take(world, job, 2);
    job.shuffled = true;
    // The sinks' own files are durable the moment they commit.
    job.beforeCommit = (epoch) => {
      for (let i = 0; i < 8; i++) images.push({ fs: world.fs.crash(world.random), committed: epoch });
    };
    world.fs.before = (operation) => {
      if (operation !== 'read' && operation !== 'fileStatus' && operation !== 'close') look();
    };
    for (let i = 0; i < 8; i++) {
      world.change(job.state);
      await job.checkpoint();
    }
    world.fs.before = () => undefined;
    job.kill();
    expect(images.length).toBeGreaterThan(200);
    for (const [i, { fs, committed }] of images.entries()) {
      const found = world.withDisk(fs);
      found.check(job.jobDir);
      const newest = ids(found, job)[0] ?? 0;
      expect(newest, `image ${i}`).toBeGreaterThanOrEqual(committed);
      if (i % 20 === 0) await found.goOn();
    }
  });
});

describe('a checkpoint that fails', () => {
  test('at any file operation, after it has written again what an older one names, leaves the older ones whole', async () => {
    const steps = await failEach('EIO', async () => {
      const world = new World();
      const job = world.start({ retained: 2, incremental: false });
      await take(world, job, 1);
      const first = new Map(job.state);
      await take(world, job, 1);
      job.state.clear();
      for (const [key, value] of first) job.state.set(key, value);
      return {
        fs: world.fs,
        run: () => job.checkpoint(),
        after: async () => {
          world.check(job.jobDir);
          job.kill();
          const next = world.start({ retained: 2, incremental: false });
          await take(world, next, 3);
          next.kill();
          world.cutPower();
          world.check(job.jobDir);
        },
      };
    });
    expect(steps).toBeGreaterThan(30);
  });

  test('at any file operation leaves no file for ever: later ones clear it away while the job runs', async () => {
    const steps = await failEach('ENOSPC', async () => {
      const world = new World();
      const job = world.start();
      await take(world, job, 2);
      world.change(job.state);
      return {
        fs: world.fs,
        run: () => job.checkpoint(),
        after: async () => {
          job.fail = noMerge;
          await take(world, job, 2);
          const temporary = world.orphans(job.jobDir).filter((name) => name.startsWith('.'));
          // What an fsync or rename has failed on may be left half made under a name of its own, for the next start to sweep.
          expect(world.orphans(job.jobDir).filter((name) => !temporary.includes(name))).toEqual([]);
          expect(temporary.length).toBeLessThanOrEqual(1);
          job.kill();
        },
      };
    });
    expect(steps).toBeGreaterThan(30);
  });

  test('for output that a sink has lost ends the attempt, whatever is tolerated', async () => {
    const world = new World();
    const job = world.start();
    await take(world, job, 2);
    job.fail = (task) => {
      if (task.op === 'persist' && task.subtask === 0)
        throw new TidemarkError('ERR_SINK_FAILED', 'an fsync failed', { facts: { isLost: true } });
    };
    await expect(job.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    expect(job.fatal).toMatchObject({ code: 'ERR_SINK_FAILED' });
  });

  test.each(['being written', 'published'])('while the one before is %s leaves its output to a later one', async (phase) => {
    const world = new World();
    const job = world.start({ maxConcurrent: 2 });
    await take(world, job, 2);
    job.hold = phase === 'published' ? is('publish') : is('persist', 3);
    const before = job.begin();
    await job.idle();
    job.fail = (task) => {
      if (is('persist', 4)(task) && 'subtask' in task && task.subtask === 1) throw errno('EIO', 'a part');
    };
    world.change(job.state);
    await expect(job.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    job.hold = () => false;
    await job.release();
    const { path, checkpointId } = await before;
    expect(checkpointId).toBe(3);
    expect(world.committed).toEqual(new Set([1, 2, 3]));
    const { subtasks } = openCheckpoint(world.fs, path).manifest.stages[0];
    expect(subtasks.map(({ committables }) => committables)).toEqual([{ sink: [3] }, {}]);
    await take(world, job, 1);
    expect(world.committed).toEqual(new Set([1, 2, 3, 4, 5]));
  });

  test('whose sinks lose output while the next one asks for it again keeps that from being published', async () => {
    const world = new World();
    const job = world.start();
    await take(world, job, 2);
    const isSinkOf3 = (task: Task): boolean => is('persist', 3)(task) && 'subtask' in task && task.subtask === 0;
    const isAsked = (task: Task): boolean => task.op === 'persist' && task.directory === null;
    job.hold = (task) => isSinkOf3(task) || isAsked(task);
    job.fail = (task) => {
      if (is('persist', 3)(task) && !isSinkOf3(task)) throw errno('EIO', 'a part');
    };
    await expect(job.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    const failed = expect(job.begin()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
    await job.idle();
    job.fail = (task) => {
      if (isSinkOf3(task)) throw new TidemarkError('ERR_SINK_FAILED', 'an fsync failed', { facts: { isLost: true } });
    };
    await job.release(isSinkOf3);
    expect(job.held.map(({ task }) => isAsked(task))).toEqual([true]);
    await job.release();
    await failed;
    expect(job.fatal).toMatchObject({ code: 'ERR_SINK_FAILED' });
    expect(Math.max(...ids(world, job))).toBe(2);
  });

  test('in one subtask leaves none of the tables of the others, those that come late included', async () => {
    const world = new World();
    const job = world.start();
    await take(world, job, 2);
    for (const late of [true, false]) {
      const isFirst = (task: Task): boolean => task.op === 'persist' && task.subtask === 0;
      job.hold = (task) => late && isFirst(task);
      job.fail = (task) => {
        if (task.op === 'persist' && task.subtask === 1) throw errno('EIO', 'a part');
      };
      world.change(job.state);
      await expect(job.checkpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
      await job.release();
      job.hold = () => false;
      job.fail = () => undefined;
      expect(world.orphans(job.jobDir)).toHaveLength(1);
      await take(world, job, 2);
      expect(world.orphans(job.jobDir)).toEqual([]);
    }
    job.kill();
    await world.goOn();
  });

  test('because an operator fails while its state is written leaves no file of those before it', () => {
    const world = new World();
    const { jobDir } = world.start();
    for (const failing of [0, 1, 2]) {
      const write = (): unknown =>
        writeTable(world.fs, sharedDirectory(jobDir), { compression: 'none', createdBy: 1 }, (writer) => {
          for (let operator = 0; operator < 3; operator++) {
            if (operator === failing) throw new Error(`operator ${operator}`);
            writer.beginSection(info(`operator ${operator}`));
            addTo(writer, { hash: 1, key: Buffer.from('key'), value: Buffer.alloc(100_000, operator) });
          }
        });
      expect(write).toThrow(`operator ${failing}`);
      expect(world.orphans(jobDir)).toEqual([]);
    }
    expect(world.fs.openFiles).toBe(0);
  });

  test.each(['is gone', 'is short'])(
    'since a table %s that was said to be written: nothing is published, and the next one is whole',
    async (what) => {
      const world = new World();
      const job = world.start();
      await take(world, job, 2);
      const before = new Set(world.fs.list(sharedDirectory(job.jobDir)));
      job.hold = is('publish');
      world.change(job.state);
      const third = job.begin();
      third.catch(() => undefined);
      await job.idle();
      const fresh = world.fs.list(sharedDirectory(job.jobDir)).filter((name) => !before.has(name));
      const path = `${sharedDirectory(job.jobDir)}/${fresh[0]}`;
      if (what === 'is gone') world.fs.unlink(path);
      else world.fs.file(path).bytes = world.fs.file(path).bytes.subarray(1);
      job.hold = () => false;
      await job.release();
      await expect(third).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ABORTED' });
      expect(ids(world, job)).toEqual([2]);
      await take(world, job, 1);
      job.kill();
      await world.goOn();
    },
  );
});

describe('savepoints', () => {
  test('between incremental checkpoints, of which one is retained, subsume none of them', async () => {
    const world = new World();
    const job = world.start();
    await take(world, job, 1);
    const saved: string[] = [];
    for (const format of ['native', 'canonical', 'native', 'canonical'] as const) {
      world.change(job.state);
      saved.push((await job.savepoint(format)).path);
      expect(ids(world, job)).toHaveLength(1);
      world.check(job.jobDir);
      await take(world, job, 1);
      for (const path of saved) world.checkOne(path);
    }
    job.kill();
    world.cutPower();
    for (const path of saved) world.checkOne(path);
    await world.goOn();
  });

  test('whose barrier no checkpoint goes back to leave no tables in the directory of the job', async () => {
    const world = new World();
    const job = world.start();
    await take(world, job, 2);
    world.change(job.state);
    const { path } = await job.savepoint('native');
    job.full = true;
    await take(world, job, 2);
    expect(world.orphans(job.jobDir)).toEqual([]);
    world.checkOne(path);
    job.kill();
    await world.goOn();
  });
});

describe('what a job starts from', () => {
  const CASES = (['checkpoint', 'native', 'canonical'] as const).flatMap((source) =>
    [true, false].flatMap((incremental) => (['claim', 'no-claim'] as const).map((mode) => ({ source, incremental, mode }))),
  );

  test.each(CASES)('a $source, $mode, incremental $incremental: is not needed after the first checkpoint', async (how) => {
    const world = new World();
    const former = world.start();
    await take(world, former, 3);
    const from = how.source === 'checkpoint' ? `${former.jobDir}/chk-3` : (await former.savepoint(how.source)).path;
    former.kill();
    const options = { from, jobId: OTHER_JOB, incremental: how.incremental };
    const source = openCheckpoint(world.fs, from);
    const job = world.start(options);
    await take(world, job, 1);
    if (how.mode === 'claim') deleteClaimed(world.fs, claimOne(source));
    else {
      for (const directory of new Set([source.tableDirectory, from])) removeDirectoryOfFiles(world.fs, directory);
    }
    world.check(job.jobDir);
    await take(world, job, 2);
    job.kill();
    world.cutPower();
    await world.goOn(options);
  });

  test('is as it was, byte for byte, whoever restores from it and how often', async () => {
    const world = new World();
    const former = world.start();
    await take(world, former, 3);
    const { path } = await former.savepoint('native');
    former.kill();
    const before = [...tree(world.fs, former.jobDir), ...tree(world.fs, path)];
    for (const from of [`${former.jobDir}/chk-3`, path, `${former.jobDir}/chk-3`, path]) {
      const jobId = OTHER_JOB.slice(1) + String(world.fs.operations % 10);
      const job = world.start({ from, jobId });
      await take(world, job, 3);
      job.kill();
      world.cutPower();
      expect([...tree(world.fs, former.jobDir), ...tree(world.fs, path)]).toEqual(before);
      await world.goOn({ jobId });
      expect([...tree(world.fs, former.jobDir), ...tree(world.fs, path)]).toEqual(before);
    }
  });
});

describe('merging', () => {
  /** A large table below, so that newer ones are merged among themselves as well. */
  async function withLargeState(world: World, job: SimulatedJob): Promise<void> {
    for (let i = 0; i < 600; i++) for (const uid of ['first', 'second']) job.state.set(`${uid}/old ${i}`, `value ${i}`);
    await take(world, job, 1);
  }

  test('loses nothing and brings nothing back, whatever runs of tables are merged', async () => {
    const world = new World();
    const job = world.start();
    await withLargeState(world, job);
    const merges: { readonly dropTombstones: boolean }[] = [];
    job.fail = (task) => {
      if (task.op === 'merge') merges.push(task);
    };
    for (let i = 0; i < 30; i++) {
      for (const uid of ['first', 'second']) {
        job.state.delete(`${uid}/old ${i * 3}`);
        job.state.delete(`${uid}/old ${i * 3 + 300}`);
      }
      await take(world, job, 1, 2);
    }
    expect(merges.some(({ dropTombstones }) => !dropTombstones)).toBe(true);
    job.fail = noMerge;
    await take(world, job, 2, 2);
    expect(world.orphans(job.jobDir)).toEqual([]);
    job.kill();
    await world.goOn();
  });

  test('takes the place of its input or is not there: after a power cut at any moment nothing counts twice', async () => {
    const world = new World();
    const job = world.start();
    job.hold = is('merge');
    while (job.held.length === 0) await take(world, job, 1);
    const images: SimFs[] = [];
    world.fs.before = (operation) => {
      if (operation !== 'read' && operation !== 'fileStatus') images.push(world.fs.crash(world.random));
    };
    job.hold = () => false;
    const merged = new Set(job.held.map(({ task }) => (task.op === 'merge' ? tablesIn(task) : '')));
    await job.release();
    world.change(job.state);
    await job.checkpoint();
    world.fs.before = () => undefined;
    world.check(job.jobDir);
    // Its output is named, and none of what went into it.
    const named = JSON.stringify(world.checkpoints(job.jobDir)[0].manifest.stages);
    for (const hash of [...merged].flatMap((hashes) => hashes.split(' '))) expect(named).not.toContain(hash);
    job.kill();
    for (const [i, image] of images.entries()) {
      const found = world.withDisk(image);
      found.check(job.jobDir);
      if (i % 10 === 0) await found.goOn();
    }
  });

  test('of tables whose place was taken meanwhile is thrown away, and what was deleted since stays deleted', async () => {
    const world = new World();
    const job = world.start({ retained: 9 });
    job.hold = is('merge');
    while (job.held.length === 0) await take(world, job, 1);
    for (const key of [...job.state.keys()].slice(0, 20)) job.state.delete(key);
    job.full = true;
    await job.checkpoint();
    job.full = false;
    world.check(job.jobDir);
    await job.release();
    job.hold = () => false;
    job.fail = noMerge;
    await take(world, job, 2);
    expect(world.orphans(job.jobDir)).toEqual([]);
    job.kill();
    world.cutPower();
    await world.goOn({ retained: 2 });
  });

  test.each(['before', 'after'])(
    'into a table that a collection is about to delete, %s it does: the job goes on without a gap',
    async (when) => {
      const world = new World();
      const job = world.start({ retained: 3 });
      const set = (value: string, from: number, to: number): void => {
        for (let i = from; i < to; i++) for (const uid of ['first', 'second']) job.state.set(`${uid}/key ${i}`, `${value} ${i}`);
      };
      set('A', 0, 40);
      job.full = true;
      await job.checkpoint();
      const first = world.fs.list(sharedDirectory(job.jobDir));
      set('B', 0, 40);
      await job.checkpoint();
      job.full = false;
      set('A', 0, 10);
      set('C', 10, 30);
      await job.checkpoint();
      // At the fourth checkpoint the tables of the first are needed no longer, and a merge writes them again: all keys have the values of then.
      job.hold = (task) => task.op === 'gc' || task.op === 'merge';
      set('A', 10, 40);
      await job.checkpoint();
      expect(job.held.map(({ task }) => task.op).toSorted()).toEqual(['gc', 'merge']);
      const order = when === 'before' ? (['merge', 'gc'] as const) : (['gc', 'merge'] as const);
      for (const op of order) await job.release(is(op));
      job.hold = () => false;
      await job.release();
      world.check(job.jobDir);
      await take(world, job, 1, 2);
      // The merged tables are those of the first checkpoint again: otherwise this has shown nothing.
      expect(world.fs.list(sharedDirectory(job.jobDir))).toEqual(expect.arrayContaining(first));
      await take(world, job, 5, 2);
      expect(job.notices).toEqual([]);
      job.fail = noMerge;
      await take(world, job, 2, 2);
      expect(world.orphans(job.jobDir)).toEqual([]);
      job.kill();
      world.cutPower();
      await world.goOn({ retained: 3 });
    },
  );

  function tablesIn(task: Extract<Task, { op: 'merge' }>): string {
    return task.tables.map(({ table }) => table.hash).join(' ');
  }
});

test('the states of two operators are apart whatever they are called', () => {
  const { fs } = new World();
  // Put together without a care, some of these are one name.
  const names = [
    ['a', 'b/c'],
    ['a/b', 'c'],
    ['a', 'bc'],
    ['ab', 'c'],
    ['', 'abc'],
    ['abc', ''],
  ] as const;
  const write = (createdBy: number): TableRef =>
    writeTable(fs, BASE, { compression: 'none', createdBy }, (writer) => {
      for (const [i, [uid, name]] of names.entries()) {
        writer.beginSection(info(uid, name));
        addTo(writer, { hash: 7, key: Buffer.from('key'), value: Buffer.from(`${createdBy}:${i}`) });
      }
    }) as TableRef;
  const locate = (table: TableRef) => ({ table, path: tablePath(BASE, table.hash) });
  const merged = merge(
    fs,
    { op: 'merge', tables: [write(2), write(1)].map(locate), directory: BASE, dropTombstones: true, checkpointId: 2 },
    'none',
  ).table as TableRef;
  for (const table of [write(2), merged]) {
    withTables(fs, [locate(table)], (readers) => {
      for (const [i, [uid, name]] of names.entries())
        expect(Buffer.from(drain(liveEntries(readers, uid, name, ALL_HASHES))[0].value as Uint8Array).toString()).toBe(`2:${i}`);
    });
  }
});
