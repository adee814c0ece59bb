import { describe, expect, test } from 'vitest';
import { sharedDirectory, tablePath } from '../../src/snapshot/paths.ts';
import { explainFile } from '../../src/snapshot/why.ts';
import { BASE, Checkpointer, JOB_DIR } from './job-tools.ts';
import { SimFs } from './sim-fs.ts';

function disk() {
  const fs = new SimFs();
  const job = new Checkpointer(fs);
  job.checkpoint(1, new Map([['a', '1']]));
  job.checkpoint(2, new Map([['a', '2']]));
  return { fs, job };
}

describe('why', () => {
  test.each([[BASE], [JOB_DIR]])(
    'a table is needed by the checkpoints that name it, since the one that wrote it (in %s)',
    (directory) => {
      const { fs, job } = disk();
      const [newest, oldest] = job.tables;
      for (const file of [oldest.hash, `${oldest.hash}.sst`, tablePath(sharedDirectory(JOB_DIR), oldest.hash)]) {
        expect(explainFile(fs, directory, file)).toMatchObject({
          kind: 'table',
          createdBy: 1,
          sizeBytes: oldest.sizeBytes,
          neededBy: [
            { directory: `${JOB_DIR}/chk-1`, subtasks: ['count[0]'] },
            { directory: `${JOB_DIR}/chk-2`, jobName: 'test job' },
          ],
          sections: [{ uid: 'count', state: 'total', entries: 1 }],
        });
      }
      expect(explainFile(fs, directory, newest.hash)).toMatchObject({ createdBy: 2, neededBy: [{ checkpointId: 2 }] });
    },
  );

  test('a table that no manifest names is needed by nobody, and one that is gone is missed by those that name it', () => {
    const { fs, job } = disk();
    const path = tablePath(sharedDirectory(JOB_DIR), 'f'.repeat(32));
    fs.link(tablePath(sharedDirectory(JOB_DIR), job.tables[0].hash), path);
    expect(explainFile(fs, JOB_DIR, path)).toMatchObject({ kind: 'table', createdBy: null, neededBy: [] });
    fs.unlink(tablePath(sharedDirectory(JOB_DIR), job.tables[0].hash));
    expect(() => explainFile(fs, JOB_DIR, job.tables[0].hash)).toThrow(
      expect.objectContaining({ code: 'ERR_FILE_MISSING', message: expect.stringContaining(`${JOB_DIR}/chk-2 need it`) }),
    );
  });

  test('a checkpoint has tables of its own, which go with it, and such that others need', () => {
    const { fs, job } = disk();
    const [newest, oldest] = job.tables;
    expect(explainFile(fs, BASE, 'chk-2')).toMatchObject({
      own: { files: 1, bytes: newest.sizeBytes },
      shared: { files: 1, bytes: oldest.sizeBytes },
    });
    expect(explainFile(fs, JOB_DIR, `${JOB_DIR}/chk-1`)).toMatchObject({ own: { files: 0 }, shared: { files: 1 } });
  });

  test('where a manifest cannot be read nobody can tell, and a file that is none of a checkpoint is refused', () => {
    const { fs, job } = disk();
    expect(() => explainFile(fs, JOB_DIR, 'notes.txt')).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
    fs.file(`${JOB_DIR}/chk-1/_metadata`).bytes = Buffer.alloc(9);
    expect(() => explainFile(fs, JOB_DIR, job.tables[0].hash)).toThrow(expect.objectContaining({ code: 'ERR_MANIFEST_CORRUPT' }));
  });
});
