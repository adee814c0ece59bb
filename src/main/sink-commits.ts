/**
 * The second phase of the sinks: what was prepared stands in every manifest until its commit was confirmed, so that a crash in
 * between commits it again. Commits are in the order of the barriers, one at a time.
 */
import { TidemarkError } from '../format/errors.ts';
import type { JsonValue } from '../format/json.ts';
import { type JobGraph, sinkOf } from '../job/graph.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { Committable, Part } from './manifest-assembly.ts';

export class SinkCommits {
  readonly #attempt: RunningAttempt;
  readonly #graph: JobGraph;
  readonly #collected: (node: number, values: readonly JsonValue[]) => void;
  #uncommitted: Committable[] = [];
  /** Of these, what is not durable: its checkpoint was aborted, and its part is being written, or could not be. */
  readonly #volatile = new Map<Committable, Part>();
  #lost: unknown;
  #last: Promise<void> = Promise.resolve();

  /** @param collected  takes the records of `collect` sinks */
  constructor(attempt: RunningAttempt, graph: JobGraph, collected: (node: number, values: readonly JsonValue[]) => void) {
    this.#attempt = attempt;
    this.#graph = graph;
    this.#collected = collected;
  }

  /**
   * What a checkpoint has to name, and to commit: what was prepared up to its barrier. What a later one has prepared that was aborted
   * before this one is complete is not in it.
   */
  uncommitted(checkpointId: number): readonly Committable[] {
    return this.#uncommitted.filter(({ epoch }) => epoch <= checkpointId).toSorted((a, b) => a.epoch - b.epoch);
  }

  /** Ends when all commits that were asked for so far have. Never rejects. */
  get settled(): Promise<void> {
    return this.#last.catch(() => undefined);
  }

  /** Takes over what the sinks of a part have prepared; of each part once. */
  keep(part: Part): void {
    if (part.kept) return;
    part.kept = true;
    for (const { node, values } of part.snapshot.committables)
      for (const value of values) {
        const committable = { epoch: part.snapshot.checkpointId, subtask: part.subtask.index, node, value };
        this.#uncommitted.push(committable);
        if (part.persisted === null && needsPersisting(this.#graph, node)) this.#volatile.set(committable, part);
      }
  }

  /** A part is being written; when that has succeeded, what its sinks prepared is durable, also when its checkpoint is not complete. */
  watch(part: Part, written: Promise<unknown>): void {
    written.then(
      () => {
        for (const [committable, of] of this.#volatile) if (of === part) this.#volatile.delete(committable);
      },
      (error: unknown) => this.#noteLost(error),
    );
  }

  /**
   * Makes durable what is not yet. Whatever is in a manifest must be: it is committed once the checkpoint is complete.
   *
   * @returns rejects when a sink could not: the checkpoint cannot be published then
   */
  async persistRest(checkpointId: number): Promise<void> {
    const due = this.uncommitted(checkpointId).filter((committable) => this.#volatile.has(committable));
    for (const subtask of new Set(due.map((committable) => committable.subtask))) {
      const mine = due.filter((committable) => committable.subtask === subtask);
      const committables = mine.map(({ node, value }) => ({ node, values: [value] }));
      const nothing = { after: -1, full: false, directory: null, states: [] };
      try {
        await this.#attempt.run({ op: 'persist', subtask, checkpointId, ...nothing, committables });
      } catch (error) {
        this.#noteLost(error);
        throw error;
      }
      for (const committable of mine) this.#volatile.delete(committable);
    }
    // A part of an aborted checkpoint may still be written: an fsync after its own has failed succeeds in vain.
    if (this.#lost !== undefined) throw this.#lost;
  }

  #noteLost(error: unknown): void {
    if (isOutputLost(error)) this.#lost ??= error;
  }

  /**
   * Commits what a checkpoint that is complete has to commit.
   *
   * @returns rejects when a commit failed: the job must go back to its last checkpoint, which commits again
   */
  commit(checkpointId: number): Promise<void> {
    const due = this.uncommitted(checkpointId);
    const committed = this.#last.then(async () => {
      // Two checkpoints may have had the same committable due.
      const left = due.filter((committable) => this.#uncommitted.includes(committable));
      for (const node of new Set(left.map((committable) => committable.node))) {
        const mine = left.filter((committable) => committable.node === node);
        await this.#commitNode(node, mine);
        this.#uncommitted = this.#uncommitted.filter((committable) => !mine.includes(committable));
      }
    });
    this.#last = committed;
    return committed;
  }

  async #commitNode(node: number, prepared: readonly Committable[]): Promise<void> {
    const committables = prepared.map(({ value }) => value);
    if (sinkOf(this.#graph.nodes[node])?.kind === 'collect') return this.#collected(node, committables);
    const { subtasks } = this.#attempt.scheduler;
    const preparedBy = prepared.map(({ subtask }) => subtasks[subtask].indexInStage);
    await this.#attempt.run({ op: 'commit', node, committables, subtasks: preparedBy });
  }
}

/** Has a sink lost output? It is written again by an attempt that goes back, and by no later checkpoint. */
export function isOutputLost(error: unknown): boolean {
  return error instanceof TidemarkError && error.facts['isLost'] === true;
}

/** Could a sink not make durable what it had prepared, and can be asked again? */
export function mayPersistAgain(error: unknown): boolean {
  const isOfSink = error instanceof TidemarkError && ['ERR_SINK_FAILED', 'ERR_NO_SPACE', 'ERR_IO'].includes(error.code);
  return isOfSink && !isOutputLost(error);
}

/** Has a sink anything to make durable? Collected records would only travel to the background and back. */
export function needsPersisting(graph: JobGraph, node: number): boolean {
  const kind = sinkOf(graph.nodes[node])?.kind;
  return kind === 'files' || kind === 'custom';
}
