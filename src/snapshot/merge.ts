/**
 * Merging sorted tables: of several that hold versions of the same keys, the entry of the newest table counts.
 *
 * ```
 * newest  k1=5      k3=x(deleted)         \
 *         k1=4  k2=7       k4=1            >  k1=5  k2=7  [k3 deleted]  k4=1
 * oldest        k2=6  k3=2                /
 * ```
 *
 * A tombstone may be dropped where the oldest table is among those merged: it then shadows nothing.
 */
import { compareBytes } from '../format/copy-bytes.ts';
import { EntryBatch } from '../format/entry-batch.ts';
import { TidemarkError } from '../format/errors.ts';
import { canonicalJson, type JsonValue } from '../format/json.ts';
import type { EntryCursor, TableEntry } from '../format/sorted-table/cursor.ts';
import type { SectionInfo } from '../format/sorted-table/directory.ts';
import type { TableReader } from '../format/sorted-table/reader.ts';
import type { TableWriter } from '../format/sorted-table/writer.ts';
import type { HashRange } from './hash-range.ts';

/** Above every hash: the head of a cursor that has ended. */
const ENDED = 0x100000000;

/**
 * Cursor over the newest entry of each key. Cursors are compared one by one: there are a few dozen tables at most, ten where
 * they are merged, and while the current one is below all others, which is the rule where a large old table meets small new ones, it is
 * not compared at all.
 */
export class MergeCursor implements EntryCursor {
  readonly #cursors: readonly EntryCursor[];
  readonly #dropTombstones: boolean;
  readonly #heads: (TableEntry | null)[];
  readonly #hashes: Float64Array;
  #current = -1;
  /** Lowest hash at the head of the other cursors. */
  #othersHash = -1;

  /** @param cursors  newest first */
  constructor(cursors: readonly EntryCursor[], options: { readonly dropTombstones: boolean }) {
    this.#cursors = cursors;
    this.#dropTombstones = options.dropTombstones;
    this.#heads = cursors.map(() => null);
    this.#hashes = new Float64Array(cursors.length);
    for (let i = 0; i < cursors.length; i++) this.#advance(i);
  }

  next(): TableEntry | null {
    for (;;) {
      const entry = this.#step();
      if (entry === null || !entry.tombstone || !this.#dropTombstones) return entry;
    }
  }

  takeBatch(batch: EntryBatch, below = ENDED): number {
    if (this.#current < 0) return 0;
    return this.#cursors[this.#current].takeBatch?.(batch, Math.min(below, this.#othersHash)) ?? 0;
  }

  #step(): TableEntry | null {
    // The entry handed out last was valid until now.
    if (this.#current >= 0) this.#advance(this.#current);
    if (this.#current < 0 || this.#hashes[this.#current] >= this.#othersHash) this.#choose();
    return this.#current < 0 ? null : this.#heads[this.#current];
  }

  #advance(i: number): void {
    const entry = this.#cursors[i].next();
    this.#heads[i] = entry;
    this.#hashes[i] = entry === null ? ENDED : entry.hash;
  }

  /** Finds the lowest head, of equal keys that of the newest table, and passes over its older versions. */
  #choose(): void {
    let best = -1;
    let bestHash = ENDED;
    for (let i = 0; i < this.#hashes.length; i++) {
      const hash = this.#hashes[i];
      if (hash < bestHash || (hash === bestHash && hash !== ENDED && compareKeys(this.#heads[i]!, this.#heads[best]!) < 0)) {
        best = i;
        bestHash = hash;
      }
    }
    this.#current = best;
    this.#othersHash = ENDED;
    for (let i = 0; i < this.#hashes.length; i++) {
      if (i === best) continue;
      if (this.#hashes[i] === bestHash && best >= 0 && compareKeys(this.#heads[i]!, this.#heads[best]!) === 0) this.#advance(i);
      if (this.#hashes[i] < this.#othersHash) this.#othersHash = this.#hashes[i];
    }
  }
}

function compareKeys(a: TableEntry, b: TableEntry): number {
  return compareBytes(a.memory, a.keyAt, a.keyLength, b.memory, b.keyAt, b.keyLength);
}

/**
 * Cursor over the live entries of one state in the tables of one subtask.
 *
 * @param tables  newest first
 * @param range   hashes that count: a subtask's tables may hold more than its key groups after a rescaling
 */
export function liveEntries(tables: readonly TableReader[], uid: string, name: string, range: HashRange): MergeCursor {
  const sections = tables.flatMap((table) => table.section(uid, name) ?? []);
  const cursors = sections.map((section) => section.scan(range.first, range.last));
  return new MergeCursor(cursors, { dropTombstones: true });
}

/**
 * Sections of several tables, each once, sorted by (uid, name).
 *
 * @throws TidemarkError ERR_STATE_INCOMPATIBLE when a state has different schemas in two tables: their rows must not be
 *         mixed
 */
export function sectionsOf(tables: readonly TableReader[]): SectionInfo[] {
  const sections = new Map<string, { readonly info: SectionInfo; readonly table: string }>();
  for (const table of tables) {
    for (const { uid, name, kind, keyType, keySchema, schema } of table.sections) {
      const info: SectionInfo = { uid, name, kind, keyType, keySchema, schema };
      const identity = JSON.stringify([uid, name]);
      const other = sections.get(identity);
      if (other === undefined) sections.set(identity, { info, table: table.name });
      else requireSameSchema(other.info, other.table, info, table.name);
    }
  }
  return [...sections.values()]
    .map((section) => section.info)
    .sort((a, b) => compareText(a.uid, b.uid) || compareText(a.name, b.name));
}

/**
 * Merges tables of one subtask into one.
 *
 * @param tables  newest first; a contiguous run of the subtask's tables
 * @param range   entries outside are dropped
 */
export function mergeTables(
  writer: TableWriter,
  tables: readonly TableReader[],
  options: { readonly range: HashRange; readonly dropTombstones: boolean },
): void {
  for (const info of sectionsOf(tables)) {
    const sections = tables.flatMap((table) => table.section(info.uid, info.name) ?? []);
    const cursors = sections.map((section) => section.scan(options.range.first, options.range.last));
    writer.beginSection(info);
    copyEntries(writer, new MergeCursor(cursors, options));
  }
}

const COPIED_TOGETHER = 128;

/** Adds all entries of a cursor to the section that was begun. Returns how many. */
export function copyEntries(writer: TableWriter, cursor: MergeCursor): number {
  const batch = new EntryBatch(COPIED_TOGETHER);
  let entries = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    const { hash, memory, keyAt, keyLength } = entry;
    if (entry.tombstone) writer.addTombstone(hash, memory, keyAt, keyLength);
    else writer.add(hash, memory, keyAt, keyLength, memory, entry.valueAt, entry.valueLength);
    entries++;
    for (let taken = cursor.takeBatch(batch); taken > 0; taken = cursor.takeBatch(batch)) {
      writer.addBatch(batch);
      entries += taken;
    }
  }
  return entries;
}

function requireSameSchema(a: SectionInfo, aTable: string, b: SectionInfo, bTable: string): void {
  const [left, right] = [a, b].map((info) => canonicalJson(info as unknown as JsonValue));
  if (left === right) return;
  throw new TidemarkError(
    'ERR_STATE_INCOMPATIBLE',
    `State ${JSON.stringify(a.name)} of operator ${JSON.stringify(a.uid)} is ${left} in ${aTable} and ${right} in ${bTable}. Tables of different schemas cannot be merged; take a full checkpoint after a change of schema.`,
    { facts: { uid: a.uid, state: a.name } },
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
