import { describe, expect, test } from 'vitest';
import type { TableRef } from '../../src/format/manifest.ts';
import type { AttemptOptions } from '../../src/main/attempt.ts';
import { DurableState } from '../../src/main/durable-state.ts';
import type { Part, PendingParts } from '../../src/main/manifest-assembly.ts';

const tableOf = (digit: string): TableRef => ({ hash: digit.repeat(32), sizeBytes: 9, entries: 1, tombstones: 0, createdBy: 1 });

/** A job of one subtask whose next checkpoint is 5. */
function fresh(): DurableState {
  const options = { firstEpoch: 5, restore: null, plan: { stages: [], subtaskCount: 1 }, tablePath: () => '' };
  return new DurableState(options as unknown as AttemptOptions, [], '/chk/job');
}

/** A barrier with its only part; null: it is being written. */
function barrier(after: number, table: TableRef | null): PendingParts {
  const persisted = table === null ? null : { table, states: [], changedEntries: 1, asyncMs: 0 };
  const part = { subtask: { index: 0 }, after, persisted } as unknown as Part;
  return { parts: new Map([[0, part]]) } as unknown as PendingParts;
}

const partsOf = ({ parts }: PendingParts): Part[] => [...parts.values()];

const [A, B, C] = ['a', 'b', 'c'].map(tableOf);

describe('durable state', () => {
  test('each barrier adds its table before the others, and a full one takes their place', () => {
    const state = fresh();
    state.take(5, barrier(4, A), []);
    state.take(6, barrier(5, B), []);
    expect(state.tablesOf(0)).toEqual([B, A]);
    state.take(7, barrier(-1, C), []);
    expect(state.tablesOf(0)).toEqual([C]);
    expect(state.lastCompleted).toBe(7);
  });

  test('versions are kept for a delta that is being written to an older barrier, although a newer one is complete', () => {
    const state = fresh();
    expect(state.droppable([])).toBe(4);
    const overtaken = barrier(4, null);
    state.take(5, barrier(4, A), [overtaken]);
    expect(state.droppable(partsOf(overtaken))).toBe(4);
    expect(state.droppable([])).toBe(5);
    expect(state.droppable([...partsOf(barrier(-1, null)), ...partsOf(barrier(5, null))])).toBe(5);
  });

  test('a merged table takes the place of its run, also when newer ones came before it, unless the run is gone', () => {
    const state = fresh();
    state.take(5, barrier(4, A), []);
    state.take(6, barrier(5, B), []);
    const run = [...state.tablesOf(0)];
    state.take(7, barrier(6, C), []);
    state.replace(0, run, tableOf('d'));
    expect(state.tablesOf(0).map(({ hash }) => hash[0])).toEqual(['c', 'd']);
    expect(state.hashes()).toContain('d'.repeat(32));
    state.replace(0, run, tableOf('e'));
    expect(state.tablesOf(0).map(({ hash }) => hash[0])).toEqual(['c', 'd']);
  });
});
