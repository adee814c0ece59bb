/**
 * The manifest of a canonical savepoint: each operator as a stage of its own with one subtask that owns all key groups,
 * sorted by uid, so that neither the parallelism nor the chaining of the job shows. Pure.
 */
import type { JsonValue } from '../format/json.ts';
import { keyGroupRange } from '../format/key-groups.ts';
import type { Manifest, OperatorInfo, StageInfo, SubtaskInfo, SubtaskStatistics, TableRef } from '../format/manifest.ts';

type OperatorState = SubtaskInfo['operatorState'][string];

/**
 * @param manifest  of the checkpoint that the savepoint is made of
 * @param tables    by uid: the table of each operator that has entries
 */
export function canonicalManifest(manifest: Manifest, tables: ReadonlyMap<string, TableRef>): Manifest {
  const operators = [...manifest.operators].sort((a, b) => (a.uid < b.uid ? -1 : 1));
  const sizeBytes = [...tables.values()].reduce((sum, table) => sum + table.sizeBytes, 0);
  return {
    ...manifest,
    kind: 'savepoint',
    savepointFormat: 'canonical',
    operators,
    stages: operators.map((operator) => stageOf(manifest, operator, tables.get(operator.uid))),
    sizes: { ...manifest.sizes, newBytes: sizeBytes, referencedBytes: 0, files: tables.size },
  };
}

function stageOf(manifest: Manifest, { uid, maxParallelism }: OperatorInfo, table: TableRef | undefined): StageInfo {
  const former = manifest.stages.find((stage) => stage.operators.includes(uid));
  const subtasks = former?.subtasks ?? [];
  const operatorState = subtasks.flatMap((subtask): OperatorState[] =>
    uid in subtask.operatorState ? [subtask.operatorState[uid]] : [],
  );
  const committables = subtasks.flatMap((subtask) => subtask.committables[uid] ?? []);
  return {
    operators: [uid],
    parallelism: 1,
    maxParallelism,
    subtasks: [
      {
        subtask: 0,
        keyGroups: keyGroupRange(0, maxParallelism, 1),
        finished: subtasks.every((subtask) => subtask.finished),
        tables: table === undefined ? [] : [table],
        operatorState: operatorState.length === 0 ? {} : { [uid]: joined(operatorState) },
        committables: committables.length === 0 ? {} : { [uid]: committables },
        statistics: summed(former?.operators[0] === uid ? subtasks.map((subtask) => subtask.statistics) : []),
      },
    ],
  };
}

/**
 * Operator state of all subtasks as that of one: lists one behind another, in the order of the subtasks. Those of the
 * runtime (`$`) are sets, and so are sorted: which subtask had read which split is of no meaning.
 */
function joined(states: readonly OperatorState[]): OperatorState {
  const names = [...new Set(states.flatMap((state) => Object.keys(state)))].sort();
  return Object.fromEntries(
    names.map((name) => {
      const values = states.flatMap((state) => state[name] ?? []);
      return [name, name.startsWith('$') ? sorted(values) : values];
    }),
  );
}

function sorted(values: readonly JsonValue[]): JsonValue[] {
  return values
    .map((value) => ({ value, text: JSON.stringify(value) }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ value }) => value);
}

/** Times are the longest, amounts are the sums. */
function summed(statistics: readonly SubtaskStatistics[]): SubtaskStatistics {
  const longest = (field: keyof SubtaskStatistics): number => Math.max(0, ...statistics.map((one) => one[field]));
  const sum = (field: keyof SubtaskStatistics): number => statistics.reduce((total, one) => total + one[field], 0);
  return {
    syncMs: longest('syncMs'),
    asyncMs: longest('asyncMs'),
    alignmentMs: longest('alignmentMs'),
    startDelayMs: longest('startDelayMs'),
    newBytes: sum('newBytes'),
    liveBytes: sum('liveBytes'),
    changedEntries: sum('changedEntries'),
  };
}
