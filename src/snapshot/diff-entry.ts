/** Entries of two checkpoints, one against the other. */
import { compareBytes } from '../format/copy-bytes.ts';
import type { Memory } from '../format/memory.ts';
import type { TableEntry } from '../format/sorted-table/cursor.ts';
import type { SectionReader } from '../format/sorted-table/reader.ts';

/** Where a key lies, and its hash. */
export interface EntryKey {
  readonly hash: number;
  readonly memory: Memory;
  readonly keyAt: number;
  readonly keyLength: number;
}

export function compareEntries(a: EntryKey, b: EntryKey): number {
  return a.hash - b.hash || compareBytes(a.memory, a.keyAt, a.keyLength, b.memory, b.keyAt, b.keyLength);
}

/** The newest version of a key. Keys are asked for in their order, so that each block is decoded about once. */
export function lookUp(newestFirst: readonly SectionReader[], { hash, memory, keyAt, keyLength }: EntryKey): TableEntry | null {
  for (const section of newestFirst) {
    const found = section.get(hash, memory, keyAt, keyLength);
    if (found !== null) return found;
  }
  return null;
}

export function live(entry: TableEntry | null): TableEntry | null {
  return entry === null || entry.tombstone ? null : entry;
}

export function sameValue(
  a: Pick<TableEntry, 'memory' | 'valueAt' | 'valueLength'>,
  b: Pick<TableEntry, 'memory' | 'valueAt' | 'valueLength'>,
): boolean {
  return compareBytes(a.memory, a.valueAt, a.valueLength, b.memory, b.valueAt, b.valueLength) === 0;
}
