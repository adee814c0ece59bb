/** Ranges of key hashes: what a subtask reads of tables that may hold more. */
import { hashRangeOf } from '../format/key-groups.ts';
import type { StageInfo, SubtaskInfo } from '../format/manifest.ts';

/** From `first` to `last`, inclusive, unsigned 32 bits. Empty when `last < first`. */
export interface HashRange {
  readonly first: number;
  readonly last: number;
}

export const ALL_HASHES: HashRange = { first: 0, last: 0xffffffff };

/** Hashes that a subtask owned when a checkpoint was taken. */
export function hashRangeOfSubtask(stage: StageInfo, subtask: SubtaskInfo): HashRange {
  return subtask.keyGroups === null ? ALL_HASHES : hashRangeOf(subtask.keyGroups, stage.maxParallelism);
}

export function intersect(a: HashRange, b: HashRange): HashRange {
  return { first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) };
}

export function isEmptyRange(range: HashRange): boolean {
  return range.last < range.first;
}
