/**
 * Operator state that is broadcast, in one form for canonical savepoints: these have one subtask for each operator, with the lists of
 * all subtasks one behind another, and a list that is the same in all would be in it as often as there were subtasks. A restore takes
 * that of the first, and so does the savepoint. Pure.
 */
import type { Manifest, SubtaskInfo } from '../format/manifest.ts';
import type { JobGraph } from '../job/graph.ts';

type Lists = SubtaskInfo['operatorState'][string];

/** A manifest in which only the first subtask of an operator has what is broadcast. */
export function withSingleBroadcasts(manifest: Manifest, graph: JobGraph): Manifest {
  const broadcast = new Map(
    graph.nodes.flatMap((node): [string, ReadonlySet<string>][] => {
      if (node.kind !== 'process' || node.keyed) return [];
      const lists = Object.entries(node.process.operatorState).filter(([, { redistribute }]) => redistribute === 'broadcast');
      return lists.length === 0 ? [] : [[node.uid, new Set(lists.map(([name]) => name))]];
    }),
  );
  if (broadcast.size === 0) return manifest;
  return {
    ...manifest,
    stages: manifest.stages.map((stage) => ({
      ...stage,
      subtasks: stage.subtasks.map((subtask, i) => (i === 0 ? subtask : without(subtask, broadcast))),
    })),
  };
}

function without(subtask: SubtaskInfo, broadcast: ReadonlyMap<string, ReadonlySet<string>>): SubtaskInfo {
  const operatorState = Object.entries(subtask.operatorState).map(([uid, lists]): [string, Lists] => [
    uid,
    Object.fromEntries(Object.entries(lists).filter(([name]) => broadcast.get(uid)?.has(name) !== true)),
  ]);
  return { ...subtask, operatorState: Object.fromEntries(operatorState) };
}
