/**
 * What the supervisor and the process with the runtime say to each other, over the IPC channel of `fork()`.
 *
 *   supervisor                        runtime process
 *       | -- start ------------------------> |
 *       | <------------------- started ----- |   the job module is loaded, the configuration is valid
 *       | <-- state, progress, notice ... -- |
 *       | -- call ----------------------->   |
 *       | <------------------- answer ------ |
 *       | <------ finished | failed -------- |   then it exits with code 0
 *
 * An exit without `finished` or `failed` before it is a crash. When the channel closes, the runtime process kills itself:
 * a runtime that nobody supervises could still write into the directories of the job that a new one resumes.
 */
import type { EncodedError } from '../format/errors.ts';
import type { ControlRequest } from './control-protocol.ts';
import type { CheckpointSummary, JobProgress, JobResult, JobState, StartOptions, StopOptions } from './handle.ts';
import type { RestartStrategy } from './restart-strategy.ts';

/** Everything that the handle can be asked; `stop` with all its options. */
export type RuntimeCall = Exclude<ControlRequest, { method: 'status' | 'stop' }> | ({ readonly method: 'stop' } & StopOptions);

export type ToRuntime =
  | {
      readonly kind: 'start';
      readonly supervisorPid: number;
      readonly jobFile: string;
      readonly options: Omit<StartOptions, 'signal'>;
      readonly progressEveryMs: number;
    }
  | { readonly kind: 'call'; readonly id: number; readonly call: RuntimeCall };

/** How the job was restored, as the event of the handle tells it. */
export interface RestoredFrom {
  readonly path: string;
  readonly checkpointId: number;
  readonly durationMs: number;
  readonly entries: number;
}

/** The result without collected records: they may be many, and the command line does not show them. */
export type ProcessResult = Omit<JobResult, 'collected'> & { readonly collected: number };

export type FromRuntime =
  | { readonly kind: 'started'; readonly jobName: string; readonly checkpointing: boolean; readonly restart: RestartStrategy }
  | { readonly kind: 'state'; readonly state: JobState }
  | { readonly kind: 'progress'; readonly progress: JobProgress }
  | { readonly kind: 'checkpoint'; readonly checkpoint: CheckpointSummary }
  | { readonly kind: 'checkpointFailed'; readonly checkpointId: number; readonly error: EncodedError }
  | { readonly kind: 'restart'; readonly attempt: number; readonly delayMs: number; readonly error: EncodedError }
  | { readonly kind: 'restored'; readonly restored: RestoredFrom }
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: EncodedError }
  | { readonly kind: 'finished'; readonly result: ProcessResult }
  | { readonly kind: 'failed'; readonly error: EncodedError };
