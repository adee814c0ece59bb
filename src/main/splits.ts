/**
 * The split queue of a source: what its subtasks take splits from. Pure.
 *
 * After a restore a split is done, or being read at a position, or not begun. What a subtask says of a split that it has
 * taken overrides what subtask 0 repeats of splits that nobody had taken up again (`$pending`).
 */
import type { JsonValue } from '../format/json.ts';
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
