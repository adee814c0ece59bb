import { describe, expect, test } from 'vitest';
import { isTidemarkError } from '../../src/format/errors.ts';
import { savepointName, tablePath } from '../../src/snapshot/paths.ts';
import { openCheckpoint, readCheckpoint } from '../../src/snapshot/restore.ts';
import { discardSavepoint, disposeSavepoint, type SavepointFormat, writeSavepoint } from '../../src/snapshot/savepoint.ts';
import { Checkpointer, JOB_DIR, JOB_ID, readState, type State } from './job-tools.ts';
import { errno, randomFrom, SimFs } from './sim-fs.ts';

const FORMATS = ['canonical', 'native'] as const;
const TARGET = '/savepoints';
const NAME = savepointName(JOB_ID);
const PATH = `${TARGET}/${NAME}`;
/** The newest state: in three tables, with a value that changed and a key that went. */
const STATES = [
  new Map([
    ['a', '1'],
    ['b', '1'],
    ['c', '1'],
  ]),
  new Map([
    ['a', '2'],
    ['b', '1'],
    ['c', '1'],
  ]),
  new Map([
    ['a', '2'],
    ['c', '1'],
    ['d', '3'],
  ]),
] satisfies State[];
const LAST = STATES[2];

function threeCheckpoints(): SimFs {
  const fs = new SimFs();
  const job = new Checkpointer(fs);
  STATES.forEach((state, i) => job.checkpoint(i + 1, state));
  fs.makeDirectory(TARGET);
  return fs;
}

function save(fs: SimFs, format: SavepointFormat, name = NAME): string {
  const { manifest, tableDirectory } = readCheckpoint(fs, `${JOB_DIR}/chk-3`);
  const pathOf = (hash: string): string => tablePath(tableDirectory, hash);
  return writeSavepoint(fs, manifest, { target: TARGET, name, format, compression: 'none', tablePath: pathOf }).path;
}

/** Makes operation number `at` fail; says whether it came to that. */
function failAt(fs: SimFs, at: number): () => boolean {
  let count = 0;
  fs.before = (operation) => {
    if (operation !== 'close' && ++count === at) throw errno('EIO', `operation ${at}`);
  };
  return () => count >= at;
}

describe.each(FORMATS)('savepoint, %s', (format) => {
  test('has the state of its checkpoint, also when nothing of the job is left', () => {
    const fs = threeCheckpoints();
    const path = save(fs, format);
    expect(path).toBe(PATH);
    fs.rename(JOB_DIR, `${JOB_DIR}-gone`);
    expect(readState(fs, openCheckpoint(fs, path))).toEqual(LAST);
    expect(readCheckpoint(fs, path).manifest).toMatchObject({ kind: 'savepoint', savepointFormat: format, checkpointId: 3 });
  });

  test('when any file operation fails there is either a whole one or nothing, and the checkpoint is as it was', () => {
    let failures = 0;
    for (let at = 1; ; at++) {
      const fs = threeCheckpoints();
      const before = fs.tree().filter((path) => path.startsWith(JOB_DIR));
      const failed = failAt(fs, at);
      let error: unknown = null;
      try {
        save(fs, format);
      } catch (caught) {
        error = caught;
      }
      fs.before = () => undefined;
      if (!failed()) break;
      if (error !== null) {
        failures++;
        expect(isTidemarkError(error)).toBe(true);
        // What cleaning up could not remove, the main thread removes by name.
        discardSavepoint(fs, TARGET, NAME, null);
        expect(fs.list(TARGET)).toEqual([]);
      }
      expect(fs.tree().filter((path) => path.startsWith(JOB_DIR))).toEqual(before);
      expect(readState(fs, openCheckpoint(fs, `${JOB_DIR}/chk-3`))).toEqual(LAST);
    }
    expect(failures).toBeGreaterThan(5);
  });

  test('after a crash at any point of its disposal it is whole or cannot be addressed', () => {
    for (let at = 1; ; at++) {
      const fs = threeCheckpoints();
      save(fs, format);
      let count = 0;
      let image: SimFs | null = null;
      fs.before = () => {
        if (++count === at) image = fs.crash(randomFrom(at));
      };
      disposeSavepoint(fs, PATH);
      if (image === null) break;
      if ((image as SimFs).tree().some((path) => path === `${PATH}/_metadata`))
        expect(readState(image, openCheckpoint(image, PATH))).toEqual(LAST);
    }
  });

  test('disposal deletes what is its own, and leaves the rest with the directory', () => {
    const fs = threeCheckpoints();
    save(fs, format);
    const fd = fs.open(`${PATH}/notes`, 'create');
    fs.close(fd);
    expect(disposeSavepoint(fs, PATH)).toMatchObject({ foreign: ['notes'] });
    expect(fs.list(PATH)).toEqual(['notes']);
    expect(() => disposeSavepoint(fs, PATH)).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT_NOT_FOUND' }));
    // The name ends in random digits.
    const other = NAME.endsWith('0') ? '1' : '0';
    save(fs, format, `${NAME.slice(0, -1)}${other}`);
    expect(disposeSavepoint(fs, `${PATH.slice(0, -1)}${other}`).files).toBe(format === 'canonical' ? 1 : 3);
    expect(fs.list(TARGET)).toEqual([NAME]);
  });
});

test('savepoint: a checkpoint is not disposed of', () => {
  const fs = threeCheckpoints();
  expect(() => disposeSavepoint(fs, `${JOB_DIR}/chk-3`)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG' }));
  expect(readState(fs, openCheckpoint(fs, `${JOB_DIR}/chk-3`))).toEqual(LAST);
});
