/**
 * What of the job's keyed state is durable: the tables that hold each subtask's state as of the last completed barrier, where
 * they lie, and the digests and numbers of entries that belong to them.
 */
import type { Manifest, TableRef } from '../format/manifest.ts';
import { tablesOf } from '../format/manifest.ts';
import { sharedDirectory, tablePath } from '../snapshot/paths.ts';
import type { PersistResult, RestoredTotal, RestoreTable } from '../worker/protocol.ts';
import type { AttemptOptions } from './attempt.ts';
import type { Part, PendingParts } from './manifest-assembly.ts';
import { restoredTotals, type StateTotals, totalsAfter } from './state-totals.ts';

export class DurableState {
  /** Newest first, by subtask. */
  readonly #tables: TableRef[][];
  /** At completed barriers that a delta may still be taken against. */
  readonly #totals = new Map<number, StateTotals>();
  /** Hashes of durable tables that no manifest names yet: merged ones, and those of savepoints' barriers. */
  readonly #unpublished = new Set<string>();
  /** Hashes of durable tables that no manifest will name: of aborted checkpoints, and those whose place was taken before. */
  readonly #abandoned = new Set<string>();
  readonly #jobDirectory: string | null;
  #lastCompleted: number;
  #linkIn: readonly RestoreTable[];

  /**
   * @param restored      by index of the subtask
   * @param jobDirectory  null: nothing is durable but savepoints, which are full
   */
  constructor(options: AttemptOptions, restored: readonly (readonly RestoredTotal[])[], jobDirectory: string | null) {
    const { firstEpoch, restore, plan } = options;
    this.#jobDirectory = jobDirectory;
    this.#lastCompleted = firstEpoch - 1;
    this.#tables = Array.from({ length: plan.subtaskCount }, (_, subtask) => [...(restore?.subtasks[subtask].tables ?? [])]);
    this.#totals.set(this.#lastCompleted, restoredTotals(restored));
    const foreign = new Map(this.#tables.flat().map((table) => [table.hash, { table, path: options.tablePath(table.hash) }]));
    this.#linkIn = [...foreign.values()];
  }

  /** Barrier that the tables stand for. */
  get lastCompleted(): number {
    return this.#lastCompleted;
  }

  /** Tables of the restored checkpoint that are not in the job's own directory yet. */
  get linkIn(): readonly RestoreTable[] {
    return this.#linkIn;
  }

  get unpublished(): ReadonlySet<string> {
    return this.#unpublished;
  }

  get abandoned(): ReadonlySet<string> {
    return this.#abandoned;
  }

  /** What a table was written for did not come to be. */
  abandon(table: TableRef | null): void {
    if (table !== null && !this.#isNamed(table.hash)) this.#abandoned.add(table.hash);
  }

  /** Abandoned tables were deleted. */
  cleared(hashes: readonly string[]): void {
    for (const hash of hashes) this.#abandoned.delete(hash);
  }

  /** Hashes of all tables that the next manifest may name. */
  hashes(): string[] {
    return [...this.#unpublished, ...this.#tables.flat().map((table) => table.hash)];
  }

  tablesOf(subtask: number): readonly TableRef[] {
    return this.#tables[subtask];
  }

  /** Tables of a subtask once its part counts. */
  tablesWith(part: Part): readonly TableRef[] {
    const { table } = part.persisted as PersistResult;
    const own = table === null ? [] : [table];
    return part.after === -1 ? own : [...own, ...this.#tables[part.subtask.index]];
  }

  totalsWith(pending: PendingParts): StateTotals {
    return totalsAfter(pending.parts.values(), this.#totals);
  }

  fileOf(hash: string): string {
    const foreign = this.#linkIn.find(({ table }) => table.hash === hash);
    return foreign?.path ?? tablePath(sharedDirectory(this.#jobDirectory as string), hash);
  }

  /**
   * All parts of a barrier are durable and count.
   *
   * @param others  what is still pending: deltas to barriers that must not be forgotten
   */
  take(id: number, pending: PendingParts, others: Iterable<PendingParts>): void {
    const totals = this.totalsWith(pending);
    for (const part of pending.parts.values()) {
      const before = this.#tables[part.subtask.index];
      this.#tables[part.subtask.index] = [...this.tablesWith(part)];
      if (part.persisted?.table) this.#add(part.persisted.table);
      this.#dropUnpublished(before);
    }
    this.#totals.set(id, totals);
    this.#lastCompleted = id;
    let oldest = id;
    for (const other of others) for (const { after } of other.parts.values()) if (after !== -1) oldest = Math.min(oldest, after);
    for (const known of this.#totals.keys()) if (known < oldest) this.#totals.delete(known);
  }

  /**
   * Newest barrier up to which the state maps may drop what was superseded, and move what is live. Not always the last completed
   * one: a part that is being written as a delta to an older barrier reads the versions in between, where they are. It never goes
   * back: a part that is read later is a delta to the last completed barrier of then.
   *
   * @param beingRead  parts whose tables are being written, also for a checkpoint that was aborted meanwhile
   */
  droppable(beingRead: Iterable<Part>): number {
    let newest = this.#lastCompleted;
    for (const { after } of beingRead) if (after !== -1) newest = Math.min(newest, after);
    return newest;
  }

  /** A manifest of the job is durable: all it names is in the job's directory. */
  published(manifest: Manifest): void {
    for (const hash of tablesOf(manifest).keys()) this.#unpublished.delete(hash);
    this.#linkIn = [];
  }

  /** Puts a merged table in place of a run of tables, which newer ones may have come before meanwhile. */
  replace(subtask: number, run: readonly TableRef[], merged: TableRef | null): void {
    const tables = this.#tables[subtask];
    const start = tables.indexOf(run[0]);
    if (start < 0) {
      this.abandon(merged);
      return;
    }
    this.#tables[subtask] = [
      ...tables.slice(0, start),
      ...(merged === null ? [] : [merged]),
      ...tables.slice(start + run.length),
    ];
    if (merged !== null) this.#add(merged);
    this.#dropUnpublished(run);
  }

  #add({ hash }: TableRef): void {
    this.#unpublished.add(hash);
    // Written again with the same content.
    this.#abandoned.delete(hash);
  }

  /** Of tables whose place was taken, those that no manifest has named are of no use to anybody. */
  #dropUnpublished(tables: readonly TableRef[]): void {
    for (const table of tables)
      if (this.#unpublished.has(table.hash) && !this.#isCurrent(table.hash)) {
        this.#unpublished.delete(table.hash);
        this.#abandoned.add(table.hash);
      }
  }

  #isCurrent(hash: string): boolean {
    return this.#tables.some((tables) => tables.some((table) => table.hash === hash));
  }

  #isNamed(hash: string): boolean {
    return this.#unpublished.has(hash) || this.#isCurrent(hash);
  }
}
