/**
 * What an attempt is to those who run it and take its checkpoints. The engine's is `Attempt`, with threads and channels. Tests put one in
 * its place whose operators are a small keyed state, and so drive the whole life of checkpoints in one thread.
 */
import type { Deployment, RestoredTotal, Task } from '../worker/protocol.ts';
import type { AttemptOptions } from './attempt.ts';
import type { Scheduler } from './scheduler.ts';

export interface RunningAttempt {
  readonly options: AttemptOptions;
  readonly deployment: Pick<Deployment, 'plan' | 'operatorCounters'>;
  readonly scheduler: RunningSubtasks;
  /** By index of the subtask: what was restored into it. */
  readonly restored: readonly (readonly RestoredTotal[])[];
  readonly restoredEntries: number;
  readonly splitCount: number;
  open(): Promise<void>;
  /** Runs a task in the background. @throws its error */
  run<T>(task: Task): Promise<T>;
  /**
   * Ends it. Nothing of it may be used afterwards.
   *
   * @param orderly  the job has come to its end: source readers and sink writers are closed first
   * @throws what one of them throws, when all threads have ended
   */
  destroy(orderly: boolean): Promise<void>;
}

/** The scheduler, but for what its workers are given. */
export type RunningSubtasks = Pick<
  Scheduler,
  | 'subtasks'
  | 'i32'
  | 'f64'
  | 'start'
  | 'dispatch'
  | 'wakeSources'
  | 'letDrop'
  | 'tell'
  | 'word'
  | 'double'
  | 'flags'
  | 'isFinished'
  | 'backpressured'
>;
