/**
 * The split queue of a source: what its subtasks take splits from. Pure.
 *
 * After a restore a split is done, or being read at a position, or not begun. What a subtask says of a split that it has
 * taken overrides what subtask 0 repeats of splits that nobody had taken up again (`$pending`).
 */
import type { JsonValue } from '../format/json.ts';
import type { Manifest, StageInfo, SubtaskInfo } from '../format/manifest.ts';
import type { Position, Split } from '../job/source.ts';
import type { QueuedSplit } from '../worker/protocol.ts';

/** Operator state of all subtasks of a source, by state name. */
export interface SourceState {
  readonly $done?: readonly JsonValue[];
  readonly $splits?: readonly JsonValue[];
  readonly $pending?: readonly JsonValue[];
}

export interface SplitQueue {
  readonly queue: readonly QueuedSplit[];
  readonly done: readonly string[];
}

export function buildSplitQueue(splits: readonly Split[], states: readonly SourceState[]): SplitQueue {
  const done = new Set(states.flatMap((state) => state.$done ?? []) as string[]);
  const begun = new Map<string, QueuedSplit>();
  for (const state of states) for (const value of state.$pending ?? []) remember(begun, value);
  for (const state of states) for (const value of state.$splits ?? []) remember(begun, value);
  for (const id of done) begun.delete(id);
  const fresh = splits
    .filter((split) => !done.has(split.id) && !begun.has(split.id))
    .map((split): QueuedSplit => ({ split, position: null }));
  return { queue: [...begun.values(), ...fresh], done: [...done] };
}

function remember(begun: Map<string, QueuedSplit>, value: JsonValue): void {
  const { split, position } = value as unknown as { split: Split; position: Position };
  begun.set(split.id, { split, position });
}

/**
 * The same queue in one form, whichever subtask had what: nothing is pending, and everything is sorted by split. For
 * canonical savepoints.
 */
export function settledSplits(states: readonly SourceState[]): Required<SourceState> {
  const { queue, done } = buildSplitQueue([], states);
  const begun = queue.toSorted((a, b) => (a.split.id < b.split.id ? -1 : 1));
  return { $done: done.toSorted(), $splits: begun as unknown as readonly JsonValue[], $pending: [] };
}

/** A manifest with the sources' states settled, as those of their first subtasks. */
export function withSettledSplits(manifest: Manifest): Manifest {
  const sources = manifest.operators.filter((operator) => operator.kind === 'source').map(({ uid }) => uid);
  return { ...manifest, stages: manifest.stages.map((stage) => sources.reduce(settleIn, stage)) };
}

function settleIn(stage: StageInfo, uid: string): StageInfo {
  const states = stage.subtasks.map(({ operatorState }) => operatorState[uid] as SourceState | undefined);
  const known = states.filter((state) => state !== undefined);
  if (known.length === 0) return stage;
  const subtasks = stage.subtasks.map((subtask, i): SubtaskInfo => {
    const { [uid]: _, ...others } = subtask.operatorState;
    return { ...subtask, operatorState: i === 0 ? { ...others, [uid]: { ...settledSplits(known) } } : others };
  });
  return { ...stage, subtasks };
}
