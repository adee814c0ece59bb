/**
 * The canonical content of a savepoint: one table with one section for each (uid, state), sorted by both, and in it all
 * live entries of all subtasks sorted by (hash, key). Byte for byte the same for the same state, whatever the
 * parallelism or history.
 */
import { assert } from '../format/assert.ts';
import type { TableReader } from '../format/sorted-table/reader.ts';
import type { TableWriter } from '../format/sorted-table/writer.ts';
import { isEmptyRange, type HashRange } from './hash-range.ts';
import { copyEntries, liveEntries, sectionsOf } from './merge.ts';

/** State of one subtask: its tables, newest first, and the hashes that it owns. */
export interface CanonicalPart {
  readonly tables: readonly TableReader[];
  readonly range: HashRange;
}

/** @param parts  of one or more stages, in any order; the ranges of one stage do not overlap */
export function writeCanonical(writer: TableWriter, parts: readonly CanonicalPart[]): void {
  const ascending = parts.filter((part) => !isEmptyRange(part.range)).sort((a, b) => a.range.first - b.range.first);
  for (const info of sectionsOf(ascending.flatMap((part) => part.tables))) {
    writer.beginSection(info);
    let end = -1;
    for (const { tables, range } of ascending) {
      if (!tables.some((table) => table.section(info.uid, info.name) !== undefined)) continue;
      assert(range.first > end, 'subtasks of one stage own different hashes');
      end = range.last;
      copyEntries(writer, liveEntries(tables, info.uid, info.name, range));
    }
  }
}
