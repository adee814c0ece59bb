/** The first SIGINT, SIGTERM or SIGHUP stops the job with a last checkpoint, the second ends it at once. */
import { constants } from 'node:os';
import type { CheckpointSummary } from '../handle.ts';
import type { Supervisor } from '../supervisor.ts';
import { paintErr } from './output.ts';
import type { Reporter } from './reporter.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** As a shell has it: 130 for SIGINT, 143 for SIGTERM. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

export class StopOnSignal {
  /** The first one. */
  received: NodeJS.Signals | null = null;
  readonly #supervisor: Supervisor;
  readonly #reporter: Reporter;

  constructor(supervisor: Supervisor, reporter: Reporter) {
    this.#supervisor = supervisor;
    this.#reporter = reporter;
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.received !== null) {
      this.#reporter.print(paintErr('yellow', `${signal} again: ending at once.`));
      this.#supervisor.kill();
      return;
    }
    this.received = signal;
    this.#reporter.print(paintErr('yellow', `${signal}: stopping with a last checkpoint; once more to end at once.`));
    void this.#stop();
  };

  async #stop(): Promise<void> {
    try {
      const checkpoint = (await this.#supervisor.call({ method: 'stop', retain: true })) as CheckpointSummary | null;
      if (checkpoint === null) this.#reporter.print('Stopped without a last checkpoint.');
    } catch (error) {
      this.#reporter.print(
        paintErr('red', `The job did not stop: ${(error as Error).message} Send the signal once more to end it at once.`),
      );
    }
  }
}
