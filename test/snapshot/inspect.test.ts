import { describe, expect, test } from 'vitest';
import type { ListState, MapState, ValueState } from '../../src/job/process.ts';
import { list, map, value } from '../../src/job/state.ts';
import * as t from '../../src/job/types.ts';
import { inspectCheckpoint, listCheckpoints } from '../../src/snapshot/inspect.ts';
import { BASE, Checkpointer, JOB_DIR } from './job-tools.ts';
import { KeyedJob } from './keyed-job.ts';
import { SimFs } from './sim-fs.ts';

describe('inspect', () => {
  test('a checkpoint is summed up, and a directory listed with what is wrong', () => {
    const fs = new SimFs();
    const job = new Checkpointer(fs);
    job.checkpoint(
      1,
      new Map([
        ['a', '1'],
        ['gone', 'x'],
      ]),
    );
    const path = job.checkpoint(
      2,
      new Map([
        ['a', '2'],
        ['b', '3'],
      ]),
    );
    expect(inspectCheckpoint(fs, path)).toMatchObject({
      checkpointId: 2,
      directory: path,
      stages: [{ operators: ['count'], tables: 2 }],
      states: [{ uid: 'count', state: 'total', entries: 2, storedEntries: 5, tombstones: 1, tables: 2 }],
      weights: null,
    });
    fs.file(`${JOB_DIR}/chk-1/_metadata`).bytes = Buffer.alloc(3);
    for (const directory of [BASE, JOB_DIR]) {
      expect(listCheckpoints(fs, directory)).toMatchObject([
        { checkpointId: 2, jobName: 'test job', entries: 2, problem: null },
        { checkpointId: 1, jobName: null, problem: { code: 'ERR_MANIFEST_CORRUPT' } },
      ]);
    }
  });

  test('stored bytes are the bytes of the tables but for their frames', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: value(t.i32).spec, name: value(t.string).spec });
    for (let i = 0; i < 1000; i++) {
      job.at<ValueState<number>>(`user ${i}`, 'total').set(i);
      job.at<ValueState<string>>(`user ${i}`, 'name').set(`name ${i}`);
    }
    const { states, tables } = inspectCheckpoint(fs, job.checkpoint(1));
    const stored = states.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    const inFiles = tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(stored).toBeLessThan(inFiles);
    expect(inFiles - stored).toBeLessThan(2000);
    expect(states.map(({ state, storedEntries }) => `${state} ${storedEntries}`)).toEqual(['total 1000', 'name 1000']);
  });

  test('every live entry is in its key group, and the heaviest keys come first with all that they have', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: value(t.i32).spec, lines: list(t.string).spec, seen: map(t.string, t.i32).spec });
    for (let i = 0; i < 200; i++) {
      job.at<ValueState<number>>(`user ${i}`, 'total').set(i);
      job
        .at<ListState<string>>(`user ${i}`, 'lines')
        .addAll(Array.from({ length: i > 190 ? 100 * (i - 190) : 1 }, () => 'a line of text'));
      for (let page = 0; page < (i === 17 ? 300 : 2); page++)
        job.at<MapState<string, number>>(`user ${i}`, 'seen').set(`page ${page}`, i);
    }
    job.checkpoint(1);
    job.at<ValueState<number>>('user 0', 'total').clear();
    const { weights } = inspectCheckpoint(fs, job.checkpoint(2), { weigh: 3 });
    const [total, lines, seen] = weights ?? [];
    expect(total).toMatchObject({ entries: 199, heaviest: [{ entries: 1 }, { entries: 1 }, { entries: 1 }] });
    expect(total.keyGroups.reduce((sum, { entries }) => sum + entries, 0)).toBe(199);
    expect(total.keyGroups.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(total.bytes);
    expect(total.keyGroups.map(({ keyGroup }) => keyGroup)).toEqual(
      total.keyGroups.map(({ keyGroup }) => keyGroup).toSorted((a, b) => a - b),
    );
    expect(lines.heaviest.map(({ key }) => key)).toEqual(['user 199', 'user 198', 'user 197']);
    expect(seen.heaviest[0]).toMatchObject({ key: 'user 17' });
    expect(seen.heaviest[0].entries).toBeGreaterThan(300);
    expect(inspectCheckpoint(fs, `${JOB_DIR}/chk-2`, { weigh: 0 }).weights?.[0].heaviest).toEqual([]);
  });
});
