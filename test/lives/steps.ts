/** The steps of which lives are made. */

/** What goes wrong in a step, at a file operation of the process that it is about. */
export interface Cut {
  /** Its number, from 0. */
  readonly operations: number;
  /** Counted from the beginning of the step, or from where a checkpoint or savepoint gets its name. */
  readonly from: 'step' | 'publication';
  /** The process is killed; or the power is cut, for all processes and the disk; or the disk is full, for this operation. */
  readonly by: 'kill' | 'power' | 'full disk';
}

export interface Step {
  readonly kind: StepKind;
  /** All else that is left to chance in the step follows from it. */
  readonly seed: number;
  readonly cut: Cut | null;
  /** Is what was begun waited for? Otherwise it goes on during the steps that follow. */
  readonly wait: boolean;
}

/** With how often they are chosen. */
export const STEP_WEIGHTS = {
  /** Asked of a running job. */
  checkpoint: 14,
  savepoint: 7,
  stop: 2,
  cancel: 2,
  /** A function of the job throws: it is restored within its process. */
  fault: 2,
  kill: 3,
  'power cut': 1,
  /** A job whose process died is started again, as its supervisor does. */
  again: 3,
  /** A job is started from a checkpoint or savepoint: NO_CLAIM, CLAIM; from the newest by the job's name; or empty. */
  restore: 3,
  claim: 3,
  resume: 2,
  start: 2,
  /** `tidemark gc`, with `--retain` or not, while jobs run. */
  gc: 3,
  /** `tidemark savepoint dispose`. */
  dispose: 1,
} as const;

export type StepKind = keyof typeof STEP_WEIGHTS;
