/**
 * Which tables of a subtask to merge. Pure: sizes in, a run out.
 *
 * Tables stand newest first; each checkpoint adds one in front. Two rules:
 *
 * - **Shadowed bytes.** When the newer tables together are larger than the oldest, everything is merged: at most about one
 *   live size is dead weight, and each byte of state is rewritten about twice for each time it changes.
 * - **Number of tables.** Newer tables are merged among themselves while the next one is no larger than all before it together, four
 *   at least. Sizes then grow geometrically with age, so the number of tables grows with the logarithm of state size over
 *   delta size, and so does the number of times that a byte is rewritten. Ten is the limit in any case.
 *
 * The largest table is left out as long as the first rule does not ask for it: at 1 % change per checkpoint it is
 * rewritten once in a hundred checkpoints. Model: size-tiered compaction, as in Apache Cassandra and RocksDB's
 * universal style.
 */
import type { TableRef } from '../format/manifest.ts';

/** A run of a list of tables: from `start` to before `end`. */
export interface TableRun {
  readonly start: number;
  readonly end: number;
}

const LEAST_RUN = 4;
const MOST_TABLES = 10;

/** @param tables  of one subtask, newest first */
export function decideCompaction(tables: readonly Pick<TableRef, 'sizeBytes'>[]): TableRun | null {
  const count = tables.length;
  if (count < 3) return null;
  const oldest = tables[count - 1].sizeBytes;
  const newer = tables.slice(0, -1).reduce((sum, table) => sum + table.sizeBytes, 0);
  if (newer > oldest) return { start: 0, end: count };

  let end = 1;
  for (let sum = tables[0].sizeBytes; end < count - 1 && tables[end].sizeBytes <= sum; end++) sum += tables[end].sizeBytes;
  if (end >= LEAST_RUN) return { start: 0, end };
  return count > MOST_TABLES ? cheapestRun(tables, count - MOST_TABLES + LEAST_RUN) : null;
}

/** The run of `length` tables with the fewest bytes, the oldest table excepted. */
function cheapestRun(tables: readonly Pick<TableRef, 'sizeBytes'>[], length: number): TableRun {
  let best = 0;
  let bestBytes = Number.POSITIVE_INFINITY;
  for (let start = 0; start + length < tables.length; start++) {
    const bytes = tables.slice(start, start + length).reduce((sum, table) => sum + table.sizeBytes, 0);
    if (bytes < bestBytes) {
      best = start;
      bestBytes = bytes;
    }
  }
  return { start: best, end: best + length };
}
