/** Which checkpoints are kept. Pure; names and rules are Flink's, with 'always' added. */

export type RetentionPolicy = 'never' | 'on-failure' | 'on-cancellation' | 'always';
export type JobOutcome = 'finished' | 'stopped' | 'cancelled' | 'failed' | 'suspended';

/**
 * Are the retained checkpoints of a job kept when it ends?
 *
 * | policy          | finished, stopped | cancelled | failed | suspended |
 * |-----------------|-------------------|-----------|--------|-----------|
 * | never           | delete            | delete    | delete | delete    |
 * | on-failure      | delete            | delete    | keep   | delete    |
 * | on-cancellation | delete            | keep      | keep   | keep      |
 * | always          | keep              | keep      | keep   | keep      |
 */
export function isRetainedAtEnd(policy: RetentionPolicy, outcome: JobOutcome): boolean {
  switch (policy) {
    case 'never':
      return false;
    case 'on-failure':
      return outcome === 'failed';
    case 'on-cancellation':
      return outcome === 'cancelled' || outcome === 'failed' || outcome === 'suspended';
    case 'always':
      return true;
  }
}

/**
 * Completed checkpoints to keep while the job runs: the newest `retained`, and those that are in use.
 *
 * @param completed  numbers of completed checkpoints
 * @param pinned     numbers that must stay: restored from, or being copied
 */
export function checkpointsToRetain(
  completed: readonly number[],
  retained: number,
  pinned: ReadonlySet<number> = new Set(),
): number[] {
  const ascending = [...completed].sort((a, b) => a - b);
  const newest = new Set(ascending.slice(-Math.max(1, retained)));
  return ascending.filter((id) => newest.has(id) || pinned.has(id));
}
