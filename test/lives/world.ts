/**
 * One disk, the processes that run jobs on it, and what must be true of both: lives of jobs, step by step. What a step finds to do depends on
 * what there is; it returns what it did.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { isTidemarkError } from '../../src/format/errors.ts';
import { collectJob } from '../../src/main/collect-job.ts';
import type { Retention } from '../../src/main/config.ts';
import type { JobState } from '../../src/main/handle.ts';
import { jobDirectoriesIn } from '../../src/snapshot/job-directories.ts';
import { METADATA_NAME, parseCheckpointName } from '../../src/snapshot/paths.ts';
import { findCheckpointsByName, readCheckpoint } from '../../src/snapshot/restore.ts';
import { disposeSavepoint } from '../../src/snapshot/savepoint.ts';
import { errno, randomFrom, SimFs } from '../snapshot/sim-fs.ts';
import { CuttableFs } from './cuttable-fs.ts';
import { type Content, contentAt, type Position } from './input.ts';
import { Inspector } from './inspector.ts';
import { CHECKPOINTS, type JobSpec, Locks, positionOf, Process, SAVEPOINTS } from './process.ts';
import type { Cut, Step, StepKind } from './steps.ts';

const MAX_PROCESSES = 3;
/** Ends of a job after which its checkpoints stay. */
const RETENTIONS: Readonly<Record<Retention, readonly JobState[]>> = {
  RETAIN_ON_CANCELLATION: ['cancelled', 'failed'],
  RETAIN_ALWAYS: ['cancelled', 'failed', 'finished', 'stopped'],
  DELETE_ON_CANCELLATION: ['failed'],
  NO_EXTERNALIZED_CHECKPOINTS: [],
};
const RETENTION_CHOICES = [
  ...(Object.keys(RETENTIONS) as Retention[]),
  'RETAIN_ON_CANCELLATION',
  'RETAIN_ON_CANCELLATION',
] as const;
/** Ends of a job, and of what was asked of it, that follow from what was done to it, or to what it was restored from. */
const EXPECTED_CODES = new Set([
  'ERR_CHECKPOINT_ABORTED',
  'ERR_SAVEPOINT_FAILED',
  'ERR_CHECKPOINT_NOT_FOUND',
  'ERR_FILE_MISSING',
  'ERR_DIR_LOCKED',
  'ERR_OPERATOR_FAILED',
]);
/** And with a disk that was full. */
const FULL_DISK_CODES = new Set(['ERR_NO_SPACE', 'ERR_CHECKPOINT_DIR']);
/** Times of nothing to do after which something that is waited for will not come. */
const STUCK_AFTER = 500;

/** A job over all its processes. */
interface Job {
  readonly spec: JobSpec;
  process: Process;
  /** The newest checkpoint that was told to be complete. */
  newest: { readonly path: string; readonly position: Position } | null;
  /** Checkpoints of it were seen. */
  hadCheckpoint: boolean;
  /** What it was restored from and may delete. */
  claimed: string | null;
  /** Its checkpoints stay, as it ended. */
  kept: boolean;
}

export class World {
  /** How often something happened, for people. */
  readonly counts = new Map<string, number>();
  readonly #inspector = new Inspector();
  readonly #locks = new Locks();
  readonly #jobs = new Map<string, Job>();
  /** Savepoints that somebody was told of. */
  readonly #savepoints = new Set<string>();
  /** Jobs that may delete a checkpoint or savepoint besides its owner: of several that claim one, the first one has it. */
  readonly #claims = new Map<string, Set<string>>();
  readonly #violations: string[] = [];
  readonly #clock: () => void;
  #disk = new SimFs();
  #random = randomFrom(0);
  /** Positions that processes which have just been started are to be restored at. */
  readonly #expected = new Map<Process, Position>();
  /** Processes that ran at any moment of this step. */
  #active = new Set<Process>();
  /** Those of them whose job ran at the beginning of the step. */
  #settled = new Set<Process>();
  #powerWasCut = false;

  /** @param clock  time goes on a little */
  constructor(clock: () => void) {
    this.#clock = clock;
    this.#disk.makeDirectory(CHECKPOINTS);
    this.#disk.makeDirectory(SAVEPOINTS);
    const root = this.#disk.open('/', 'directory');
    this.#disk.fsync(root);
    this.#disk.close(root);
  }

  /** @returns what was done @throws Error that says what is wrong after it */
  async step({ kind, seed, cut, wait }: Step): Promise<string> {
    this.#random = randomFrom(seed);
    this.#active = new Set(this.#running());
    this.#settled = new Set(this.#running().filter(({ runner }) => runner?.state === 'running'));
    this.#powerWasCut = false;
    const before = this.#disk.entries();
    const done = await this.#perform(kind, cut, wait);
    // What has happened last has its consequences.
    await setImmediate();
    const died = [...this.#active].some(({ dead }) => dead) && done !== 'kill' && done !== 'power cut';
    this.#check();
    this.#checkUntouched(before, done);
    this.#throwViolations();
    const name = died ? `${done} (${this.#powerWasCut ? 'power cut' : 'killed'})` : done;
    this.#note(name);
    return name;
  }

  /** Every job ends, garbage is collected once, and nothing is left that no checkpoint needs. */
  async end(): Promise<void> {
    await this.#idle();
    this.#active = new Set(this.#running());
    for (const process of this.#running()) await this.#until(this.#ask('cancel', process), null, process);
    this.#check();
    await this.#collect(null, Number.POSITIVE_INFINITY);
    this.#check();
    this.#violations.push(...this.#inspector.orphans(this.#disk, this.#checkClaims()));
    this.#throwViolations();
    this.#note('manifests inspected', this.#inspector.inspected);
  }

  #perform(kind: StepKind, cut: Cut | null, wait: boolean): Promise<string> {
    const running = this.#running();
    switch (kind) {
      case 'power cut':
        this.#cutPower();
        return Promise.resolve(kind);
      case 'gc':
        return this.#collect(cut, this.#one([Number.POSITIVE_INFINITY, 1, 2]));
      case 'dispose':
        return Promise.resolve(this.#dispose());
      case 'again':
      case 'restore':
      case 'claim':
      case 'resume':
      case 'start':
        if (running.length < MAX_PROCESSES) return this.#start(kind, cut, wait);
        return this.#act('cancel', this.#one(running), cut, wait);
      default:
        if (running.length > 0) return this.#act(kind, this.#one(running), cut, wait);
        return this.#start(this.#one(['again', 'again', 'restore', 'claim', 'resume', 'start']), cut, wait);
    }
  }

  /** Something that a job which runs is asked to do, or that is done to it. */
  async #act(kind: StepKind, process: Process, cut: Cut | null, wait: boolean): Promise<string> {
    process.attempt?.feed(Math.floor(this.#random() * 12));
    if (kind === 'kill') {
      process.kill();
      return kind;
    }
    this.#arm(process, cut);
    await this.#until(this.#ask(kind, process), wait ? null : Math.floor(this.#random() * 12), process);
    process.fs.disarm();
    return kind;
  }

  #ask(kind: StepKind, process: Process): Promise<unknown> {
    const { runner } = process;
    if (runner === null) return Promise.resolve();
    switch (kind) {
      case 'checkpoint':
        return runner.checkpoint();
      case 'savepoint':
        return runner
          .savepoint(SAVEPOINTS, { format: this.#one(['canonical', 'native']) })
          .then(({ path, checkpointId }) => this.#saved(path, process.attempt?.barriers.get(checkpointId)));
      case 'stop': {
        process.asked ??= 'stopped';
        const how = this.#one([
          { savepointDirectory: SAVEPOINTS },
          { retain: true },
          { savepointDirectory: SAVEPOINTS, drain: true },
        ]);
        return runner.stop(how).then((summary) => {
          if (summary?.kind === 'savepoint') this.#saved(summary.path, process.attempt?.barriers.get(summary.checkpointId));
        });
      }
      case 'fault': {
        if (runner.state !== 'running') return Promise.resolve();
        process.attempt?.fail();
        return process.next('running');
      }
      default:
        process.asked ??= 'cancelled';
        return runner.cancel();
    }
  }

  async #start(wanted: StepKind, cut: Cut | null, wait: boolean): Promise<string> {
    const { spec, kind } = this.#specOf(wanted);
    const { jobId, from } = spec;
    const process = new Process(spec, this.#disk, this.#locks, randomFrom(Math.floor(this.#random() * 2 ** 31)), {
      opened: (which, position, content) => this.#opened(which, position, content),
      completed: (which, path, position) => this.#completed(which, path, position),
      restored: ({ spec: restored }, path) => {
        const job = this.#jobs.get(restored.jobId) as Job;
        if (!restored.claim || path.startsWith(`${CHECKPOINTS}/${restored.jobId}/`)) return;
        job.claimed = path;
        this.#noteClaims(restored, path);
      },
      ended: (which, error) => this.#ended(which, error),
    });
    this.#active.add(process);
    const known = this.#jobs.get(jobId);
    if (known === undefined) {
      this.#jobs.set(jobId, { spec, process, newest: null, hadCheckpoint: false, claimed: null, kept: false });
      if (from !== null) this.#expected.set(process, positionOf(readCheckpoint(this.#disk, from).manifest));
    } else {
      known.process = process;
      known.kept = false;
    }
    this.#noteClaims(spec, from);
    this.#arm(process, cut);
    const running = process.start().then(() => process.next('running'));
    await this.#until(running, wait ? null : Math.floor(this.#random() * 12), process);
    process.fs.disarm();
    return kind;
  }

  /** With `resume` all of the job's name is claimed, or rather the newest and what is older. */
  #noteClaims({ jobId, jobName, claim, resume }: JobSpec, from: string | null): void {
    if (!claim) return;
    const former = resume ? findCheckpointsByName(this.#disk, CHECKPOINTS, jobName).map(({ directory }) => directory) : [];
    for (const path of from === null ? former : [from, ...former])
      this.#claims.set(path, (this.#claims.get(path) ?? new Set()).add(jobId));
  }

  #specOf(wanted: StepKind): { readonly spec: JobSpec; readonly kind: StepKind } {
    const died = [...this.#jobs.values()].filter(({ process }) => process.dead);
    if (wanted === 'again' && died.length > 0) return { spec: this.#one(died).spec, kind: 'again' };
    const sources = this.#complete();
    const from =
      sources.length > 0 && (wanted === 'restore' || wanted === 'claim' || wanted === 'again') ? this.#one(sources) : null;
    const kind = from === null ? (wanted === 'resume' ? 'resume' : 'start') : wanted === 'claim' ? 'claim' : 'restore';
    const spec: JobSpec = {
      jobId: (this.#jobs.size + 1).toString(16).padStart(32, '0'),
      jobName: this.#one(['first', 'second']),
      stream: this.#one([1, 1, 2]),
      from,
      resume: kind === 'resume',
      claim: kind === 'claim' || (kind === 'resume' && this.#random() < 0.7),
      parallelism: this.#one([1, 2, 3, 4]),
      config: {
        'execution.checkpointing.num-retained': this.#one([1, 1, 2, 3]),
        'execution.checkpointing.externalized-checkpoint-retention': this.#one(RETENTION_CHOICES),
        'execution.checkpointing.incremental': this.#random() < 0.85,
        'execution.checkpointing.max-concurrent-checkpoints': this.#one([1, 2]),
        'execution.checkpointing.tolerable-failed-checkpoints': this.#one([0, 3]),
        'restart-strategy.type': 'fixed-delay',
        'restart-strategy.fixed-delay.attempts': 5,
        'restart-strategy.fixed-delay.delay': '0 ms',
      },
    };
    return { spec, kind };
  }

  /** As `tidemark gc` does, in a process of its own. */
  async #collect(cut: Cut | null, retained: number): Promise<string> {
    const fs = new CuttableFs(this.#disk);
    const owner = {};
    let dead = false;
    let failed = false;
    if (cut !== null)
      fs.arm(cut, () => {
        failed = true;
        if (cut.by === 'full disk') return this.#fail(null);
        dead = true;
        this.#locks.releaseAllOf(owner);
        if (cut.by === 'power') this.#cutPower();
        return null;
      });
    const storage = this.#locks.storageOf(fs, owner);
    const collected = (async () => {
      for (const directory of jobDirectoriesIn(fs, CHECKPOINTS)) {
        const { problem } = await collectJob(storage, directory, { retained, dryRun: false });
        if (problem !== null && problem.code !== 'ERR_DIR_LOCKED' && !failed) this.#violations.push(`gc: ${problem.message}`);
      }
    })().catch((error: unknown) => {
      if (!failed) throw error;
    });
    await collected;
    return dead ? 'gc, killed' : 'gc';
  }

  #dispose(): string {
    const inUse = new Set([...this.#jobs.values()].map(({ spec }) => spec.from));
    const choices = [...this.#savepoints].filter((path) => !inUse.has(path));
    if (choices.length === 0) return 'nothing';
    const path = this.#one(choices);
    this.#savepoints.delete(path);
    disposeSavepoint(this.#disk, path);
    return 'dispose';
  }

  /** Lets things happen until a promise is settled, at most so many, or its process is dead. What it rejects with is looked at whenever it does. */
  async #until(promise: Promise<unknown>, most: number | null, process: Process): Promise<void> {
    let settled = false;
    promise
      .catch((error: unknown) => this.#failed(process, error))
      .finally(() => {
        settled = true;
      })
      .catch(() => undefined);
    const limit = most ?? Number.POSITIVE_INFINITY;
    for (let done = 0, idle = 0; done < limit; ) {
      await setImmediate();
      if (settled || process.dead) return;
      if (this.#happen()) {
        done++;
        idle = 0;
      } else if (most !== null) return;
      else if (++idle > STUCK_AFTER) {
        this.#violations.push(`job ${process.spec.jobId} is ${process.runner?.state}, and what is waited for does not come`);
        return;
      } else await sleep(idle > 3 ? 1 : 0);
    }
  }

  async #idle(): Promise<void> {
    do await setImmediate();
    while (this.#happen());
  }

  /** One thing happens in one of the processes. */
  #happen(): boolean {
    const choices = this.#running()
      .map((process) => process.actions())
      .filter((actions) => actions.length > 0);
    if (choices.length === 0) return false;
    this.#clock();
    this.#one(this.#one(choices))();
    return true;
  }

  #arm(process: Process, cut: Cut | null): void {
    if (cut === null) return;
    process.fs.arm(cut, () => {
      if (cut.by === 'full disk') return this.#fail(process);
      if (cut.by === 'power') this.#cutPower();
      else process.kill();
      return null;
    });
  }

  #fail(process: Process | null): Error {
    this.#note('full disk');
    if (process !== null) process.failed = true;
    return errno('ENOSPC', '');
  }

  #cutPower(): void {
    this.#powerWasCut = true;
    const after = this.#disk.crash(this.#random);
    for (const process of this.#running()) process.kill();
    this.#disk = after;
  }

  #opened(process: Process, position: Position, content: Content): void {
    const { jobId } = process.spec;
    const job = this.#jobs.get(jobId) as Job;
    if (!equal(content, contentAt(position)))
      this.#violations.push(`job ${jobId} was restored with another state than that of record ${position.at}`);
    const expected = this.#expected.get(process);
    this.#expected.delete(process);
    if (expected !== undefined && !samePosition(expected, position))
      this.#violations.push(`job ${jobId} was restored at record ${position.at} instead of ${expected.at}`);
    const { newest } = job;
    if (newest === null || this.#claims.has(newest.path)) return;
    if (newest.position.stream !== position.stream || newest.position.at > position.at)
      this.#violations.push(
        `job ${jobId} was restored at record ${position.at} although ${newest.path} has ${newest.position.at}`,
      );
  }

  #completed(process: Process, path: string, position: Position | undefined): void {
    const job = this.#jobs.get(process.spec.jobId) as Job;
    this.#note('checkpoints completed');
    this.#requirePosition(path, position);
    if (position !== undefined) job.newest = { path, position };
    job.hadCheckpoint = true;
  }

  #saved(path: string, position: Position | undefined): void {
    this.#note('savepoints completed');
    this.#savepoints.add(path);
    this.#requirePosition(path, position);
  }

  /** What somebody is told to be complete is durable as of its barrier. */
  #requirePosition(path: string, position: Position | undefined): void {
    const found = positionOf(readCheckpoint(this.#disk, path).manifest);
    if (position === undefined || !samePosition(found, position))
      this.#violations.push(`${path} has the position ${found.at}, its barrier was at ${position?.at}`);
  }

  #ended(process: Process, error: unknown): void {
    if (process.dead) return;
    const job = this.#jobs.get(process.spec.jobId) as Job;
    // One that was asked to end, and failed as it deleted its checkpoints, may have deleted them.
    const keptAfter = RETENTIONS[process.config.checkpointing.retention];
    job.kept =
      keptAfter.includes(process.runner?.state ?? 'failed') && (process.asked === null || keptAfter.includes(process.asked));
    if (error !== null) this.#failed(process, error);
  }

  #failed(process: Process, error: unknown): void {
    if (process.dead) return;
    const code = isTidemarkError(error) ? error.code : '';
    const causes = isTidemarkError(error) && error.code === 'ERR_JOB_FAILED' ? error.facts['cause'] : code;
    this.#note(code === '' ? String(error) : code);
    if (process.failed && FULL_DISK_CODES.has(String(causes))) return;
    if (!EXPECTED_CODES.has(String(causes))) this.#violations.push(`job ${process.spec.jobId}: ${(error as Error).stack}`);
  }

  #check(): void {
    this.#violations.push(...this.#inspector.problems(this.#disk));
    const complete = this.#complete();
    for (const path of this.#savepoints) {
      if (complete.includes(path)) continue;
      this.#requireClaimed(path);
      this.#savepoints.delete(path);
    }
    for (const [jobId, job] of this.#jobs) {
      const ids = complete.flatMap((path) => (path.startsWith(`${CHECKPOINTS}/${jobId}/`) ? [numberOf(path)] : []));
      job.hadCheckpoint ||= ids.length > 0;
      // It may be made anew, where a job begins again in its old directory: that one nobody has claimed.
      if (job.claimed !== null && !complete.includes(job.claimed)) job.claimed = null;
      const { newest, process } = job;
      const latest = Math.max(0, ...ids);
      if (newest !== null) {
        const isGone = !complete.includes(newest.path);
        if (latest > numberOf(newest.path)) {
          // One that nobody was told of, as the process died, has subsumed it, or may be deleted together with it by `gc`.
          if (isGone || process.dead) job.newest = this.#newestAt(`${CHECKPOINTS}/${jobId}/chk-${latest}`);
        } else if (isGone) {
          if (this.#mustKeep(job)) this.#requireClaimed(newest.path);
          job.newest = null;
        }
      }
      const { retained } = process.config.checkpointing;
      const quiet = !process.failed && process.isIdle;
      const { completedInAttempt } = process;
      if (quiet && ((completedInAttempt > 0 && ids.length > retained) || ids.length < Math.min(retained, completedInAttempt)))
        this.#violations.push(`job ${jobId} has ${ids.length} checkpoints and retains ${retained}`);
    }
  }

  #newestAt(path: string): NonNullable<Job['newest']> {
    return { path, position: positionOf(readCheckpoint(this.#disk, path).manifest) };
  }

  /** What a job has claimed is deleted once the job retains enough of its own. @returns directories of those that do not yet */
  #checkClaims(): string[] {
    const complete = this.#complete();
    const claiming: string[] = [];
    for (const { spec, process, claimed } of this.#jobs.values()) {
      const directory = `${CHECKPOINTS}/${spec.jobId}`;
      const own = complete.filter((path) => path.startsWith(`${directory}/`)).length;
      if (own === 0) {
        // Its directory has gone with what another job has claimed of it.
        if (claimed !== null && this.#hasGoneFor(spec) && complete.includes(claimed))
          this.#violations.push(`${claimed} was claimed by job ${spec.jobId}, of which nothing is left, and is still there`);
        continue;
      }
      if (own < process.config.checkpointing.retained) claiming.push(directory);
      else if (claimed !== null && complete.includes(claimed))
        this.#violations.push(
          `${claimed} was claimed by job ${spec.jobId}, which has ${own} checkpoints of its own, and is still there`,
        );
    }
    return claiming;
  }

  /** Did another job claim the last of it, and delete it? Whoever else had claimed the same as it did has that now. */
  #hasGoneFor({ jobId }: JobSpec): boolean {
    const { claimed, hadCheckpoint } = this.#jobs.get(jobId) as Job;
    const others = [...this.#claims].filter(([path]) => path.startsWith(`${CHECKPOINTS}/${jobId}/`));
    return (
      hadCheckpoint &&
      others.some(([, claimers]) => [...claimers].some((other) => this.#jobs.get(other)?.hadCheckpoint)) &&
      this.#claims.get(claimed ?? '')?.size === 1
    );
  }

  /** One that was killed may have been about to delete its checkpoints, because of the end that it was asked for, or of a failure. */
  #mustKeep({ process, kept }: Job): boolean {
    if (!process.dead) return kept || !process.isOver;
    const keptAfter = RETENTIONS[process.config.checkpointing.retention];
    return keptAfter.includes('failed') && (process.asked === null || keptAfter.includes(process.asked));
  }

  /** Something is gone: whoever claimed it has a checkpoint of its own. */
  #requireClaimed(path: string): void {
    const claimers = [...(this.#claims.get(path) ?? [])];
    if (claimers.some((jobId) => this.#jobs.get(jobId)?.hadCheckpoint)) return;
    this.#violations.push(
      `${path} is gone, and nobody who has a checkpoint of its own had claimed it (claimed: ${claimers.join()})`,
    );
  }

  /** Nothing has changed but what belongs to the jobs that ran in this step, or what they had claimed. */
  #checkUntouched(before: ReadonlyMap<string, Uint8Array | null>, done: string): void {
    if (this.#powerWasCut) return;
    const after = this.#disk.entries();
    const gc = done.startsWith('gc');
    // Nothing of a job that runs happens while others collect.
    const mayChange = [...this.#active]
      .filter((process) => !gc || !this.#settled.has(process))
      .flatMap(({ spec }) => [`${CHECKPOINTS}/${spec.jobId}`, ...this.#claimedBy(spec.jobId)]);
    for (const path of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(path) === after.get(path) && before.has(path) === after.has(path)) continue;
      if (mayChange.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))) continue;
      if (done === 'dispose' || (done.startsWith('gc') && !this.#isOwned(path))) continue;
      if (path.startsWith(`${SAVEPOINTS}/`) && this.#active.size > 0) {
        const [, , name] = path.split('/');
        // One that is complete, but that nobody was told of, goes when what it was taken for fails.
        if (name.startsWith('.') || !before.has(`${SAVEPOINTS}/${name}`) || !this.#savepoints.has(`${SAVEPOINTS}/${name}`))
          continue;
      }
      // A job that was killed before its first checkpoint has left a directory, which whoever resumes clears away.
      if ([...this.#active].some(({ spec }) => spec.resume) && !this.#hadCheckpoints(before, path)) continue;
      this.#violations.push(`${path} was ${after.has(path) ? 'changed' : 'deleted'} by '${done}', and is none of its business`);
    }
  }

  /** Is it in the directory of a job that runs? Then its own process alone may change it. */
  #isOwned(path: string): boolean {
    return [...this.#settled].some(({ spec }) => path.startsWith(`${CHECKPOINTS}/${spec.jobId}/`));
  }

  /** Also what the owner of it had claimed before, and so on. */
  #claimedBy(jobId: string, known = new Set<string>()): string[] {
    if (known.has(jobId)) return [];
    known.add(jobId);
    return [...this.#claims]
      .filter(([, claimers]) => claimers.has(jobId))
      .flatMap(([path]) => {
        if (!path.startsWith(CHECKPOINTS)) return [path];
        const directory = path.slice(0, path.lastIndexOf('/'));
        return [directory, ...this.#claimedBy(directory.slice(directory.lastIndexOf('/') + 1), known)];
      });
  }

  #hadCheckpoints(before: ReadonlyMap<string, Uint8Array | null>, path: string): boolean {
    const prefix = `${path.split('/').slice(0, 3).join('/')}/chk-`;
    return [...before.keys()].some((other) => other.startsWith(prefix));
  }

  /** Directories of all checkpoints and savepoints. */
  #complete(): string[] {
    const checkpoints = jobDirectoriesIn(this.#disk, CHECKPOINTS).flatMap((directory) =>
      this.#disk
        .list(directory)
        .filter((name) => parseCheckpointName(name) !== null)
        .map((name) => `${directory}/${name}`),
    );
    const savepoints = this.#disk
      .list(SAVEPOINTS)
      .filter((name) => !name.startsWith('.'))
      .map((name) => `${SAVEPOINTS}/${name}`)
      .filter((path) => this.#disk.list(path).includes(METADATA_NAME));
    return [...checkpoints, ...savepoints];
  }

  #running(): Process[] {
    return [...this.#jobs.values()].map(({ process }) => process).filter((process) => !process.isOver);
  }

  #note(what: string, count = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }

  #one<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)];
  }

  #throwViolations(): void {
    if (this.#violations.length > 0) throw new Error(this.#violations.join('\n'));
  }
}

function numberOf(path: string): number {
  return parseCheckpointName(path.slice(path.lastIndexOf('/') + 1)) ?? 0;
}

function samePosition(a: Position, b: Position): boolean {
  return a.stream === b.stream && a.at === b.at;
}

function equal(a: Content, b: Content): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
