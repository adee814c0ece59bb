import { describe, expect, test } from 'vitest';
import { encodeManifest } from '../../src/format/manifest.ts';
import { linkTables } from '../../src/snapshot/link-in.ts';
import { sharedDirectory, tablePath } from '../../src/snapshot/paths.ts';
import type { VerifyResult } from '../../src/snapshot/verify-task.ts';
import { verifyCheckpoint } from '../../src/snapshot/verify.ts';
import { Checkpointer, digestOf, JOB_DIR, manifestOf } from './job-tools.ts';
import { errno, SimFs } from './sim-fs.ts';

const CHECKPOINT = `${JOB_DIR}/chk-2`;
const state = new Map([
  ['a', '2'],
  ['b', '3'],
]);

function disk(): { fs: SimFs; job: Checkpointer } {
  const fs = new SimFs();
  const job = new Checkpointer(fs);
  job.checkpoint(
    1,
    new Map([
      ['a', '1'],
      ['gone', 'x'],
    ]),
  );
  job.checkpoint(2, state);
  return { fs, job };
}

describe('verify', () => {
  test('a sound checkpoint has its files, its bytes and the digests of its states', async () => {
    const { fs, job } = disk();
    const bytes = job.tables.reduce((sum, table) => sum + table.sizeBytes, 0);
    expect(await verifyCheckpoint(fs, CHECKPOINT, { deep: true })).toEqual({
      directory: CHECKPOINT,
      ok: true,
      deep: true,
      files: 2,
      bytes,
      problems: [],
      states: [{ uid: 'count', name: 'total', entries: 2, digest: digestOf(state), matches: true }],
    });
  });

  test('a checkpoint that the job deletes meanwhile is not called damaged', async () => {
    const { fs, job } = disk();
    const run = async (): Promise<readonly VerifyResult[]> => {
      fs.unlink(`${CHECKPOINT}/_metadata`);
      const problem = {
        path: tablePath(sharedDirectory(JOB_DIR), job.tables[0].hash),
        code: 'ERR_FILE_MISSING' as const,
        message: '',
      };
      return [{ problem, digest: '', entries: 0 }];
    };
    await expect(verifyCheckpoint(fs, CHECKPOINT, { deep: false, run })).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_NOT_FOUND',
      message: expect.stringContaining('deleted while it was read'),
    });
  });

  test('whole tables that are not the state that was checkpointed are found by the digest', async () => {
    const { fs, job } = disk();
    fs.file(`${CHECKPOINT}/_metadata`).bytes = encodeManifest(manifestOf(2, job.tables.slice(1), state));
    expect((await verifyCheckpoint(fs, CHECKPOINT, { deep: false })).ok).toBe(true);
    expect(await verifyCheckpoint(fs, CHECKPOINT, { deep: true })).toMatchObject({
      ok: false,
      problems: [{ message: expect.stringContaining('"total"') }],
      states: [{ matches: false }],
    });
  });

  test('every damaged byte of every table is found, also without going deep', async () => {
    const { fs, job } = disk();
    for (const table of job.tables) {
      const file = fs.file(tablePath(sharedDirectory(JOB_DIR), table.hash));
      const sound = file.bytes;
      for (let at = 0; at < sound.length; at++) {
        file.bytes = Buffer.from(sound);
        file.bytes[at] ^= 0x10;
        expect((await verifyCheckpoint(fs, CHECKPOINT, { deep: false })).problems).toMatchObject([{ code: 'ERR_TABLE_CORRUPT' }]);
      }
      file.bytes = sound;
    }
  });
});

describe('verify: key groups', () => {
  test('a subtask that owns other key groups than its number says is a problem, and so is a table that is gone', async () => {
    const { fs, job } = disk();
    const sound = manifestOf(2, job.tables, state);
    const [stage] = sound.stages;
    const moved = { ...sound, stages: [{ ...stage, subtasks: [{ ...stage.subtasks[0], keyGroups: { start: 0, end: 126 } }] }] };
    fs.file(`${CHECKPOINT}/_metadata`).bytes = encodeManifest(moved);
    fs.unlink(tablePath(sharedDirectory(JOB_DIR), job.tables[0].hash));
    expect((await verifyCheckpoint(fs, CHECKPOINT, { deep: true })).problems).toMatchObject([
      { code: 'ERR_MANIFEST_CORRUPT', message: expect.stringContaining('0 to 126') },
      { code: 'ERR_FILE_MISSING' },
    ]);
  });
});

describe('link in', () => {
  const located = (job: Checkpointer) =>
    job.tables.map((table) => ({ table, path: tablePath(sharedDirectory(JOB_DIR), table.hash) }));

  test('tables of another checkpoint are linked, without a byte being written', () => {
    const { fs, job } = disk();
    fs.makeDirectory('/own');
    fs.before = (operation) => {
      if (operation === 'write') throw new Error('no writes');
    };
    expect(linkTables(fs, located(job), '/own')).toEqual({ linked: 2, copied: 0, present: 0 });
    expect(linkTables(fs, located(job), '/own')).toEqual({ linked: 0, copied: 0, present: 2 });
  });

  test('where the file system cannot link they are copied, and a copy with another hash is refused', () => {
    const { fs, job } = disk();
    fs.makeDirectory('/own');
    fs.before = (operation, path) => {
      if (operation === 'link') throw errno('EXDEV', path);
    };
    expect(linkTables(fs, located(job).slice(0, 1), '/own')).toEqual({ linked: 0, copied: 1, present: 0 });
    const source = fs.file(located(job)[1].path);
    source.bytes = Buffer.from(source.bytes);
    source.bytes[20] ^= 1;
    expect(() => linkTables(fs, located(job).slice(1), '/own')).toThrow(expect.objectContaining({ code: 'ERR_TABLE_CORRUPT' }));
    expect(fs.list('/own')).toHaveLength(1);
  });
});
