import { describe, expect, test } from 'vitest';
import { collectGarbage, planCollection, type CollectionFacts } from '../../src/snapshot/gc.ts';
import { sharedDirectory } from '../../src/snapshot/paths.ts';
import { findCheckpointsOfJob, openCheckpoint } from '../../src/snapshot/restore.ts';
import { checkpointsToRetain, isRetainedAtEnd } from '../../src/snapshot/retain.ts';
import { Checkpointer, JOB_DIR, readState } from './job-tools.ts';
import { errno, SimFs } from './sim-fs.ts';

const hash = (digit: string) => digit.repeat(32);
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(hash);
const FACTS: CollectionFacts = {
  checkpoints: [
    { checkpointId: 1, tables: new Set([A]) },
    { checkpointId: 2, tables: new Set([A, B]) },
    { checkpointId: 3, tables: new Set([B, C]) },
  ],
  retired: [],
  savepoints: [],
  jobNames: ['chk-1', 'chk-2', 'chk-3', 'shared', 'taskowned', '.new-chk-4-aa'],
  sharedNames: [`${A}.sst`, `${B}.sst`, `${C}.sst`, `${D}.sst`, '.tmp-1', 'README'],
};
const nothing: ReadonlySet<string> = new Set();

describe('collection plan', () => {
  test('keeps a file inherited by a retained checkpoint', () => {
    expect(planCollection(FACTS, { retain: [2], inFlight: nothing, sweep: false })).toMatchObject({ retire: [1], tables: [] });
    expect(planCollection(FACTS, { retain: [3], inFlight: nothing, sweep: false })).toMatchObject({
      retire: [1, 2],
      tables: [A],
    });
  });

  test('leaves checkpoints alone that are newer than every retained one', () => {
    expect(planCollection(FACTS, { retain: [1], inFlight: nothing, sweep: true })).toMatchObject({ retire: [] });
  });

  test('keeps tables in flight, and orphans unless nothing is being written', () => {
    expect(planCollection(FACTS, { retain: [3], inFlight: new Set([A]), sweep: false })).toMatchObject({
      tables: [],
      temporaryFiles: [],
      directories: [],
    });
    expect(planCollection(FACTS, { retain: [3], inFlight: new Set([D]), sweep: true })).toMatchObject({
      tables: [A],
      temporaryFiles: ['.tmp-1'],
      directories: ['.new-chk-4-aa'],
    });
  });

  test('files with names that are not ours are never deleted', () => {
    const plan = planCollection(FACTS, { retain: [], inFlight: nothing, sweep: true });
    expect(plan).toMatchObject({ retire: [1, 2, 3], tables: [A, B, C, D] });
    expect(JSON.stringify(plan)).not.toContain('README');
  });
});

describe('collection', () => {
  const states = [1, 2, 3, 4].map(
    (n) =>
      new Map([
        ['a', `${n}`],
        [`key ${n}`, 'x'],
      ]),
  );

  function threeCheckpoints(): { fs: SimFs; job: Checkpointer } {
    const fs = new SimFs();
    const job = new Checkpointer(fs);
    for (const n of [1, 2, 3]) job.checkpoint(n, states[n - 1]);
    return { fs, job };
  }

  test('waits with what a killed one had renamed until the new name is durable: a power cut then brings no half a checkpoint back', () => {
    const request = { retain: [2, 3], inFlight: nothing, sweep: false };
    const collectUntil = (fs: SimFs, ends: (operation: string, count: number) => boolean): void => {
      let count = 0;
      let ended = false;
      fs.before = (operation, path) => {
        ended ||= ends(operation, ++count);
        if (ended) throw errno('EIO', path);
      };
      try {
        collectGarbage(fs, JOB_DIR, request);
      } catch {
        // It is no more.
      }
    };
    for (let end = 1; end < 40; end++) {
      const { fs } = threeCheckpoints();
      let isRenamed = false;
      collectUntil(fs, (operation) => isRenamed || ((isRenamed = operation === 'rename'), false));
      const next = fs.kill();
      collectUntil(next, (_operation, count) => count > end);
      // Any combination of directories that lose all that was not synced and of those that lose nothing.
      for (let bits = 0; bits < 64; bits++) {
        let at = 0;
        const left = next.crash(() => ((bits >> at++) & 1 ? 0 : 0.99));
        expect(findCheckpointsOfJob(left, JOB_DIR).filter(({ problem }) => problem !== null)).toEqual([]);
      }
    }
  });

  test('retained checkpoints stay readable, others and their own tables go', () => {
    const { fs, job } = threeCheckpoints();
    job.tables = job.tables.slice(0, 1);
    job.checkpoint(4, states[3]);
    collectGarbage(fs, JOB_DIR, { retain: [4], inFlight: nothing, sweep: false });
    expect(fs.list(JOB_DIR).sort()).toEqual(['chk-4', 'shared', 'taskowned']);
    expect(fs.list(sharedDirectory(JOB_DIR))).toHaveLength(2);
    openCheckpoint(fs, `${JOB_DIR}/chk-4`);
  });

  test('when any manifest cannot be read, nothing is deleted', () => {
    for (const damaged of [1, 2, 3]) {
      const { fs } = threeCheckpoints();
      const file = fs.file(`${JOB_DIR}/chk-${damaged}/_metadata`);
      file.bytes = file.bytes.subarray(1);
      const before = fs.tree();
      expect(() => collectGarbage(fs, JOB_DIR, { retain: [3], inFlight: nothing, sweep: true })).toThrow(
        expect.objectContaining({ code: 'ERR_MANIFEST_CORRUPT' }),
      );
      expect(fs.tree()).toEqual(before);
    }
  });

  test('what cannot be deleted is reported, and deleted by the next collection without a sweep', () => {
    const { fs, job } = threeCheckpoints();
    job.tables = [];
    job.state = new Map();
    job.checkpoint(4, states[3]);
    fs.before = (operation, path) => {
      if (operation === 'unlink' && path.endsWith('.sst')) throw errno('EBUSY', path);
    };
    const request = { retain: [4], inFlight: nothing, sweep: false };
    const report = collectGarbage(fs, JOB_DIR, request);
    expect(report).toMatchObject({ retired: [1, 2, 3], deletedTables: 0 });
    expect(report.failures).toHaveLength(3);
    expect(report.failures[0]).toMatchObject({ code: 'ERR_IO', message: expect.stringContaining('EBUSY') });
    fs.before = () => undefined;
    expect(collectGarbage(fs, JOB_DIR, request)).toMatchObject({ deletedTables: 3, failures: [] });
    expect(fs.list(JOB_DIR).sort()).toEqual(['chk-4', 'shared', 'taskowned']);
    expect(readState(fs, openCheckpoint(fs, `${JOB_DIR}/chk-4`))).toEqual(states[3]);
  });

  test('a checkpoint that cannot be made unaddressable keeps its tables', () => {
    const { fs, job } = threeCheckpoints();
    job.tables = [];
    job.state = new Map();
    job.checkpoint(4, states[3]);
    fs.before = (operation, path) => {
      if (operation === 'rename' && path.endsWith('chk-1')) throw errno('EACCES', path);
    };
    const report = collectGarbage(fs, JOB_DIR, { retain: [4], inFlight: nothing, sweep: true });
    expect(report).toMatchObject({ retired: [2, 3], deletedTables: 0, failures: [{ path: `${JOB_DIR}/chk-1` }] });
    expect(readState(fs, openCheckpoint(fs, `${JOB_DIR}/chk-1`))).toEqual(states[0]);
  });

  test('a dry run plans and touches nothing', () => {
    const { fs } = threeCheckpoints();
    const before = fs.tree();
    expect(collectGarbage(fs, JOB_DIR, { retain: [3], inFlight: nothing, sweep: true }, { dryRun: true }).plan.retire).toEqual([
      1, 2,
    ]);
    expect(fs.tree()).toEqual(before);
  });

  test('with no checkpoint retained, the directory of the job goes, unless a sink left something', () => {
    const { fs } = threeCheckpoints();
    fs.close(fs.open(`${JOB_DIR}/taskowned/log`, 'create'));
    collectGarbage(fs, JOB_DIR, { retain: [], inFlight: nothing, sweep: true });
    expect(fs.list(JOB_DIR)).toEqual(['taskowned']);
    fs.unlink(`${JOB_DIR}/taskowned/log`);
    collectGarbage(fs, JOB_DIR, { retain: [], inFlight: nothing, sweep: true });
    expect(fs.list('/checkpoints')).toEqual([]);
  });
});

describe('retention', () => {
  test('the newest are kept, and what is pinned', () => {
    expect(checkpointsToRetain([3, 1, 2], 1)).toEqual([3]);
    expect(checkpointsToRetain([3, 1, 2], 2)).toEqual([2, 3]);
    expect(checkpointsToRetain([3, 1, 2], 1, new Set([1, 9]))).toEqual([1, 3]);
    expect(checkpointsToRetain([3, 1, 2], 0)).toEqual([3]);
  });

  test.each([
    ['never', [false, false, false, false, false]],
    ['on-failure', [false, false, false, true, false]],
    ['on-cancellation', [false, false, true, true, true]],
    ['always', [true, true, true, true, true]],
  ] as const)('policy %s at the end of a job', (policy, kept) => {
    expect(
      (['finished', 'stopped', 'cancelled', 'failed', 'suspended'] as const).map((outcome) => isRetainedAtEnd(policy, outcome)),
    ).toEqual(kept);
  });
});
