/**
 * Key groups: the unit in which keyed state is distributed over subtasks.
 *
 * A key group is a contiguous range of key hashes, so that order by (key group, hash, key) is simply order by
 * (hash, key): sorted tables do not depend on the maximum parallelism, and changing it needs no rewriting. (Flink takes
 * murmur(hash) modulo the maximum; the ranges of the subtasks below are Flink's, from KeyGroupRangeAssignment.)
 */
import { assert } from './assert.ts';
import { asKeyGroup, type KeyGroup } from './ids.ts';

export const MAX_PARALLELISM_LIMIT = 32768;

/** Inclusive range of key groups. Empty when `end < start`. */
export interface KeyGroupRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Key group of a key. Pure and allocation-free; runs once per record.
 *
 * @param keyHash         unsigned 32-bit hash of the encoded key
 * @param maxParallelism  key groups of the job, 1 to 32768
 */
export function keyGroupOf(keyHash: number, maxParallelism: number): KeyGroup {
  return asKeyGroup(Math.floor((keyHash * maxParallelism) / 4294967296));
}

/** Subtask that owns a key group. */
export function subtaskOfKeyGroup(keyGroup: number, maxParallelism: number, parallelism: number): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism);
}

/** Key groups of a subtask. Vectors: max 13, parallelism 3 gives [0-4][5-8][9-12]. */
export function keyGroupRange(subtask: number, maxParallelism: number, parallelism: number): KeyGroupRange {
  assert(parallelism > 0 && parallelism <= maxParallelism, 'parallelism must be within the maximum parallelism');
  return {
    start: Math.floor((subtask * maxParallelism + parallelism - 1) / parallelism),
    end: Math.floor(((subtask + 1) * maxParallelism - 1) / parallelism),
  };
}

/** Hashes of a key-group range: from `first` to `last`, inclusive, unsigned 32 bits. */
export function hashRangeOf(range: KeyGroupRange, maxParallelism: number): { first: number; last: number } {
  return {
    first: Math.ceil((range.start * 4294967296) / maxParallelism),
    last: Math.ceil(((range.end + 1) * 4294967296) / maxParallelism) - 1,
  };
}

/** Default maximum parallelism for a parallelism: 128 up to 85, then the power of two above 1.5 times it. */
export function defaultMaxParallelism(parallelism: number): number {
  const wanted = parallelism + (parallelism >>> 1);
  const power = wanted <= 1 ? 1 : 2 ** (32 - Math.clz32(wanted - 1));
  return Math.min(Math.max(power, 128), MAX_PARALLELISM_LIMIT);
}
