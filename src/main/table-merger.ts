/** Merges tables of subtasks that have too many, or too much that is shadowed, in the background. */
import { encodeError } from '../format/errors.ts';
import { decideCompaction } from '../snapshot/compaction.ts';
import { sharedDirectory } from '../snapshot/paths.ts';
import type { MergeResult } from '../worker/protocol.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { DurableState } from './durable-state.ts';

export class TableMerger {
  readonly #attempt: RunningAttempt;
  readonly #state: DurableState;
  readonly #directory: string;
  readonly #notice: (text: string) => void;
  readonly #merging = new Set<number>();

  constructor(attempt: RunningAttempt, state: DurableState, jobDirectory: string, notice: (text: string) => void) {
    this.#attempt = attempt;
    this.#state = state;
    this.#directory = sharedDirectory(jobDirectory);
    this.#notice = notice;
  }

  /** Is a table being written? */
  get busy(): boolean {
    return this.#merging.size > 0;
  }

  /** Begins what is due. Call it when the tables have changed. */
  look(): void {
    for (const { index } of this.#attempt.scheduler.subtasks) {
      const all = this.#state.tablesOf(index);
      const run = this.#merging.has(index) ? null : decideCompaction(all);
      if (run === null) continue;
      this.#merging.add(index);
      const tables = all.slice(run.start, run.end);
      this.#attempt
        .run<MergeResult>({
          op: 'merge',
          tables: tables.map((table) => ({ table, path: this.#state.fileOf(table.hash) })),
          directory: this.#directory,
          dropTombstones: run.end === all.length,
          checkpointId: tables[0].createdBy,
        })
        .then(({ table }) => this.#state.replace(index, tables, table))
        .catch((error: unknown) => {
          this.#notice(`Tables could not be merged and stay as they are: ${encodeError(error).message}`);
        })
        .finally(() => this.#merging.delete(index));
    }
  }
}
