/**
 * The checkpoints of one job in its checkpoint directory: who owns it, what to restore from, and what is left at the end.
 *
 * ```
 * <state.checkpoints.dir>/<job-id>/          locked by this process while the job runs
 * <state.checkpoints.dir>/<former job-id>/   locked as well while `--resume` goes on from it: its owner must be gone
 * ```
 */
import { dirname, join, resolve } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import type { Manifest } from '../format/manifest.ts';
import { directoryExists, listDirectory, quietly, syncDirectory } from '../snapshot/files.ts';
import {
  type ClaimedCheckpoint,
  claimFormer,
  claimOne,
  claimsDueWith,
  deleteClaimed,
  ownedDirectory,
} from '../snapshot/claim.ts';
import { findClaim, forgetClaim, recordClaim } from '../snapshot/claim-record.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import { collectGarbage } from '../snapshot/gc.ts';
import {
  checkpointsToKeep,
  completeCheckpoints,
  firstEpochOf,
  highestNumber,
  leaveBehind,
  sweepLeftovers,
} from '../snapshot/own-checkpoints.ts';
import { checkpointDirectory, isJobId, jobDirectory, sharedDirectory, tablePath } from '../snapshot/paths.ts';
import { fenced, isPublished, prepareJobDirectory } from '../snapshot/publish.ts';
import {
  type Checkpoint,
  decideResume,
  findCheckpointsByName,
  findCheckpointsOfJob,
  type FoundCheckpoint,
  openCheckpoint,
} from '../snapshot/restore.ts';
import { isRetainedAtEnd, type JobOutcome, type RetentionPolicy } from '../snapshot/retain.ts';
import type { Config, Retention } from './config.ts';
import type { DirectoryLock } from './dir-lock.ts';
import type { StartOptions } from './handle.ts';
import type { Host } from './host.ts';
import { KnownCheckpoints } from './known-checkpoints.ts';

/** What an attempt starts from. */
export interface RestorePoint {
  /** Directory of the checkpoint. */
  readonly path: string;
  readonly manifest: Manifest;
  tablePath(hash: string): string;
}

const POLICIES: Readonly<Record<Retention, RetentionPolicy>> = {
  NO_EXTERNALIZED_CHECKPOINTS: 'never',
  DELETE_ON_CANCELLATION: 'on-failure',
  RETAIN_ON_CANCELLATION: 'on-cancellation',
  RETAIN_ALWAYS: 'always',
};

export class CheckpointStore {
  readonly jobId: string;
  /** `<base>/<job-id>`; null when no checkpoint directory is configured. */
  readonly jobDirectory: string | null;
  readonly host: Host;
  readonly #base: string | null;
  readonly #jobName: string;
  readonly #options: StartOptions;
  readonly #config: Config;
  /** By directory. */
  readonly #locks = new Map<string, DirectoryLock>();
  #known = new KnownCheckpoints(0, () => false);
  #claimed: ClaimedCheckpoint | null = null;
  #kept = false;

  private constructor(jobId: string, jobName: string, options: StartOptions, config: Config, host: Host) {
    const { directory } = config.checkpointing;
    this.jobId = jobId;
    this.host = host;
    this.#jobName = jobName;
    this.#options = options;
    this.#config = config;
    this.#base = directory === null ? null : resolve(directory);
    this.jobDirectory = this.#base === null ? null : jobDirectory(this.#base, jobId);
  }

  /**
   * Makes and locks the job's directory.
   *
   * @throws TidemarkError ERR_CHECKPOINT_DIR when it cannot be written, ERR_DIR_LOCKED when another process owns it
   */
  static async open(jobId: string, jobName: string, options: StartOptions, config: Config, host: Host): Promise<CheckpointStore> {
    const store = new CheckpointStore(jobId, jobName, options, config, host);
    if (store.#base === null || store.jobDirectory === null) {
      if (config.checkpointing.intervalMs !== null) {
        throw new TidemarkError(
          'ERR_CONFIG_INVALID',
          'execution.checkpointing.interval is set, but no directory for the checkpoints. Set execution.checkpointing.dir, for example -D execution.checkpointing.dir=./checkpoints.',
        );
      }
      if (options.resume === true) {
        throw new TidemarkError(
          'ERR_CONFIG_INVALID',
          '--resume looks for the newest checkpoint in the checkpoint directory, but none is configured. Set execution.checkpointing.dir, or name a checkpoint with -s.',
        );
      }
      return store;
    }
    requireUsable(host, store.#base);
    store.#locks.set(store.jobDirectory, await makeAndLock(host, store.jobDirectory));
    try {
      store.#known = knownIn(host.fs, store.jobDirectory);
    } catch (error) {
      await store.abandon();
      throw error;
    }
    return store;
  }

  /** Numbers in the job's own directory that this process knows of. */
  get known(): KnownCheckpoints {
    return this.#known;
  }

  get hasDirectory(): boolean {
    return this.jobDirectory !== null;
  }

  /** @see firstEpochOf */
  firstEpoch(next: number, restored: number | null): number {
    return firstEpochOf(this.host.fs, this.jobDirectory, next, restored);
  }

  /** Complete checkpoints of the job's own directory, oldest first. One that has come meanwhile is another's: the next publication finds it. */
  ownCheckpoints(): number[] {
    if (this.jobDirectory === null) return [];
    const known = this.#known.highest;
    return completeCheckpoints(this.host.fs, this.jobDirectory).filter((id) => id <= known);
  }

  /**
   * What an attempt starts from: the newest own checkpoint if there is one, else what the options name.
   *
   * @param notice  takes lines for people: what was found, and what was passed over
   * @throws TidemarkError with exit code 3 when what the options name cannot be restored; ERR_CHECKPOINT_FENCED when another process has
   *         taken the job over since the last attempt
   */
  async restorePoint(notice: (text: string) => void): Promise<RestorePoint | null> {
    this.#refuseWhenSuperseded();
    if (this.jobDirectory !== null) sweepLeftovers(this.host.fs, this.jobDirectory);
    const own = decideResume(this.#findOwn(), this.#options.fallback === true);
    if (own.checkpoint !== null) {
      await this.#takeUpClaim();
      return toPoint(own.checkpoint);
    }
    const { from } = this.#config.recovery;
    if (from !== null) {
      const checkpoint = openCheckpoint(this.host.fs, resolve(from));
      this.#makeNameDurable(checkpoint);
      if (this.#config.recovery.claimMode === 'claim') await this.#claim(checkpoint);
      return toPoint(checkpoint);
    }
    return this.#options.resume === true ? this.#resume(notice) : null;
  }

  /** A checkpoint of the job is complete: one that was taken over is deleted when it is subsumed, like the job's own. */
  completed(): void {
    if (this.#claimed === null) return;
    let own: number;
    try {
      own = this.ownCheckpoints().length;
    } catch {
      // The checkpoint is complete all the same; the next one asks again.
      return;
    }
    if (own >= this.#config.checkpointing.retained) this.#deleteClaimed();
  }

  /**
   * Applies the retention policy and gives the directory free. Call once, after the last attempt.
   *
   * @throws TidemarkError ERR_CHECKPOINT_FENCED when another process has taken the job over: nothing was touched then
   */
  async close(outcome: JobOutcome, keepLast: boolean): Promise<void> {
    try {
      this.#refuseWhenSuperseded();
      if (this.jobDirectory !== null && directoryExists(this.host.fs, this.jobDirectory)) {
        const keep = keepLast || isRetainedAtEnd(POLICIES[this.#config.checkpointing.retention], outcome);
        const found = this.#findOwn();
        const hasOwn = found.some(({ problem }) => problem === null);
        this.#kept = keep && hasOwn;
        // As long as the job has no checkpoint of its own, the claimed one is all that there is of it.
        if (!keep && hasOwn) this.#deleteClaimed(true);
        const retain = keep ? checkpointsToKeep(found, this.#config.checkpointing.retained) : [];
        leaveBehind(this.host.fs, this.jobDirectory, retain);
      }
    } finally {
      await this.#release(() => true);
    }
  }

  /** Gives the directory free and touches nothing in it: another process owns the job now. Instead of `close`. */
  async abandon(): Promise<void> {
    this.#kept = true;
    await this.#release(() => true);
  }

  /** This process has slept, and a successor did not see its lock, as from another host. What is there is not ours then. */
  #refuseWhenSuperseded(): void {
    const latest = highestNumber(this.host.fs, this.jobDirectory);
    if (this.jobDirectory === null || latest <= this.#known.highest) return;
    throw fenced(checkpointDirectory(this.jobDirectory, latest), 'another process has published it');
  }

  /** The path of a checkpoint if it is still there after `close`. */
  keptPath(path: string | null): string | null {
    return this.#kept && path !== null && path !== '' ? path : null;
  }

  #findOwn(): FoundCheckpoint[] {
    return this.jobDirectory === null ? [] : findCheckpointsOfJob(this.host.fs, this.jobDirectory);
  }

  /**
   * The newest checkpoint of a job of this name. Its directory is locked before it is read: a process that dies slowly could
   * otherwise complete one more checkpoint, and commit its sinks, after we have looked.
   */
  async #resume(notice: (text: string) => void): Promise<RestorePoint | null> {
    const base = this.#base as string;
    const former = findCheckpointsByName(this.host.fs, base, this.#jobName).filter(({ jobId }) => jobId !== this.jobId);
    for (const jobId of new Set(former.map((found) => found.jobId))) await this.#own(join(base, jobId));
    const found = findCheckpointsByName(this.host.fs, base, this.#jobName).filter(({ jobId }) => jobId !== this.jobId);
    await removeEmpty(this.host, base, this.jobId);
    const { checkpoint, passedOver } = decideResume(found, this.#options.fallback === true);
    for (const { directory, reason } of passedOver) notice(`Passed over ${directory}: ${reason}`);
    if (checkpoint === null) {
      notice(`No checkpoint of a job named '${this.#jobName}' in ${base}: starting empty.`);
      return null;
    }
    this.#makeNameDurable(checkpoint);
    notice(`Resuming from ${checkpoint.directory}, the newest complete checkpoint of '${this.#jobName}'.`);
    if (this.#options.claimMode !== 'no-claim') await this.#take(claimFormer(checkpoint), checkpoint);
    return toPoint(checkpoint);
  }

  /** As `sweepLeftovers` does it for the job's own; here only where it can be, since a savepoint may lie where nothing can be written. */
  #makeNameDurable({ directory }: Checkpoint): void {
    quietly(() => syncDirectory(this.host.fs, dirname(directory)));
  }

  async #claim(checkpoint: Checkpoint): Promise<void> {
    if (this.#claimed !== null) return;
    const claimed = claimOne(checkpoint);
    if (ownedDirectory(claimed) === this.jobDirectory) return;
    // A running job, or another that claims the same, may not lose it.
    await this.#own(ownedDirectory(claimed));
    await this.#take(claimed, checkpoint);
  }

  async #take(claimed: ClaimedCheckpoint, checkpoint: Checkpoint): Promise<void> {
    this.#claimed = claimed;
    if (this.jobDirectory !== null)
      recordClaim(this.host.fs, this.jobDirectory, claimed, checkpoint, this.#config.checkpointing.retained);
    await this.#ownAllDueWith(claimed);
  }

  /** Also what the former job had claimed. What another job owns that has claimed it too is not waited for. */
  async #ownAllDueWith(claimed: ClaimedCheckpoint): Promise<void> {
    for (const due of claimsDueWith(this.host.fs, claimed)) await this.#own(ownedDirectory(due)).catch(() => undefined);
  }

  /** An earlier process of the job has claimed something, and died before it had deleted it. */
  async #takeUpClaim(): Promise<void> {
    if (this.jobDirectory === null || this.#claimed !== null) return;
    try {
      const claim = findClaim(this.host.fs, this.jobDirectory);
      if (claim === null) return;
      await this.#own(ownedDirectory(claim.claimed));
      await this.#ownAllDueWith(claim.claimed);
      this.#claimed = claim.claimed;
    } catch {
      // Another job has it now, or it cannot be read: `tidemark gc` looks again.
      return;
    }
    this.completed();
  }

  /** @param atEnd  the job's own directory, and with it what it says of its claim, is removed next */
  #deleteClaimed(atEnd = false): void {
    const claimed = this.#claimed;
    this.#claimed = null;
    if (claimed === null) return;
    try {
      const due = claimsDueWith(this.host.fs, claimed);
      const owned = due.filter((one) => this.#locks.has(ownedDirectory(one)));
      // Another job has claimed a part of it too: all stays, with its records, for the next start or `tidemark gc`.
      if (owned.length < due.length && !atEnd) return;
      for (const one of owned) deleteClaimed(this.host.fs, one);
      if (this.jobDirectory !== null) forgetClaim(this.host.fs, this.jobDirectory);
    } catch {
      // The job does not end for that. Its record stays, and the next start or `tidemark gc` tries again.
    }
    // The lock of a directory that is gone would be that of another one, once the file system gives its inode number to that.
    // Where that cannot be told, the lock is given up at the end.
    this.#release((directory) => !directoryExists(this.host.fs, directory)).catch(() => undefined);
  }

  /** Locks a directory besides the job's own; again in a later attempt of the job. */
  async #own(directory: string): Promise<void> {
    if (!this.#locks.has(directory)) this.#locks.set(directory, await this.host.lockDirectory(directory));
  }

  async #release(which: (directory: string) => boolean): Promise<void> {
    const due = [...this.#locks].filter(([directory]) => which(directory));
    for (const [directory] of due) this.#locks.delete(directory);
    await Promise.all(due.map(([, lock]) => lock.release()));
  }
}

/**
 * Makes the directory of a job and locks it. Another job that starts may just have taken it for one that was left empty, and
 * have removed it: then it is made again.
 */
async function makeAndLock({ fs, lockDirectory }: Host, directory: string): Promise<DirectoryLock> {
  for (;;) {
    prepareJobDirectory(fs, directory);
    const lock = await lockDirectory(directory).catch((error: unknown) => {
      if (directoryExists(fs, directory)) throw error;
      return null;
    });
    if (lock === null) continue;
    let isThere = false;
    try {
      isThere = directoryExists(fs, sharedDirectory(directory));
    } finally {
      if (!isThere) await lock.release();
    }
    if (isThere) return lock;
  }
}

function knownIn(fs: FsPort, jobDir: string): KnownCheckpoints {
  return new KnownCheckpoints(highestNumber(fs, jobDir), (manifest) => isPublished(fs, jobDir, manifest));
}

function toPoint(checkpoint: Checkpoint): RestorePoint {
  return {
    path: checkpoint.directory,
    manifest: checkpoint.manifest,
    tablePath: (hash) => tablePath(checkpoint.tableDirectory, hash),
  };
}

/** A job that was killed before its first checkpoint leaves a directory without any. Those that nobody owns go. */
async function removeEmpty({ fs, lockDirectory }: Host, base: string, ownJobId: string): Promise<void> {
  for (const jobId of listDirectory(fs, base)) {
    const directory = join(base, jobId);
    if (!isJobId(jobId) || jobId === ownJobId || findCheckpointsOfJob(fs, directory).length > 0) continue;
    try {
      const lock = await lockDirectory(directory, { waitMs: 0 });
      try {
        collectGarbage(fs, directory, { retain: [], inFlight: new Set(), sweep: true });
      } finally {
        await lock.release();
      }
    } catch {
      // It has an owner, or is gone: neither is our business.
    }
  }
}

/** Names the problem before the job starts, rather than at its first checkpoint. */
function requireUsable({ findUnusable }: Host, path: string): void {
  const unusable = findUnusable(path);
  if (unusable === null) return;
  throw new TidemarkError(
    'ERR_CHECKPOINT_DIR',
    `The checkpoint directory ${path} cannot be used: ${unusable.reason}. Set execution.checkpointing.dir to a directory that this process may write.`,
    { cause: unusable.cause, facts: { path, errno: unusable.errno } },
  );
}
