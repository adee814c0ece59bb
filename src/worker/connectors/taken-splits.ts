/** Which splits are left after a restore, for sources whose splits are always the same. */
import type { Split } from '../../job/source.ts';

/**
 * Splits without those that a checkpoint has finished or has a position in.
 *
 * @param taken  ids of those
 */
export function withoutTaken(splits: readonly Split[], taken: readonly string[]): readonly Split[] {
  if (taken.length === 0) return splits;
  const known = new Set(taken);
  return splits.filter((split) => !known.has(split.id));
}
