import { describe, expect, test } from 'vitest';
import { decideResume, findCheckpointsByName, openCheckpoint, readCheckpoint } from '../../src/snapshot/restore.ts';
import { tablePath, sharedDirectory } from '../../src/snapshot/paths.ts';
import { encodeManifest } from '../../src/format/manifest.ts';
import { publishSavepoint, publishCheckpoint, prepareJobDirectory } from '../../src/snapshot/publish.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { BASE, Checkpointer, JOB_DIR, manifestOf, readState, writeDelta } from './job-tools.ts';
import { SimFs } from './sim-fs.ts';

const OTHER_JOB = 'fedcba9876543210fedcba9876543210';
const one = new Map([['a', '1']]);
const two = new Map([
  ['a', '2'],
  ['b', '3'],
]);

function twoCheckpoints(): { fs: SimFs; job: Checkpointer } {
  const fs = new SimFs();
  const job = new Checkpointer(fs);
  job.checkpoint(1, one);
  job.checkpoint(2, two);
  return { fs, job };
}

const code = (expected: string, text = '') => expect.objectContaining({ code: expected, message: expect.stringContaining(text) });

describe('restore', () => {
  test('a checkpoint is opened by its directory and by its _metadata file', () => {
    const { fs } = twoCheckpoints();
    expect(readState(fs, openCheckpoint(fs, `${JOB_DIR}/chk-1`))).toEqual(one);
    expect(readState(fs, openCheckpoint(fs, `${JOB_DIR}/chk-2/_metadata`))).toEqual(two);
  });

  test('reading leaves every byte and every name as it was', () => {
    const { fs } = twoCheckpoints();
    const before = fs.tree();
    readState(fs, openCheckpoint(fs, `${JOB_DIR}/chk-2`));
    findCheckpointsByName(fs, BASE, 'test job');
    expect(fs.tree()).toEqual(before);
    expect(fs.openFiles).toBe(0);
  });

  test('a path that does not exist, and a directory without a manifest, are ERR_CHECKPOINT_NOT_FOUND and say what is there', () => {
    const { fs } = twoCheckpoints();
    expect(() => openCheckpoint(fs, '/nowhere')).toThrow(code('ERR_CHECKPOINT_NOT_FOUND', 'does not exist'));
    expect(() => openCheckpoint(fs, JOB_DIR)).toThrow(code('ERR_CHECKPOINT_NOT_FOUND', 'chk-1, chk-2, shared'));
  });

  test('all missing tables are named', () => {
    const { fs, job } = twoCheckpoints();
    const paths = job.tables.map((table) => tablePath(sharedDirectory(JOB_DIR), table.hash));
    for (const path of paths) fs.unlink(path);
    for (const path of paths) expect(() => openCheckpoint(fs, `${JOB_DIR}/chk-2`)).toThrow(code('ERR_FILE_MISSING', path));
  });

  test('a table that was cut short is ERR_TABLE_CORRUPT with both sizes', () => {
    const { fs, job } = twoCheckpoints();
    const file = fs.file(tablePath(sharedDirectory(JOB_DIR), job.tables[0].hash));
    const size = file.bytes.length;
    file.bytes = file.bytes.subarray(0, 100);
    expect(() => openCheckpoint(fs, `${JOB_DIR}/chk-2`)).toThrow(
      code('ERR_TABLE_CORRUPT', `100 bytes, the manifest of ${JOB_DIR}/chk-2 says ${size}`),
    );
  });

  test('two tables of equal size that were swapped are noticed by their hash', async () => {
    const fs = new SimFs();
    const job = new Checkpointer(fs);
    job.checkpoint(1, new Map([['a', '1']]));
    job.checkpoint(2, new Map([['a', '2']]));
    const [a, b] = job.tables.map((table) => fs.file(tablePath(sharedDirectory(JOB_DIR), table.hash)));
    [a.bytes, b.bytes] = [b.bytes, a.bytes];
    expect((await verify(fs)).ok).toBe(false);
    expect((await verify(fs)).problems.map((problem) => problem.code)).toEqual(['ERR_TABLE_CORRUPT', 'ERR_TABLE_CORRUPT']);
  });

  test('a manifest of another checkpoint or job in its place is ERR_MANIFEST_CORRUPT', () => {
    const { fs } = twoCheckpoints();
    fs.file(`${JOB_DIR}/chk-2/_metadata`).bytes = fs.file(`${JOB_DIR}/chk-1/_metadata`).bytes;
    expect(() => readCheckpoint(fs, `${JOB_DIR}/chk-2`)).toThrow(code('ERR_MANIFEST_CORRUPT', 'checkpoint 1, not 2'));
    fs.file(`${JOB_DIR}/chk-2/_metadata`).bytes = encodeManifest(manifestOf(2, [], two, { jobId: OTHER_JOB }));
    expect(() => readCheckpoint(fs, `${JOB_DIR}/chk-2`)).toThrow(code('ERR_MANIFEST_CORRUPT', OTHER_JOB));
  });

  test('a savepoint has its tables beside it and can be moved', () => {
    const fs = new SimFs();
    const path = publishSavepoint(fs, '/savepoints', 'savepoint-012345-0123456789ab', (directory) =>
      manifestOf(3, [writeDelta(fs, directory, 3, two)!], two, { kind: 'savepoint', savepointFormat: 'canonical' }),
    );
    expect(readState(fs, openCheckpoint(fs, path))).toEqual(two);
    fs.rename('/savepoints', '/elsewhere');
    expect(readState(fs, openCheckpoint(fs, '/elsewhere/savepoint-012345-0123456789ab'))).toEqual(two);
  });
});

describe('resume', () => {
  test('the newest checkpoint of the job name is found over job ids, and other jobs are passed by', () => {
    const { fs } = twoCheckpoints();
    publishAs(fs, OTHER_JOB, 7, { jobName: 'other job', completedAt: '2027-01-01T00:00:00Z' });
    expect(findCheckpointsByName(fs, BASE, 'test job').map((found) => found.checkpointId)).toEqual([2, 1]);
    publishAs(fs, 'a'.repeat(32), 3, { completedAt: '2026-06-01T00:00:00Z' });
    expect(findCheckpointsByName(fs, BASE, 'test job').map((found) => [found.jobId[0], found.checkpointId])).toEqual([
      ['a', 3],
      ['0', 2],
      ['0', 1],
    ]);
  });

  test('a damaged newest checkpoint is an error, and with fallback is passed over with its reason', () => {
    const { fs } = twoCheckpoints();
    const file = fs.file(`${JOB_DIR}/chk-2/_metadata`);
    file.bytes = file.bytes.subarray(0, -1);
    const found = findCheckpointsByName(fs, BASE, 'test job');
    expect(() => decideResume(found, false)).toThrow(code('ERR_MANIFEST_CORRUPT'));
    const decision = decideResume(found, true);
    expect(decision.checkpoint?.manifest.checkpointId).toBe(1);
    expect(decision.passedOver).toEqual([
      { directory: `${JOB_DIR}/chk-2`, reason: expect.stringContaining('ERR_MANIFEST_CORRUPT') },
    ]);
  });

  test('a directory in which nothing can be read is not taken for an empty start', () => {
    const fs = new SimFs();
    new Checkpointer(fs).checkpoint(1, one);
    fs.file(`${JOB_DIR}/chk-1/_metadata`).bytes = Buffer.from('?');
    expect(() => decideResume(findCheckpointsByName(fs, BASE, 'test job'), false)).toThrow(code('ERR_MANIFEST_CORRUPT'));
  });

  test('no checkpoint at all is an empty start', () => {
    expect(decideResume(findCheckpointsByName(new SimFs(), BASE, 'test job'), false)).toEqual({
      checkpoint: null,
      passedOver: [],
    });
  });
});

function publishAs(fs: SimFs, jobId: string, checkpointId: number, changed: object): void {
  prepareJobDirectory(fs, `${BASE}/${jobId}`);
  publishCheckpoint(fs, `${BASE}/${jobId}`, manifestOf(checkpointId, [], one, { jobId, ...changed }));
}

function verify(fs: SimFs) {
  return verifyCheckpoint(fs, `${JOB_DIR}/chk-2`, { deep: true });
}
