/**
 * Merges tables of subtasks that have too many, or too much that is shadowed, in the background. One merge at a time: it has a thread of its own
 * then (see worker-pool.ts), and no checkpoint waits behind a merge.
 */
import { encodeError } from '../format/errors.ts';
import type { TableRef } from '../format/manifest.ts';
import { decideCompaction, type TableRun } from '../snapshot/compaction.ts';
import { sharedDirectory } from '../snapshot/paths.ts';
import type { MergeResult } from '../worker/protocol.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { DurableState } from './durable-state.ts';

export class TableMerger {
  readonly #attempt: RunningAttempt;
  readonly #state: DurableState;
  readonly #directory: string;
  readonly #notice: (text: string) => void;
  #merging = false;
  #stopped = false;

  constructor(attempt: RunningAttempt, state: DurableState, jobDirectory: string, notice: (text: string) => void) {
    this.#attempt = attempt;
    this.#state = state;
    this.#directory = sharedDirectory(jobDirectory);
    this.#notice = notice;
  }

  /** Is a table being written? */
  get busy(): boolean {
    return this.#merging;
  }

  /** The attempt is at its end: no further merge begins, and one that its end cuts off is no news. */
  stop(): void {
    this.#stopped = true;
  }

  /** Begins what is due, the largest list of tables first. Call it when the tables have changed. */
  look(): void {
    if (this.#merging || this.#stopped) return;
    const due = this.#attempt.scheduler.subtasks
      .map(({ index }) => ({ index, all: this.#state.tablesOf(index) }))
      .flatMap(({ index, all }) => {
        const run = decideCompaction(all);
        return run === null ? [] : [{ index, all, run }];
      })
      .sort((a, b) => b.all.length - a.all.length);
    if (due.length > 0) this.#begin(due[0]);
  }

  #begin({ index, all, run }: { readonly index: number; readonly all: readonly TableRef[]; readonly run: TableRun }): void {
    this.#merging = true;
    const tables = all.slice(run.start, run.end);
    this.#attempt
      .run<MergeResult>({
        op: 'merge',
        tables: tables.map((table) => ({ table, path: this.#state.fileOf(table.hash) })),
        directory: this.#directory,
        dropTombstones: run.end === all.length,
        checkpointId: tables[0].createdBy,
      })
      .then(
        ({ table }) => {
          this.#state.replace(index, tables, table);
          this.#merging = false;
          this.look();
        },
        (error: unknown) => {
          // Not again before the next checkpoint.
          this.#merging = false;
          if (!this.#stopped) this.#notice(`Tables could not be merged and stay as they are: ${encodeError(error).message}`);
        },
      );
  }
}
