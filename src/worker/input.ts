/** Where a stage's records come from in a turn: channels (`input-gate.ts`) or a source (`source-input.ts`). */
import type { JsonValue } from '../format/json.ts';

/**
 * Why an input stopped feeding the chain:
 * - `idle`: nothing to read now
 * - `more`: the deadline passed
 * - `full`: downstream has no room
 * - `barrier`: the epoch ends here: flip, then go on
 * - `ended`: no record will ever come again
 */
export type InputStop = 'idle' | 'more' | 'full' | 'barrier' | 'ended';

export interface StageInput {
  /**
   * Feeds records until one of the reasons above.
   *
   * @param deadlineMs  performance.now() at which to stop
   */
  run(deadlineMs: number): InputStop | Promise<InputStop>;
  /** The subtask has flipped into `epoch`. */
  flipped(epoch: number): void;
  /** Records taken so far. */
  readonly recordsIn: number;
  readonly watermarkMs: number;
  /** Of a source: how many splits it has read, with the share of those that are open. 0 otherwise. */
  readonly progress: number;
  /** Is it a source that reads a backlog? */
  readonly backlog: boolean;
  /** When the first barrier of the epoch arrived, in ms since 1970; 0 if none has. */
  readonly firstBarrierAtMs: number;
  /** Part of the subtask's operator state: of a source, its splits. */
  snapshot(): Readonly<Record<string, readonly JsonValue[]>> | null;
  close(): void | Promise<void>;
}
