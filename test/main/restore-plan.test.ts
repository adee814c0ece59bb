import { describe, expect, test } from 'vitest';
import type { JsonValue } from '../../src/format/json.ts';
import { hashRangeOf, keyGroupRange } from '../../src/format/key-groups.ts';
import type { KeyedStateInfo, Manifest, StageInfo, SubtaskInfo, TableRef } from '../../src/format/manifest.ts';
import { collection, discard } from '../../src/job/collections.ts';
import type { Flow } from '../../src/job/flow.ts';
import type { JobGraph } from '../../src/job/graph.ts';
import { job } from '../../src/job/job.ts';
import { operatorList, value } from '../../src/job/state.ts';
import * as t from '../../src/job/types.ts';
import { planJob } from '../../src/main/plan.ts';
import { planRestore, recordedMaxParallelism, type RestorePlan } from '../../src/main/restore-plan.ts';
import { manifestOf } from '../snapshot/job-tools.ts';

const Visit = t.record({ user: t.string, ms: t.i32 });

function graphOf(build: (flow: Flow) => unknown): JobGraph {
  return job('visits', (flow) => void build(flow));
}

/** A job with one keyed operator `time`; what else is chained to it differs. */
function withKeyed(states: readonly string[], maps = 0, parallelism?: number): JobGraph {
  return graphOf((flow) => {
    let stream = flow
      .from(collection([{ user: 'a', ms: 1 }], Visit))
      .uid('in')
      .keyBy('user')
      .process({
        state: Object.fromEntries(states.map((name) => [name, value(t.i32, 0)])),
        onRecord: (visit, { emit }) => emit(visit),
      })
      .uid('time');
    if (parallelism !== undefined) stream = stream.parallelism(parallelism);
    for (let i = 0; i < maps; i++) stream = stream.map((visit) => visit).uid(`map-${i}`);
    stream.to(discard()).uid('out');
  });
}

function keyedState(name: string): KeyedStateInfo {
  return { name, kind: 'value', keyType: 'string', keySchema: null, schema: { type: 'i32' }, digest: '0'.repeat(32), entries: 5 };
}

function tableOf(digit: string): TableRef {
  return { hash: digit.repeat(32), sizeBytes: 1000, entries: 5, tombstones: 0, createdBy: 1 };
}

interface Former {
  readonly uids: readonly string[];
  /** Tables of each subtask. */
  readonly tables: readonly (readonly TableRef[])[];
  readonly lists?: readonly SubtaskInfo['operatorState'][];
  readonly max?: number;
}

function checkpointOf(states: Readonly<Record<string, readonly string[]>>, stages: readonly Former[]): Manifest {
  const base = manifestOf(7, [], new Map());
  const [subtask] = base.stages[0].subtasks;
  return {
    ...base,
    operators: stages.flatMap(({ uids, max = 13 }) =>
      uids.map((uid) => ({
        uid,
        name: uid,
        kind: 'process',
        maxParallelism: max,
        keyedStates: (states[uid] ?? []).map(keyedState),
      })),
    ),
    stages: stages.map(
      ({ uids, tables, lists, max = 13 }): StageInfo => ({
        operators: uids,
        parallelism: tables.length,
        maxParallelism: max,
        subtasks: tables.map((own, i) => ({
          ...subtask,
          subtask: i,
          keyGroups: keyGroupRange(i, max, tables.length),
          tables: own,
          operatorState: lists?.[i] ?? {},
        })),
      }),
    ),
  };
}

function restore(
  graph: JobGraph,
  manifest: Manifest,
  options: { parallelism?: number; allow?: boolean; max?: number } = {},
): RestorePlan {
  const { parallelism = 1, allow = false, max } = options;
  const recordedMax = recordedMaxParallelism(manifest);
  const plan = planJob(graph, { parallelism, maxParallelism: max, recordedMaxParallelism: recordedMax, slotBytes: 8192 });
  return planRestore(graph, plan, manifest, { allowNonRestoredState: allow, maxParallelism: max, path: 'chk-7' });
}

/** Tables of the keyed subtasks, as `hash digit: first-last`. */
function tablesOf(plan: RestorePlan): string[][] {
  return plan.subtasks
    .map(({ tables }) => tables.map(({ hash, clip }) => `${hash[0]}: ${clip?.[0]}-${clip?.[1]}`))
    .filter((tables) => tables.length > 0);
}

const [A, B, C] = ['a', 'b', 'c'].map(tableOf);
const THREE: Former = { uids: ['time'], tables: [[A], [B], [C]] };

describe('restore plan: keyed state', () => {
  test('from 3 to 4 subtasks of 13 key groups, each names the tables whose key groups it has, clipped', () => {
    const plan = restore(withKeyed(['ms']), checkpointOf({ time: ['ms'] }, [THREE]), { parallelism: 4 });
    const range = (start: number, end: number): string => {
      const { first, last } = hashRangeOf({ start, end }, 13);
      return `${first}-${last}`;
    };
    expect(tablesOf(plan)).toEqual([
      [`a: ${range(0, 3)}`],
      [`a: ${range(4, 4)}`, `b: ${range(5, 6)}`],
      [`b: ${range(7, 8)}`, `c: ${range(9, 9)}`],
      [`c: ${range(10, 12)}`],
    ]);
  });

  test('an operator keeps its state however it was and is chained, and others of its chain take none of it', () => {
    const chained = checkpointOf({ time: ['ms'] }, [{ uids: ['time', 'map-0', 'out'], tables: [[A], [B]] }]);
    for (const maps of [0, 1, 3]) {
      const plan = restore(withKeyed(['ms'], maps), chained, { parallelism: 2, allow: true });
      expect(tablesOf(plan).flat()).toHaveLength(2);
      // A chain of its own behind the operator.
      const broken = restore(withKeyed(['ms'], maps, 1), chained, { parallelism: 2, allow: true });
      expect(tablesOf(broken)).toHaveLength(1);
    }
  });

  test('a new operator starts empty, and one that is gone is refused unless that is allowed', () => {
    const manifest = checkpointOf({ time: ['ms'], gone: ['x'] }, [THREE, { uids: ['gone'], tables: [[tableOf('d')]] }]);
    expect(() => restore(withKeyed(['ms'], 1), manifest)).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_UNMATCHED', message: expect.stringContaining("'gone'") }),
    );
    const plan = restore(withKeyed(['ms'], 1), manifest, { allow: true });
    expect(tablesOf(plan).flat().join()).not.toContain('d:');
    expect([...plan.states.keys()]).toEqual(['time/ms']);
  });

  test('a state that its operator has no more is refused; allowed, the tables that hold it are not named again', () => {
    const manifest = checkpointOf({ time: ['ms', 'seen'] }, [THREE]);
    expect(() => restore(withKeyed(['ms']), manifest)).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_UNMATCHED', facts: expect.objectContaining({ unmatched: 'time/seen' }) }),
    );
    const dropped = restore(withKeyed(['ms']), manifest, { allow: true });
    expect([...dropped.states.keys()]).toEqual(['time/ms']);
    expect(dropped.subtasks.map(({ rewrite }) => rewrite)).toEqual([false, true]);
    expect(restore(withKeyed(['ms', 'seen', 'new']), manifest).subtasks.map(({ rewrite }) => rewrite)).toEqual([false, false]);
    expect(tablesOf(restore(withKeyed(['other']), manifest, { allow: true }))).toEqual([]);
  });

  test('another maximum parallelism is refused, none takes over the recorded one, and more subtasks than that are refused', () => {
    const manifest = checkpointOf({ time: ['ms'] }, [THREE]);
    expect(() => restore(withKeyed(['ms']), manifest, { max: 14 })).toThrow(
      expect.objectContaining({ code: 'ERR_MAX_PARALLELISM', facts: { uid: 'time', configured: 14, recorded: 13 } }),
    );
    expect(tablesOf(restore(withKeyed(['ms']), manifest, { parallelism: 13 }))).toHaveLength(13);
    expect(() => restore(withKeyed(['ms'], 0, 14), manifest)).toThrow(expect.objectContaining({ code: 'ERR_JOB_INVALID' }));
  });
});

describe('restore plan: operator state', () => {
  const LISTS = ['split', 'union', 'broadcast'] as const;

  function withLists(): JobGraph {
    return graphOf((flow) =>
      flow
        .from(collection([{ user: 'a', ms: 1 }], Visit))
        .uid('in')
        .process({
          state: Object.fromEntries(LISTS.map((redistribute) => [redistribute, operatorList(t.i32, { redistribute })])),
          onRecord: () => undefined,
        })
        .uid('lists')
        .to(discard()),
    );
  }

  function dealt(lists: readonly (readonly number[])[], parallelism: number): Record<string, readonly JsonValue[]>[] {
    const states = lists.map((values) => ({ lists: Object.fromEntries(LISTS.map((name) => [name, values])) }));
    const manifest = checkpointOf({}, [{ uids: ['lists'], tables: lists.map(() => []), lists: states }]);
    return restore(withLists(), manifest, { parallelism }).subtasks.map(({ operatorState }) => operatorState['lists']);
  }

  test('split deals the elements out evenly, union gives all to all, broadcast what the first had to all', () => {
    const three = dealt([[1, 2, 3], [4], [5]], 2);
    expect(three.map(({ split }) => split)).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    expect(three.map(({ union }) => union)).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
    ]);
    expect(three.map(({ broadcast }) => broadcast)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(dealt([[1, 2]], 4).map(({ split }) => split)).toEqual([[], [1], [], [2]]);
  });

  test('each element goes to exactly one subtask, from any parallelism to any other', () => {
    for (let from = 1; from <= 6; from++) {
      for (let to = 1; to <= 6; to++) {
        const lists = Array.from({ length: from }, (_, i) => Array.from({ length: i }, (_value, j) => i * 10 + j));
        expect(dealt(lists, to).flatMap(({ split }) => split)).toEqual(lists.flat());
      }
    }
  });

  test('a list that its operator has no more is refused', () => {
    const manifest = checkpointOf({}, [{ uids: ['lists'], tables: [[]], lists: [{ lists: { former: [1] } }] }]);
    expect(() => restore(withLists(), manifest)).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_UNMATCHED', message: expect.stringContaining("'former'") }),
    );
    expect(restore(withLists(), manifest, { allow: true }).subtasks).toHaveLength(1);
  });
});
