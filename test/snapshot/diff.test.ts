import { describe, expect, test } from 'vitest';
import { ALL_HASHES } from '../../src/snapshot/hash-range.ts';
import { createRandom } from '../support/random.mjs';
import type { ListState, MapState, ValueState } from '../../src/job/process.ts';
import { list, map, value } from '../../src/job/state.ts';
import * as t from '../../src/job/types.ts';
import { type ChangedKey, listChangedKeys } from '../../src/snapshot/changed-keys.ts';
import { diffCheckpoints } from '../../src/snapshot/diff.ts';
import { planDiff } from '../../src/snapshot/diff-plan.ts';
import { keyGroupRange } from '../../src/format/key-groups.ts';
import type { Manifest, TableRef } from '../../src/format/manifest.ts';
import { mergeTables } from '../../src/snapshot/merge.ts';
import { sharedDirectory, tablePath } from '../../src/snapshot/paths.ts';
import { withTables, writeTable } from '../../src/snapshot/table-file.ts';
import { JOB_DIR, JOB_ID, manifestOf } from './job-tools.ts';
import { KeyedJob } from './keyed-job.ts';
import { SimFs } from './sim-fs.ts';

const SPECS = {
  total: value(t.i32).spec,
  name: value(t.string).spec,
  lines: list(t.string).spec,
  seen: map(t.string, t.i32).spec,
};

/** Merges tables `from` to before `to` of a subtask, as the background does. */
function merge(fs: SimFs, job: KeyedJob, subtask: number, from: number, to: number): void {
  const tables = job.tablesOf(subtask);
  const run = tables.slice(from, to);
  const located = run.map((table) => ({ table, path: tablePath(sharedDirectory(JOB_DIR), table.hash) }));
  const merged = withTables(fs, located, (readers) =>
    writeTable(fs, sharedDirectory(JOB_DIR), { compression: 'none', createdBy: run[0].createdBy }, (writer) =>
      mergeTables(writer, readers, { range: ALL_HASHES, dropTombstones: to === tables.length }),
    ),
  );
  job.setTables(subtask, [...tables.slice(0, from), ...(merged === null ? [] : [merged]), ...tables.slice(to)]);
}

function keysOf(fs: SimFs, a: string, b: string): string[] {
  const keys: ChangedKey[] = [];
  diffCheckpoints(fs, a, b, { onChange: listChangedKeys((key) => keys.push(key)) });
  return keys.map(({ state, change, key, mapKey }) => [change, state, key, mapKey ?? ''].map(String).join(' ').trimEnd()).sort();
}

describe('diff', () => {
  test('keys are listed as a user knows them, in both directions', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, SPECS);
    job.at<ValueState<string>>('ada', 'name').set('Ada');
    job.at<ValueState<number>>('gone', 'total').set(1);
    job.at<ValueState<number>>('same', 'total').set(1);
    job.at<ListState<string>>('ada', 'lines').addAll(Array.from({ length: 300 }, (_, i) => `line ${i}`));
    for (let i = 0; i < 20; i++) job.at<MapState<string, number>>('ada', 'seen').set(`page ${i}`, i);
    const a = job.checkpoint(1);
    job.at<ValueState<string>>('ada', 'name').set('Ada L.');
    job.at<ValueState<number>>('gone', 'total').clear();
    job.at<ValueState<number>>('new', 'total').set(2);
    job.at<ValueState<number>>('same', 'total').set(1);
    job.at<ListState<string>>('ada', 'lines').add('one more');
    job.at<MapState<string, number>>('ada', 'seen').set('page 3', 33);
    job.at<MapState<string, number>>('ada', 'seen').delete('page 4');
    const b = job.checkpoint(2);
    expect(keysOf(fs, a, b)).toEqual([
      'added total new',
      'changed lines ada',
      'changed name ada',
      'changed seen ada page 3',
      'removed seen ada page 4',
      'removed total gone',
    ]);
    expect(keysOf(fs, b, a)).toEqual([
      'added seen ada page 4',
      'added total gone',
      'changed lines ada',
      'changed name ada',
      'changed seen ada page 3',
      'removed total new',
    ]);
    // Little is read for it, so nobody has to ask for it.
    expect(diffCheckpoints(fs, a, b)).toMatchObject({ states: diffCheckpoints(fs, a, b, { exact: true }).states });
    expect(diffCheckpoints(fs, a, b, { lookUpBytes: 0 }).states.find(({ state }) => state === 'total')).toMatchObject({
      method: 'counted',
      sample: { lookedUp: 0, asBefore: 0 },
      entries: [2, 2],
      added: { entries: 1, bytes: null },
      removed: { entries: 1 },
      // `same` was written again.
      changed: { entries: 1 },
    });
    expect(diffCheckpoints(fs, a, b, { exact: true }).states.find(({ state }) => state === 'name')).toMatchObject({
      method: 'compared',
      changed: { entries: 1, bytes: 4 + 16 },
    });
  });

  test('whatever was merged in between, all pairs of checkpoints differ in what a comparison of their contents says', () => {
    const random = createRandom(7);
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: SPECS.total }, { parallelism: 3 });
    const content: Map<string, number>[] = [];
    const paths: string[] = [];
    const state = new Map<string, number>();
    for (let id = 1; id <= 9; id++) {
      for (let i = 0; i < 60; i++) {
        const key = `k${random.int(80)}`;
        if (random.float() < 0.3) {
          state.delete(key);
          job.at<ValueState<number>>(key, 'total').clear();
        } else {
          const number = random.int(3);
          state.set(key, number);
          job.at<ValueState<number>>(key, 'total').set(number);
        }
      }
      paths.push(job.checkpoint(id));
      content.push(new Map(state));
      for (let subtask = 0; subtask < 3; subtask++) {
        const { length } = job.tablesOf(subtask);
        const from = random.int(length);
        if (length - from >= 2) merge(fs, job, subtask, from, from + 2 + random.int(length - from - 1));
      }
    }
    for (const [i, a] of paths.entries()) {
      for (const [j, b] of paths.entries()) {
        const expected: string[] = [];
        for (const key of new Set([...content[i].keys(), ...content[j].keys()])) {
          const [was, is] = [content[i].get(key), content[j].get(key)];
          if (was === is) continue;
          expected.push(`${was === undefined ? 'added' : is === undefined ? 'removed' : 'changed'} total ${key}`);
        }
        expect(keysOf(fs, a, b), `${i + 1} to ${j + 1}`).toEqual(expected.sort());
      }
    }
  });

  test('of neighbours at 1 % change at most 3 % of the bytes are read, also after a merge', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: SPECS.total });
    const total = 200_000;
    for (let i = 0; i < total; i++) job.at<ValueState<number>>(`user ${i}`, 'total').set(i);
    const paths = [job.checkpoint(1)];
    for (let id = 2; id <= 4; id++) {
      for (let i = 0; i < total / 100; i++) job.at<ValueState<number>>(`user ${(i * 97 + id) % total}`, 'total').set(-id);
      job.at<ValueState<number>>(`new ${id}`, 'total').set(id);
      paths.push(job.checkpoint(id));
      if (id === 3) merge(fs, job, 0, 0, 2);
    }
    for (const [i, a] of paths.slice(0, -1).entries()) {
      const diff = diffCheckpoints(fs, a, paths[i + 1], { lookUpBytes: 0 });
      expect(diff.states).toMatchObject([
        { method: 'counted', added: { entries: 1 }, removed: { entries: 0 }, changed: { entries: total / 100 } },
      ]);
      expect(diff.bytesRead / diff.totalBytes).toBeLessThan(0.03);
    }
  });

  /** A state of many blocks, and what of it is written again: some as it was, some that come and go. */
  function spread(): { fs: SimFs; a: string; b: string; written: number; asBefore: number } {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { name: SPECS.name }, { parallelism: 1 });
    const set = (key: number, text: string): void => job.at<ValueState<string>>(`user ${key}`, 'name').set(text.padEnd(40));
    for (let i = 0; i < 40_000; i++) set(i, `${i}`);
    job.checkpoint(1);
    for (let i = 0; i < 40_000; i += 1000) job.at<ValueState<string>>(`user ${i}`, 'name').clear();
    const a = job.checkpoint(2);
    let [written, asBefore] = [0, 0];
    for (let i = 0; i < 40_000; i += 50) {
      written++;
      if (i % 1000 === 0) {
        set(i, 'back');
        job.at<ValueState<string>>(`user ${i}`, 'name').clear();
        asBefore++;
      } else if (i % 200 === 0) {
        set(i, `${i}`);
        asBefore++;
      } else set(i, 'new');
    }
    return { fs, a, b: job.checkpoint(3), written, asBefore };
  }

  test('where looking up would read much, a sample says how far the count may be off, within the bytes that are allowed', () => {
    const { fs, a, b, written, asBefore } = spread();
    const exact = diffCheckpoints(fs, a, b, { exact: true });
    expect(exact.states).toMatchObject([{ method: 'compared', sample: null, changed: { entries: written - asBefore } }]);
    const lookUpBytes = Math.floor(exact.bytesRead * 0.7);
    const counted = diffCheckpoints(fs, a, b, { lookUpBytes });
    const unread = diffCheckpoints(fs, a, b, { lookUpBytes: 0 });
    expect(counted.bytesRead - unread.bytesRead).toBeLessThanOrEqual(lookUpBytes);
    const [{ method, sample, added, removed, changed }] = counted.states;
    expect(method).toBe('counted');
    // Those that came and went count as added and as removed.
    expect([added.entries, removed.entries, changed.entries]).toEqual([40, 40, written - 80]);
    expect(sample?.lookedUp).toBeGreaterThan(40);
    const share = (sample?.asBefore ?? 0) / (sample?.lookedUp ?? 1);
    expect(Math.abs(share - asBefore / written)).toBeLessThan(0.15);
    expect(unread.states[0].sample).toEqual({ lookedUp: 0, asBefore: 0 });
  });

  test('where what was written lies in few blocks, it is compared although the state is large', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { name: SPECS.name }, { parallelism: 1 });
    for (let i = 0; i < 40_000; i++) job.at<ValueState<string>>(`user ${i}`, 'name').set(`${i}`.padEnd(40));
    const a = job.checkpoint(1);
    for (const i of [3, 5, 7]) job.at<ValueState<string>>(`user ${i}`, 'name').set(i === 5 ? '5'.padEnd(40) : 'new');
    const b = job.checkpoint(2);
    const diff = diffCheckpoints(fs, a, b, { lookUpBytes: 400_000 });
    expect(diff.states).toMatchObject([{ method: 'compared', added: { entries: 0 }, changed: { entries: 2 } }]);
    expect(diff.bytesRead).toBeLessThan(0.2 * diff.totalBytes);
  });

  test('what changed before a savepoint in between belongs to the difference as well', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: SPECS.total });
    for (const key of ['a', 'b', 'c']) job.at<ValueState<number>>(key, 'total').set(1);
    const a = job.checkpoint(1);
    job.at<ValueState<number>>('a', 'total').set(2);
    job.barrier(2);
    job.at<ValueState<number>>('b', 'total').set(2);
    job.at<ValueState<number>>('d', 'total').set(2);
    const b = job.checkpoint(3, { parent: { jobId: JOB_ID, checkpointId: 1 } });
    expect(diffCheckpoints(fs, a, b).states).toMatchObject([{ added: { entries: 1 }, changed: { entries: 2 } }]);
    expect(keysOf(fs, a, b)).toEqual(['added total d', 'changed total a', 'changed total b']);
  });

  test('the hashes are cut where a range or a clip begins in either, and tables beneath both are common', () => {
    const table = (name: string, clip?: readonly [number, number]): TableRef => ({
      hash: name.repeat(32),
      sizeBytes: 10,
      entries: 1,
      tombstones: 0,
      createdBy: 1,
      ...(clip && { clip }),
    });
    const manifest = (parts: readonly (readonly TableRef[])[]): Manifest => {
      const base = manifestOf(1, [], new Map());
      const [stage] = base.stages;
      return {
        ...base,
        stages: [
          {
            ...stage,
            parallelism: parts.length,
            maxParallelism: 4,
            subtasks: parts.map((tables, subtask) => ({
              ...stage.subtasks[0],
              subtask,
              tables,
              keyGroups: keyGroupRange(subtask, 4, parts.length),
            })),
          },
        ],
      };
    };
    const half = 2 ** 31;
    const one = manifest([[table('b'), table('a')]]);
    // Rescaled to two, the second of which has merged its part.
    const two = manifest([[table('c'), table('b', [0, half - 1]), table('a', [0, half - 1])], [table('d')]]);
    const shown = planDiff(one, two, 'count', false).map(({ range, before, after, common }) =>
      [
        `${range.first}-${range.last}`,
        ...[before, after, common].map((tables) => tables.map(({ hash }) => hash[0]).join('')),
      ].join(' '),
    );
    expect(shown).toEqual([`0-${half - 1}  c ba`, `${half}-${2 * half - 1} ba d `]);
  });

  test('states of equal digests are not read, and a state that only one has is wholly added or removed', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, SPECS);
    job.at<ValueState<number>>('ada', 'total').set(1);
    const a = job.checkpoint(1);
    job.at<ValueState<string>>('ada', 'name').set('Ada');
    const b = job.checkpoint(2);
    expect(diffCheckpoints(fs, a, a)).toMatchObject({
      states: Object.keys(SPECS).map((state) => ({ state, method: 'equal' })),
      files: { onlyA: { files: 0 }, onlyB: { files: 0 } },
    });
    const bytes = fs.file(`${a}/_metadata`).bytes.length;
    expect(diffCheckpoints(fs, a, a).bytesRead).toBe(2 * bytes);
    expect(diffCheckpoints(fs, a, b, { exact: true }).states).toMatchObject([
      { state: 'total', method: 'equal' },
      { state: 'name', added: { entries: 1, bytes: 4 + 16 } },
      { state: 'lines', method: 'equal' },
      { state: 'seen', method: 'equal' },
    ]);
  });
});
