import { describe, expect, test } from 'vitest';
import type { ListState, MapState, ValueState } from '../../src/job/process.ts';
import { list, map, value } from '../../src/job/state.ts';
import * as t from '../../src/job/types.ts';
import { exportState, type ExportRow } from '../../src/snapshot/export.ts';
import { KeyedJob } from './keyed-job.ts';
import { SimFs } from './sim-fs.ts';

describe('export', () => {
  test('every key of every subtask comes once, with what it holds at that checkpoint', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: value(t.i32).spec, lines: list(t.string).spec, seen: map(t.string, t.i32).spec });
    const users = Array.from({ length: 50 }, (_, i) => `user ${i}`);
    for (const [i, user] of users.entries()) {
      job.at<ValueState<number>>(user, 'total').set(i);
      job.at<ListState<string>>(user, 'lines').addAll(Array.from({ length: 20 * (i % 7) }, (_unused, line) => `${i} ${line}`));
      for (let page = 0; page < i % 5; page++) job.at<MapState<string, number>>(user, 'seen').set(`page ${page}`, i);
    }
    job.checkpoint(1);
    job.at<ValueState<number>>('user 7', 'total').clear();
    job.at<ValueState<number>>('user 8', 'total').set(-8);
    const path = job.checkpoint(2);

    const rows = (state: string): ExportRow[] => [...exportState(fs, path, 'op', state).rows];
    expect(new Map(rows('total').map(({ key, value: of }) => [key, of]))).toEqual(
      new Map(users.map((user, i) => [user, i === 8 ? -8 : i] as const).filter(([user]) => user !== 'user 7')),
    );
    expect(rows('total')).toHaveLength(49);
    expect(Object.fromEntries(rows('lines').map(({ key, value: of }) => [key, (of as unknown[]).length]))).toEqual(
      Object.fromEntries(users.map((user, i) => [user, 20 * (i % 7)]).filter(([, n]) => n !== 0)),
    );
    expect(rows('seen').filter(({ key }) => key === 'user 9')).toEqual(
      [0, 1, 2, 3].map((page) => ({ key: 'user 9', mapKey: `page ${page}`, value: 9 })),
    );
  });

  test('a reader that stops early leaves no file open', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: value(t.i32).spec });
    for (let i = 0; i < 10; i++) job.at<ValueState<number>>(`user ${i}`, 'total').set(i);
    const path = job.checkpoint(1);
    let [opened, closed] = [0, 0];
    fs.before = (operation) => {
      if (operation === 'open') opened++;
      if (operation === 'close') closed++;
    };
    const { rows } = exportState(fs, path, 'op', 'total');
    rows.next();
    expect(opened).toBeGreaterThan(closed);
    rows.return();
    expect(opened).toBe(closed);
  });
});
