/**
 * Merges tables of subtasks that have too many, or too much that is shadowed, in the background. One merge at a time: it has a thread of its own
 * then (see worker-pool.ts), and no checkpoint waits behind a merge.
 *
 * A table is named by its content. So a merge may write the very table that a collection, which began before its hash was known, has chosen
 * to delete, and whether it is there afterwards depends on who came last. Neither waits for the other while there is work to do: a merge of
 * gigabytes would hold up deletions, and with these the checkpoints. Instead a merged table takes its place after the collection that runs
 * when it has been written, and only if none chose it since the merge began; otherwise the tables stay as they are, to be merged again.
 * Collections that begin later are told of it.
 */
import { encodeError } from '../format/errors.ts';
import type { TableRef } from '../format/manifest.ts';
import { decideCompaction, type TableRun } from '../snapshot/compaction.ts';
import { sharedDirectory } from '../snapshot/paths.ts';
import type { MergeResult } from '../worker/protocol.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { DurableState } from './durable-state.ts';

export interface TableMergerOptions {
  readonly state: DurableState;
  readonly jobDirectory: string;
  /** Ends when the collection that runs now, if any, has ended, and `deleted` was told of it. */
  collected(): Promise<void>;
  notice(text: string): void;
}

export class TableMerger {
  readonly #attempt: RunningAttempt;
  readonly #options: TableMergerOptions;
  #merging = false;
  #stopped = false;
  /** Hashes of the tables that collections chose, of those that ended since the merge began. */
  readonly #deleted = new Set<string>();
  #written: readonly string[] = [];

  constructor(attempt: RunningAttempt, options: TableMergerOptions) {
    this.#attempt = attempt;
    this.#options = options;
  }

  /** Is a table being written, or has it not taken its place yet? */
  get busy(): boolean {
    return this.#merging;
  }

  /** Hash of the table that was written and has not taken its place yet: one or none. */
  get written(): readonly string[] {
    return this.#written;
  }

  /** A collection has ended that was to delete these. */
  deleted(hashes: readonly string[]): void {
    if (this.#merging) for (const hash of hashes) this.#deleted.add(hash);
  }

  /** The attempt is at its end: no further merge begins, and one that its end cuts off is no news. */
  stop(): void {
    this.#stopped = true;
  }

  /** Begins what is due, the largest list of tables first. Call it when the tables have changed. */
  look(): void {
    if (this.#merging || this.#stopped) return;
    const due = this.#attempt.scheduler.subtasks
      .map(({ index }) => ({ index, all: this.#options.state.tablesOf(index) }))
      .flatMap(({ index, all }) => {
        const run = decideCompaction(all);
        return run === null ? [] : [{ index, all, run }];
      })
      .sort((a, b) => b.all.length - a.all.length);
    if (due.length > 0) this.#begin(due[0]);
  }

  #begin({ index, all, run }: { readonly index: number; readonly all: readonly TableRef[]; readonly run: TableRun }): void {
    this.#merging = true;
    this.#deleted.clear();
    const tables = all.slice(run.start, run.end);
    this.#merge(tables, run.end === all.length).then(
      (merged) => {
        this.#place(index, tables, merged);
        this.#end();
        this.look();
      },
      (error: unknown) => {
        // Not again before the next checkpoint.
        this.#end();
        if (!this.#stopped)
          this.#options.notice(`Tables could not be merged and stay as they are: ${encodeError(error).message}`);
      },
    );
  }

  /** Ends when whether the table is still there will not change any more. */
  async #merge(tables: readonly TableRef[], dropTombstones: boolean): Promise<TableRef | null> {
    const { table } = await this.#attempt.run<MergeResult>({
      op: 'merge',
      tables: tables.map((input) => ({ table: input, path: this.#options.state.fileOf(input.hash) })),
      directory: sharedDirectory(this.#options.jobDirectory),
      dropTombstones,
      checkpointId: tables[0].createdBy,
    });
    this.#written = table === null ? [] : [table.hash];
    await this.#options.collected();
    return table;
  }

  #place(subtask: number, run: readonly TableRef[], merged: TableRef | null): void {
    if (merged !== null && this.#deleted.has(merged.hash)) this.#options.state.abandon(merged);
    else this.#options.state.replace(subtask, run, merged);
  }

  #end(): void {
    this.#merging = false;
    this.#written = [];
  }
}
