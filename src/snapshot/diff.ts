/**
 * What differs between two checkpoints, per operator and state.
 *
 * States of equal digests are equal and are not read. Of the others, tables that both checkpoints have are not read where that can
 * be avoided: see `diff-plan.ts`. Between a checkpoint and the one that directly follows, the delta alone is read and the number of added
 * entries follows from the totals in the manifests; `exact` also looks up what was there before, and so finds entries that were written
 * again as they were (counted: as changed) or that came and went in between (counted, where the key had been there earlier: as added and
 * as removed), and the bytes of each kind of change.
 */
import { compareBytes } from '../format/copy-bytes.ts';
import type { KeyedStateInfo } from '../format/manifest.ts';
import type { TableEntry } from '../format/sorted-table/cursor.ts';
import type { SectionReader } from '../format/sorted-table/reader.ts';
import { compareFiles, type DiffSegment, type FileSum, followsDirectly, planDiff } from './diff-plan.ts';
import { locateTables, statesOfManifest } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import { MergeCursor } from './merge.ts';
import { meterReads } from './metered-fs.ts';
import { type Checkpoint, readCheckpoint } from './restore.ts';
import { withTables } from './table-file.ts';

export type ChangeKind = 'added' | 'removed' | 'changed';

export interface ChangeSum {
  readonly entries: number;
  /** Keys and values, without padding: those in a for removed entries, else those in b. null: only `exact` tells. */
  readonly bytes: number | null;
}

export interface StateDiff extends Readonly<Record<ChangeKind, ChangeSum>> {
  readonly uid: string;
  readonly state: string;
  /** Which of the checkpoints have the state. */
  readonly in: 'both' | 'a' | 'b';
  /**
   * equal: by the state digests, unread. counted: from what was written in between. compared: entry by entry.
   */
  readonly method: 'equal' | 'counted' | 'compared';
  /** Entries in a and in b. */
  readonly entries: readonly [number, number];
  /** Bytes of keys and values of the entries that are new or changed in b. */
  readonly writtenBytes: number;
}

export interface CheckpointDiff {
  readonly a: string;
  readonly b: string;
  readonly files: Readonly<Record<'both' | 'onlyA' | 'onlyB', FileSum>>;
  readonly states: readonly StateDiff[];
  /** Of both checkpoints, each table once. */
  readonly totalBytes: number;
  readonly bytesRead: number;
}

/** Told of every entry that differs, in the order of hashes. `entry` is valid during the call; of a removed one it is that in a. */
export type OnChange = (
  state: { readonly uid: string; readonly info: KeyedStateInfo },
  change: ChangeKind,
  entry: TableEntry,
) => void;

export interface DiffOptions {
  /** Compare every entry that may differ; implied by `onChange`. */
  readonly exact?: boolean;
  readonly onChange?: OnChange;
}

/**
 * @param pathOfA  the earlier one, as a rule
 * @throws TidemarkError as `readCheckpoint`, and for damaged tables
 */
export function diffCheckpoints(on: FsPort, pathOfA: string, pathOfB: string, options: DiffOptions = {}): CheckpointDiff {
  const meter = meterReads(on);
  const a = readCheckpoint(meter.fs, pathOfA);
  const b = readCheckpoint(meter.fs, pathOfB);
  const files = compareFiles(a.manifest, b.manifest);
  const states = pairStates(a, b).map((pair) => diffState(meter.fs, a, b, pair, options));
  return {
    a: a.directory,
    b: b.directory,
    files,
    states,
    totalBytes: files.both.bytes + files.onlyA.bytes + files.onlyB.bytes,
    bytesRead: meter.bytesRead,
  };
}

interface StatePair {
  readonly uid: string;
  readonly name: string;
  readonly before: KeyedStateInfo | null;
  readonly after: KeyedStateInfo | null;
}

function pairStates(a: Checkpoint, b: Checkpoint): StatePair[] {
  const [inA, inB] = [statesOfManifest(a.manifest), statesOfManifest(b.manifest)];
  const find = (states: typeof inA, uid: string, name: string): KeyedStateInfo | null =>
    states.find((one) => one.uid === uid && one.state.name === name)?.state ?? null;
  return [
    ...inA.map(({ uid, state }) => ({ uid, name: state.name, before: state, after: find(inB, uid, state.name) })),
    ...inB
      .filter(({ uid, state }) => find(inA, uid, state.name) === null)
      .map(({ uid, state }) => ({ uid, name: state.name, before: null, after: state })),
  ];
}

function diffState(fs: FsPort, a: Checkpoint, b: Checkpoint, pair: StatePair, options: DiffOptions): StateDiff {
  const { uid, name, before, after } = pair;
  const sums = new Sums();
  const result = (method: StateDiff['method']): StateDiff => ({
    uid,
    state: name,
    in: before === null ? 'b' : after === null ? 'a' : 'both',
    method,
    entries: [before?.entries ?? 0, after?.entries ?? 0],
    ...sums.result(),
  });
  if (before !== null && after !== null && isSame(before, after)) return result('equal');
  const exact = options.exact === true || options.onChange !== undefined;
  if (!exact && before !== null && after !== null) {
    if (followsDirectly(a.manifest, b.manifest) && sums.count(countWritten(fs, a, b, pair), after.entries - before.entries))
      return result('counted');
  }
  const info = (after ?? before) as KeyedStateInfo;
  const { onChange } = options;
  for (const segment of planDiff(a.manifest, b.manifest, uid, followsDirectly(a.manifest, b.manifest))) {
    compareSegment(fs, a, b, segment, pair, (change, entry, bytes) => {
      sums.add(change, bytes);
      onChange?.({ uid, info }, change, entry);
    });
  }
  return result('compared');
}

/** Equal state, equal digest. Rows of two schemas are not compared by their bytes. */
function isSame(before: KeyedStateInfo, after: KeyedStateInfo): boolean {
  const type = ({ kind, keyType, keySchema, schema }: KeyedStateInfo): string =>
    JSON.stringify([kind, keyType, keySchema, schema]);
  return before.digest === after.digest && before.entries === after.entries && type(before) === type(after);
}

interface Written {
  /** Entries that are no tombstones, and bytes of their keys and values. */
  readonly entries: number;
  readonly bytes: number;
  readonly tombstones: number;
}

/** What b's deltas hold; null when they are not all that has to be read. */
function countWritten(fs: FsPort, a: Checkpoint, b: Checkpoint, { uid, name }: StatePair): Written | null {
  const segments = planDiff(a.manifest, b.manifest, uid, true);
  if (segments.some(({ before, after }) => before.length > 0 || after.length !== 1)) return null;
  let [entries, bytes, tombstones] = [0, 0, 0];
  for (const { range, after } of segments) {
    withTables(fs, locateTables(b, after), ([table]) => {
      const cursor = table.section(uid, name)?.scan(range.first, range.last);
      for (let entry = cursor?.next() ?? null; entry !== null; entry = cursor?.next() ?? null) {
        if (entry.tombstone) tombstones++;
        else {
          entries++;
          bytes += entry.keyLength + entry.valueLength;
        }
      }
    });
  }
  return { entries, bytes, tombstones };
}

/** Joins what only a has with what only b has, and looks up what only one of them has of a key. */
function compareSegment(
  fs: FsPort,
  a: Checkpoint,
  b: Checkpoint,
  { range, before, after, common }: DiffSegment,
  { uid, name }: StatePair,
  report: (change: ChangeKind, entry: TableEntry, bytes: number) => void,
): void {
  const located = [...locateTables(a, before), ...locateTables(b, after), ...locateTables(a, common)];
  withTables(fs, located, (tables) => {
    const sections = (from: number, to: number): SectionReader[] =>
      tables.slice(from, to).flatMap((table) => table.section(uid, name) ?? []);
    const cursorOf = (readers: readonly SectionReader[]): MergeCursor =>
      new MergeCursor(
        readers.map((reader) => reader.scan(range.first, range.last)),
        { dropTombstones: false },
      );
    const former = cursorOf(sections(0, before.length));
    const latter = cursorOf(sections(before.length, before.length + after.length));
    const beneath = sections(before.length + after.length, tables.length);
    let left = former.next();
    let right = latter.next();
    while (left !== null || right !== null) {
      const order = left === null ? 1 : right === null ? -1 : compareEntries(left, right);
      const was = order <= 0 ? left : lookUp(beneath, right as TableEntry);
      const is = order >= 0 ? right : lookUp(beneath, left as TableEntry);
      reportChange(was, is, report);
      if (order <= 0) left = former.next();
      if (order >= 0) right = latter.next();
    }
  });
}

function compareEntries(a: TableEntry, b: TableEntry): number {
  return a.hash - b.hash || compareBytes(a.memory, a.keyAt, a.keyLength, b.memory, b.keyAt, b.keyLength);
}

/** The newest version of the entry's key. Keys are asked for in their order, so that each block is decoded about once. */
function lookUp(newestFirst: readonly SectionReader[], { hash, memory, keyAt, keyLength }: TableEntry): TableEntry | null {
  for (const section of newestFirst) {
    const found = section.get(hash, memory, keyAt, keyLength);
    if (found !== null) return found;
  }
  return null;
}

function reportChange(
  was: TableEntry | null,
  is: TableEntry | null,
  report: (change: ChangeKind, entry: TableEntry, bytes: number) => void,
): void {
  const [before, after] = [live(was), live(is)];
  if (before === null && after === null) return;
  if (before === null && after !== null) report('added', after, after.keyLength + after.valueLength);
  else if (before !== null && after === null) report('removed', before, before.keyLength + before.valueLength);
  else if (before !== null && after !== null && !sameValue(before, after))
    report('changed', after, after.keyLength + after.valueLength);
}

function live(entry: TableEntry | null): TableEntry | null {
  return entry === null || entry.tombstone ? null : entry;
}

function sameValue(a: TableEntry, b: TableEntry): boolean {
  return compareBytes(a.memory, a.valueAt, a.valueLength, b.memory, b.valueAt, b.valueLength) === 0;
}

/** Sums of one state. */
class Sums {
  #written = 0;
  readonly #sums: Record<ChangeKind, { entries: number; bytes: number | null }> = {
    added: { entries: 0, bytes: 0 },
    removed: { entries: 0, bytes: 0 },
    changed: { entries: 0, bytes: 0 },
  };

  add(change: ChangeKind, bytes: number): void {
    const sum = this.#sums[change];
    sum.entries++;
    sum.bytes = (sum.bytes ?? 0) + bytes;
    if (change !== 'removed') this.#written += bytes;
  }

  /**
   * Of the entries that were written, so many more are there than before as were added and not removed.
   *
   * @returns false when the numbers do not fit together
   */
  count(written: Written | null, growth: number): boolean {
    if (written === null) return false;
    const added = growth + written.tombstones;
    if (added < 0 || added > written.entries) return false;
    this.#written = written.bytes;
    this.#sums.added = { entries: added, bytes: null };
    this.#sums.removed = { entries: written.tombstones, bytes: null };
    this.#sums.changed = { entries: written.entries - added, bytes: null };
    for (const sum of Object.values(this.#sums)) if (sum.entries === 0) sum.bytes = 0;
    if (added === 0) this.#sums.changed.bytes = written.bytes;
    else if (added === written.entries) this.#sums.added.bytes = written.bytes;
    return true;
  }

  result(): Readonly<Record<ChangeKind, ChangeSum>> & { readonly writtenBytes: number } {
    return { ...this.#sums, writtenBytes: this.#written };
  }
}
