/**
 * What has to be read to tell two checkpoints apart. Pure.
 *
 * The hashes are cut where a subtask's range or a table's clip begins or ends in either checkpoint, so that within a segment each
 * checkpoint has one list of tables:
 *
 * ```
 *   a        b
 *            d7          \  after: written since
 *   d6       m(6,5)      |
 *   d5                   /  before and after: what only one of them has
 *   t2       t2          \
 *   t1       t1          /  common: beneath both. Read only where an entry above does not say what was there before
 * ```
 *
 * Where b is the checkpoint that directly follows a, b's first table is exactly what changed in between, whatever was merged
 * below: then all of a is common.
 */
import { tablesOf, type Manifest, type SubtaskInfo, type TableRef } from '../format/manifest.ts';
import { hashRangeOfSubtask, isEmptyRange, type HashRange } from './hash-range.ts';

/** Tables newest first, none of them clipped within the range. */
export interface DiffSegment {
  readonly range: HashRange;
  readonly before: readonly TableRef[];
  readonly after: readonly TableRef[];
  readonly common: readonly TableRef[];
}

interface Owner {
  readonly range: HashRange;
  readonly subtask: SubtaskInfo;
}

/**
 * Segments of the stage that has an operator, in order of their hashes; segments in which nothing can differ are left out.
 *
 * @param follows  b was taken directly after a (`followsDirectly`)
 */
export function planDiff(a: Manifest, b: Manifest, uid: string, follows: boolean): DiffSegment[] {
  const [former, latter] = [ownersOf(a, uid), ownersOf(b, uid)];
  const segments: DiffSegment[] = [];
  for (const range of cut([...former, ...latter])) {
    const before = tablesIn(former, range);
    const after = tablesIn(latter, range);
    const delta = follows ? deltaOf(ownerOf(latter, range), before, a.checkpointId, b.checkpointId) : null;
    const segment = delta === null ? withoutCommon(range, before, after) : { range, before: [], after: delta, common: before };
    if (segment.before.length > 0 || segment.after.length > 0) segments.push(segment);
  }
  return segments;
}

/** Is `a` the parent of `b`? */
export function followsDirectly(a: Manifest, b: Manifest): boolean {
  return b.kind === 'checkpoint' && b.parent !== null && b.parent.jobId === a.jobId && b.parent.checkpointId === a.checkpointId;
}

export interface FileSum {
  readonly files: number;
  readonly bytes: number;
}

/** Tables that both checkpoints name, and those that only one does. */
export function compareFiles(a: Manifest, b: Manifest): Readonly<Record<'both' | 'onlyA' | 'onlyB', FileSum>> {
  const [inA, inB] = [tablesOf(a), tablesOf(b)];
  return {
    both: sumOf([...inA.values()].filter(({ hash }) => inB.has(hash))),
    onlyA: sumOf([...inA.values()].filter(({ hash }) => !inB.has(hash))),
    onlyB: sumOf([...inB.values()].filter(({ hash }) => !inA.has(hash))),
  };
}

function sumOf(tables: readonly TableRef[]): FileSum {
  return { files: tables.length, bytes: tables.reduce((sum, table) => sum + table.sizeBytes, 0) };
}

function ownersOf(manifest: Manifest, uid: string): Owner[] {
  return manifest.stages
    .filter((stage) => stage.operators.includes(uid))
    .flatMap((stage) => stage.subtasks.map((subtask) => ({ range: hashRangeOfSubtask(stage, subtask), subtask })))
    .filter(({ range }) => !isEmptyRange(range));
}

function cut(owners: readonly Owner[]): HashRange[] {
  const starts = new Set<number>();
  for (const { range, subtask } of owners) {
    for (const { first, last } of [
      range,
      ...subtask.tables.flatMap(({ clip }) => (clip ? [{ first: clip[0], last: clip[1] }] : [])),
    ]) {
      starts.add(first);
      starts.add(last + 1);
    }
  }
  const ascending = [...starts].sort((x, y) => x - y);
  return ascending.slice(0, -1).map((first, i) => ({ first, last: ascending[i + 1] - 1 }));
}

function ownerOf(owners: readonly Owner[], { first }: HashRange): Owner | undefined {
  return owners.find(({ range }) => range.first <= first && first <= range.last);
}

function tablesIn(owners: readonly Owner[], range: HashRange): TableRef[] {
  const tables = ownerOf(owners, range)?.subtask.tables ?? [];
  return tables.filter(({ clip }) => clip === undefined || (clip[0] <= range.first && range.last <= clip[1]));
}

/**
 * The table that b wrote for the owner of a range, if any: what changed since its parent, a. null: it cannot be told.
 *
 * - A table with nothing beneath it, where a had something, is a full snapshot and no delta.
 * - Another table that was written after a is that of a savepoint's barrier in between, or merged with it: b's own then says only what
 *   changed after that.
 */
function deltaOf(
  owner: Owner | undefined,
  before: readonly TableRef[],
  afterId: number,
  checkpointId: number,
): TableRef[] | null {
  if (owner === undefined) return null;
  const { tables, statistics } = owner.subtask;
  const since = tables.filter(({ createdBy }) => createdBy > afterId);
  if (statistics.newBytes === 0) return since.length === 0 ? [] : null;
  const [newest] = tables;
  if (since.length !== 1 || since[0] !== newest) return null;
  if (newest.createdBy !== checkpointId || newest.sizeBytes !== statistics.newBytes) return null;
  return tables.length > 1 || before.length === 0 ? [newest] : null;
}

/** Takes the oldest tables off that are the same on both sides. */
function withoutCommon(range: HashRange, before: readonly TableRef[], after: readonly TableRef[]): DiffSegment {
  let same = 0;
  while (same < before.length && same < after.length && before.at(-1 - same)?.hash === after.at(-1 - same)?.hash) same++;
  return {
    range,
    before: before.slice(0, before.length - same),
    after: after.slice(0, after.length - same),
    common: before.slice(before.length - same),
  };
}
