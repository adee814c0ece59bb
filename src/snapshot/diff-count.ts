/**
 * What a checkpoint has written since its parent, counted without looking at what was there before; what it would cost to look;
 * and a sample of which it is looked up. A key is anywhere in the older tables, so that looking up one key in a hundred reads
 * nearly all of their blocks: exactness is for those who ask, and the sample tells everybody how far the count may be off.
 */
import { Memory } from '../format/memory.ts';
import type { TableEntry } from '../format/sorted-table/cursor.ts';
import type { SectionReader } from '../format/sorted-table/reader.ts';
import { compareEntries, type EntryKey, live, lookUp, sameValue } from './diff-entry.ts';
import type { DiffSegment } from './diff-plan.ts';
import { locateTables } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import type { Checkpoint } from './restore.ts';
import { withTables } from './table-file.ts';

/** Entries that are looked up, if there are so many. With 64 KiB blocks they read 8 MiB at most of each older table. */
const SAMPLE_ENTRIES = 128;

export interface Written {
  /** Entries that are no tombstones, and bytes of their keys and values. */
  readonly entries: number;
  readonly bytes: number;
  readonly tombstones: number;
  /** At most so many bytes would be read to compare each entry with what was there before. */
  readonly compareBytes: number;
  readonly sample: readonly SampledEntry[];
}

/** How far a count may be off: entries that were looked up, and how many of them had been written as they were. */
export interface SampleResult {
  readonly lookedUp: number;
  readonly asBefore: number;
}

interface SampledEntry extends EntryKey {
  readonly segment: number;
  readonly valueAt: number;
  readonly valueLength: number;
  readonly tombstone: boolean;
}

/** Where the entries are that are read: a state, in the tables of two checkpoints. */
export interface CountedState {
  readonly a: Checkpoint;
  readonly b: Checkpoint;
  readonly uid: string;
  readonly name: string;
  /** Each with one table of b that is all that was written. */
  readonly segments: readonly DiffSegment[];
}

/** Reads what was written, and of the older tables the indexes only. */
export function countWritten(fs: FsPort, { a, b, uid, name, segments }: CountedState): Written {
  let [entries, bytes, tombstones, compareBytes] = [0, 0, 0, 0];
  const sample = new Reservoir();
  for (const [segment, { range, after, common }] of segments.entries()) {
    withTables(fs, [...locateTables(b, after), ...locateTables(a, common)], ([table, ...older]) => {
      const cost = new LookUpCost(older.flatMap((one) => one.section(uid, name) ?? []));
      const cursor = table.section(uid, name)?.scan(range.first, range.last);
      for (let entry = cursor?.next() ?? null; entry !== null; entry = cursor?.next() ?? null) {
        if (entry.tombstone) tombstones++;
        else {
          entries++;
          bytes += entry.keyLength + entry.valueLength;
        }
        cost.add(entry);
        sample.offer(segment, entry);
      }
      compareBytes += cost.bytes + after[0].sizeBytes;
    });
  }
  return { entries, bytes, tombstones, compareBytes, sample: sample.entries };
}

/** Looks up the sample, as long as no more than `limitBytes` are read for it. */
export function lookUpSample(
  fs: FsPort,
  { a, uid, name, segments }: CountedState,
  sample: readonly SampledEntry[],
  limitBytes: number,
): SampleResult {
  let [lookedUp, asBefore, read] = [0, 0, 0];
  for (const [segment, { common }] of segments.entries()) {
    const mine = sample.filter((entry) => entry.segment === segment).sort(compareEntries);
    if (mine.length === 0) continue;
    withTables(fs, locateTables(a, common), (tables) => {
      const sections = tables.flatMap((table) => table.section(uid, name) ?? []);
      const cost = new LookUpCost(sections);
      for (const entry of mine) {
        cost.add(entry);
        if (read + cost.bytes > limitBytes) break;
        const was = live(lookUp(sections, entry));
        lookedUp++;
        if (entry.tombstone ? was === null : was !== null && sameValue(was, entry)) asBefore++;
      }
      read += cost.bytes;
    });
  }
  return { lookedUp, asBefore };
}

/** Bytes of the blocks that looking up keys in ascending order reads, at most: a newer table may have the key already. */
class LookUpCost {
  bytes = 0;
  readonly #sections: readonly SectionReader[];
  readonly #last: number[];

  constructor(sections: readonly SectionReader[]) {
    this.#sections = sections;
    this.#last = sections.map(() => -1);
  }

  add({ hash, memory, keyAt, keyLength }: EntryKey): void {
    for (let i = 0; i < this.#sections.length; i++) {
      const found = this.#sections[i].blockOf(hash, memory, keyAt, keyLength);
      if (found === null || found.block === this.#last[i]) continue;
      this.#last[i] = found.block;
      this.bytes += found.bytes;
    }
  }
}

/**
 * Any so many of the entries, each as likely as the others, the same ones each time. Source: algorithm R (Vitter, Random sampling
 * with a reservoir, 1985), with a multiplicative generator.
 */
class Reservoir {
  readonly entries: SampledEntry[] = [];
  #seen = 0;
  #state = 1;

  offer(segment: number, entry: TableEntry): void {
    const at = this.#seen++ < SAMPLE_ENTRIES ? this.entries.length : this.#below(this.#seen);
    if (at < SAMPLE_ENTRIES) this.entries[at] = copyOf(segment, entry);
  }

  #below(limit: number): number {
    // Park and Miller, Random number generators: good ones are hard to find, 1988.
    this.#state = (this.#state * 48271) % 0x7fffffff;
    return this.#state % limit;
  }
}

/** The cursor reuses its memory. */
function copyOf(segment: number, entry: TableEntry): SampledEntry {
  const { hash, keyLength, valueLength, tombstone } = entry;
  const memory = Memory.local(keyLength + valueLength + 16);
  const valueAt = (keyLength + 7) & ~7;
  memory.u8.set(entry.memory.u8.subarray(entry.keyAt, entry.keyAt + keyLength), 0);
  memory.u8.set(entry.memory.u8.subarray(entry.valueAt, entry.valueAt + valueLength), valueAt);
  return { segment, hash, memory, keyAt: 0, keyLength, valueAt, valueLength, tombstone };
}
