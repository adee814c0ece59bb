/** What a job takes from the machine that it runs on. A test runs jobs on a simulated one. */
import { type FsPort, realFs } from '../snapshot/fs-port.ts';
import { Attempt, type AttemptOptions } from './attempt.ts';
import { CheckpointHistory } from './checkpoint-history.ts';
import { type DirectoryLock, lockDirectory, type LockOptions } from './dir-lock.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { SchedulerEvents } from './scheduler.ts';
import { findUnusable, type UnusableDirectory } from './writable-directory.ts';

/** Files, and who owns a directory of them. */
export interface Storage {
  readonly fs: FsPort;
  /** @throws TidemarkError ERR_DIR_LOCKED */
  readonly lockDirectory: (path: string, options?: LockOptions) => Promise<DirectoryLock>;
}

export interface Host extends Storage {
  /** Makes a directory where it is missing. @returns why this process may not write into it, or null */
  readonly findUnusable: (path: string) => UnusableDirectory | null;
  readonly createAttempt: (options: AttemptOptions, events: SchedulerEvents) => RunningAttempt;
  readonly openHistory: (jobDirectory: string | null, notice: (text: string) => void) => CheckpointHistory;
}

export const thisMachine: Host = {
  fs: realFs,
  lockDirectory,
  findUnusable,
  createAttempt: (options, events) => new Attempt(options, events),
  openHistory: (jobDirectory, notice) => new CheckpointHistory(jobDirectory, notice),
};
