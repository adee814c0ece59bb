/**
 * What differs between two checkpoints, per operator and state.
 *
 * States of equal digests are equal and are not read. Of the others, tables that both checkpoints have are not read where that can
 * be avoided: see `diff-plan.ts`. Between a checkpoint and the one that directly follows, what was written in between says nearly all:
 * its entries are looked up in the older tables, and so compared, where that reads little. Where it would read much they are counted,
 * and the number of added entries follows from the totals in the manifests. A count takes entries that were written again as they were
 * for changed, and those that came and went in between, where the key had been there earlier, for added and removed; a sample that is
 * looked up says how many. `exact` compares in any case.
 */
import type { KeyedStateInfo } from '../format/manifest.ts';
import type { TableEntry } from '../format/sorted-table/cursor.ts';
import type { SectionReader } from '../format/sorted-table/reader.ts';
import { countWritten, lookUpSample, type SampleResult, type Written } from './diff-count.ts';
import { compareEntries, live, lookUp, sameValue } from './diff-entry.ts';
import { compareFiles, type DiffSegment, type FileSum, followsDirectly, planDiff } from './diff-plan.ts';
import { locateTables, statesOfManifest } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import { MergeCursor } from './merge.ts';
import { meterReads, type ReadMeter } from './metered-fs.ts';
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
  /** Of a counted state: what looking some of its entries up has shown. */
  readonly sample: SampleResult | null;
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

/** Looking up what was there before may read so much, or this share of both checkpoints, without being asked for. */
const LOOK_UP_BYTES = 4 * 1024 * 1024;
const LOOK_UP_SHARE = 0.01;

export interface DiffOptions {
  /** Compare every entry that may differ; implied by `onChange`. */
  readonly exact?: boolean;
  readonly onChange?: OnChange;
  /** Bytes that may be read, for all states, to look up what was there before where `exact` is not asked for. */
  readonly lookUpBytes?: number;
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
  const totalBytes = files.both.bytes + files.onlyA.bytes + files.onlyB.bytes;
  const budget = new Budget(options.lookUpBytes ?? Math.max(LOOK_UP_BYTES, LOOK_UP_SHARE * totalBytes));
  const states = pairStates(a, b).map((pair) => diffState(meter, a, b, pair, options, budget));
  return {
    a: a.directory,
    b: b.directory,
    files,
    states,
    totalBytes,
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

function diffState(
  meter: ReadMeter,
  a: Checkpoint,
  b: Checkpoint,
  pair: StatePair,
  options: DiffOptions,
  budget: Budget,
): StateDiff {
  const { fs } = meter;
  const { uid, name, before, after } = pair;
  const sums = new Sums();
  const result = (method: StateDiff['method'], sample: SampleResult | null = null): StateDiff => ({
    uid,
    state: name,
    in: before === null ? 'b' : after === null ? 'a' : 'both',
    method,
    sample,
    entries: [before?.entries ?? 0, after?.entries ?? 0],
    ...sums.result(),
  });
  if (before !== null && after !== null && isSame(before, after)) return result('equal');
  const segments = planDiff(a.manifest, b.manifest, uid, followsDirectly(a.manifest, b.manifest));
  const exact = options.exact === true || options.onChange !== undefined;
  if (!exact && before !== null && after !== null && followsDirectly(a.manifest, b.manifest) && segments.every(isDelta)) {
    const counted = { a, b, uid, name, segments };
    const written = countWritten(fs, counted);
    if (!budget.take(written.compareBytes) && sums.count(written, after.entries - before.entries)) {
      const from = meter.bytesRead;
      const sample = lookUpSample(fs, counted, written.sample, budget.rest);
      budget.rest = Math.max(0, budget.rest - (meter.bytesRead - from));
      return result('counted', sample);
    }
  }
  const info = (after ?? before) as KeyedStateInfo;
  const { onChange } = options;
  for (const segment of segments) {
    compareSegment(fs, a, b, segment, pair, (change, entry, bytes) => {
      sums.add(change, bytes);
      onChange?.({ uid, info }, change, entry);
    });
  }
  return result('compared');
}

/** Is what b has written all that has to be read? */
function isDelta({ before, after }: DiffSegment): boolean {
  return before.length === 0 && after.length === 1;
}

/** Bytes that may still be read. */
class Budget {
  rest: number;

  constructor(bytes: number) {
    this.rest = bytes;
  }

  /** Takes them all or none. */
  take(bytes: number): boolean {
    if (bytes > this.rest) return false;
    this.rest -= bytes;
    return true;
  }
}

/** Equal state, equal digest. Rows of two schemas are not compared by their bytes. */
function isSame(before: KeyedStateInfo, after: KeyedStateInfo): boolean {
  const type = ({ kind, keyType, keySchema, schema }: KeyedStateInfo): string =>
    JSON.stringify([kind, keyType, keySchema, schema]);
  return before.digest === after.digest && before.entries === after.entries && type(before) === type(after);
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
  count(written: Written, growth: number): boolean {
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
