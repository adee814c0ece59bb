/**
 * Which tables of a subtask to merge. Pure: sizes in, a run out.
 *
 * Tables stand newest first; each checkpoint adds one in front. Two rules:
 *
 * - **Shadowed bytes.** When the newer tables together are larger than the oldest, everything is merged: at most about one
 *   live size is dead weight, and each byte of state is rewritten about twice for each time it changes.
 * - **Number of tables.** Ten neighbours of about the same size become one, which then has the size of nine others like it: the
 *   number of tables grows with ten times the decimal logarithm of state size over delta size, and a byte is rewritten once for each
 *   power of ten. Computed for a delta of a thousandth of the state, until all is merged: 3.0 bytes are written for each byte that
 *   changes, and 14 tables are there, 28 at most. With runs of four that double, as it was before, 5.2 bytes and 6 tables; a checkpoint
 *   every 100 ms of 1 GB left 1 to 4 % of the throughput to merges that way. 48 tables are the limit in any case, which a millionth
 *   does not reach.
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

const RUN = 10;
/** The largest of a run over its smallest. Below it, the next size of tables is not taken for the same. */
const SIMILAR = 3;
const MOST_TABLES = 48;
/** Beyond that so many are merged, whatever their sizes. */
const SHORT_RUN = 4;

type Sized = Pick<TableRef, 'sizeBytes'>;

/** @param tables  of one subtask, newest first */
export function decideCompaction(tables: readonly Sized[]): TableRun | null {
  const count = tables.length;
  if (count < 3) return null;
  const oldest = tables[count - 1].sizeBytes;
  const newer = tables.slice(0, -1);
  if (bytesOf(newer) > oldest) return { start: 0, end: count };
  for (let start = 0; start + RUN <= newer.length; start++) {
    const end = endOfSimilar(newer, start);
    if (end - start >= RUN) return { start, end };
  }
  return count > MOST_TABLES ? cheapestRun(newer, count - MOST_TABLES + SHORT_RUN) : null;
}

/** Before which of the tables from `start` on do they cease to have about the same size? */
function endOfSimilar(tables: readonly Sized[], start: number): number {
  let least = tables[start].sizeBytes;
  let most = least;
  let end = start + 1;
  for (; end < tables.length; end++) {
    least = Math.min(least, tables[end].sizeBytes);
    most = Math.max(most, tables[end].sizeBytes);
    if (most > least * SIMILAR) break;
  }
  return end;
}

/** The run of `length` tables with the fewest bytes. */
function cheapestRun(tables: readonly Sized[], length: number): TableRun {
  let best = 0;
  let bestBytes = Number.POSITIVE_INFINITY;
  for (let start = 0; start + length <= tables.length; start++) {
    const bytes = bytesOf(tables.slice(start, start + length));
    if (bytes < bestBytes) {
      best = start;
      bestBytes = bytes;
    }
  }
  return { start: best, end: best + length };
}

function bytesOf(tables: readonly Sized[]): number {
  return tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
