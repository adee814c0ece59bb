/**
 * What the operators and sinks of a subtask are told of checkpoints: of each that they took part in, once, between two records,
 * whether it is complete or was aborted. An abort may come before the barrier, which then still has to pass.
 */
import type { CheckpointOutcome } from '../job/checkpoint-outcome.ts';

export class CheckpointNotices {
  readonly #tell: (outcome: CheckpointOutcome) => void;
  #waiting: readonly CheckpointOutcome[] = [];

  constructor(tell: (outcome: CheckpointOutcome) => void) {
    this.#tell = tell;
  }

  add(outcomes: readonly CheckpointOutcome[]): void {
    this.#waiting = [...this.#waiting, ...outcomes];
  }

  /** @param epoch  of the subtask: it has passed the barriers of all checkpoints before */
  deliver(epoch: number): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter(({ checkpointId }) => checkpointId < epoch);
    this.#waiting = this.#waiting.filter(({ checkpointId }) => checkpointId >= epoch);
    for (const outcome of due) this.#tell(outcome);
  }
}
