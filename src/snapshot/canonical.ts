/**
 * The canonical content of a savepoint: one table for each operator with keyed state, in it one section for each of its
 * states, sorted by name, and in that all live entries of all subtasks sorted by (hash, key). Byte for byte the same for
 * the same state, whatever the parallelism or history.
 */
import { assert } from '../format/assert.ts';
import type { SectionInfo } from '../format/sorted-table/directory.ts';
import type { TableReader } from '../format/sorted-table/reader.ts';
import type { TableWriter } from '../format/sorted-table/writer.ts';
import { isEmptyRange, type HashRange } from './hash-range.ts';
import { copyEntries, liveEntries, sectionsOf } from './merge.ts';

/** State of one subtask: the hashes that it owns, and its tables. */
export interface CanonicalPart {
  readonly range: HashRange;
  /** Opens the tables, newest first, for the length of a call: those of all subtasks at once may be more than a process may open. */
  withTables(use: (tables: readonly TableReader[]) => void): void;
}

/**
 * Writes the states of one operator.
 *
 * @param states  of one uid, in any order; what the tables hold besides is not written
 * @param parts   the subtasks of the operator's stage, in any order; their ranges do not overlap
 * @throws TidemarkError of reading tables; ERR_STATE_INCOMPATIBLE when a state has several schemas
 */
export function writeCanonical(writer: TableWriter, states: readonly SectionInfo[], parts: readonly CanonicalPart[]): void {
  const ascending = parts.filter((part) => !isEmptyRange(part.range)).sort((a, b) => a.range.first - b.range.first);
  for (const info of [...states].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    writer.beginSection(info);
    let end = -1;
    for (const part of ascending) {
      assert(part.range.first > end, 'subtasks of one stage own different hashes');
      end = part.range.last;
      part.withTables((tables) => {
        // Refuses tables that hold the state in different schemas.
        sectionsOf(tables);
        copyEntries(writer, liveEntries(tables, info.uid, info.name, part.range));
      });
    }
  }
}
