/** One process that runs one job, of the product's code but for its operators, on the simulated disk. */
import { TidemarkError } from '../../src/format/errors.ts';
import type { Manifest } from '../../src/format/manifest.ts';
import type { CheckpointHistory } from '../../src/main/checkpoint-history.ts';
import { CheckpointHistory as History } from '../../src/main/checkpoint-history.ts';
import { type Config, resolveConfig } from '../../src/main/config.ts';
import type { JobState, StartOptions } from '../../src/main/handle.ts';
import type { Host, Storage } from '../../src/main/host.ts';
import type { JobRunner } from '../../src/main/job-runner.ts';
import { openJob } from '../../src/main/run.ts';
import { directoryExists, ensureDirectory } from '../../src/snapshot/files.ts';
import type { SimFs } from '../snapshot/sim-fs.ts';
import { CuttableFs } from './cuttable-fs.ts';
import { type Content, graphOf, type Position } from './input.ts';
import { SmallAttempt } from './small-attempt.ts';

export const CHECKPOINTS = '/checkpoints';
export const SAVEPOINTS = '/savepoints';
const ENDS: ReadonlySet<JobState> = new Set(['finished', 'stopped', 'cancelled', 'failed']);

/** Who owns a directory, as the kernel knows it: by what the directory is, not by its name. Ends with the owner. */
export class Locks {
  readonly #owners = new Map<object, object>();

  storageOf(fs: SimFs, owner: object): Storage {
    return {
      fs,
      // oxlint-disable-next-line typescript/require-await -- the kernel's answers later
      lockDirectory: async (path) => {
        if (!directoryExists(fs, path)) throw new TidemarkError('ERR_CHECKPOINT_DIR', `There is no directory ${path}.`);
        const directory = fs.identity(path);
        if (this.#owners.has(directory)) throw new TidemarkError('ERR_DIR_LOCKED', `${path} belongs to another process.`);
        this.#owners.set(directory, owner);
        // oxlint-disable-next-line typescript/require-await -- likewise
        const release = async (): Promise<void> => {
          if (this.#owners.get(directory) === owner) this.#owners.delete(directory);
        };
        return { release };
      },
    };
  }

  releaseAllOf(owner: object): void {
    for (const [directory, other] of this.#owners) if (other === owner) this.#owners.delete(directory);
  }
}

/** How a job is started. The same again: as its supervisor starts it after its process has died. */
export interface JobSpec {
  readonly jobId: string;
  readonly jobName: string;
  readonly stream: number;
  readonly from: string | null;
  readonly resume: boolean;
  readonly claim: boolean;
  readonly parallelism: number;
  readonly config: Readonly<Record<string, string | number | boolean>>;
}

export interface ProcessEvents {
  /** The state maps of an attempt are open, with what was restored. */
  opened(process: Process, position: Position, content: Content): void;
  /** @param position  of the barrier */
  completed(process: Process, path: string, position: Position | undefined): void;
  /** The attempt runs, restored from this directory. */
  restored(process: Process, path: string): void;
  /** @param error  null: it did not fail */
  ended(process: Process, error: unknown): void;
}

export class Process {
  readonly spec: JobSpec;
  readonly config: Config;
  readonly fs: CuttableFs;
  attempt: SmallAttempt | null = null;
  runner: JobRunner | null = null;
  dead = false;
  /** The disk was full for it: what it should have deleted may be there. */
  failed = false;
  /** The end that the job was asked for, first. */
  asked: 'stopped' | 'cancelled' | null = null;
  /** Checkpoints that this attempt has completed. */
  completedInAttempt = 0;
  #failedToStart = false;
  readonly #locks: Locks;
  readonly #random: () => number;
  readonly #events: ProcessEvents;

  constructor(spec: JobSpec, disk: SimFs, locks: Locks, random: () => number, events: ProcessEvents) {
    this.spec = spec;
    this.fs = new CuttableFs(disk);
    this.#locks = locks;
    this.#random = random;
    this.#events = events;
    const { parallelism, from, claim } = spec;
    this.config = resolveConfig({
      overrides: {
        'task.threads': 2,
        'parallelism.default': parallelism,
        'execution.checkpointing.dir': CHECKPOINTS,
        'execution.checkpointing.savepoint-dir': SAVEPOINTS,
        ...(from !== null && { 'execution.state-recovery.path': from }),
        'execution.state-recovery.claim-mode': claim ? 'CLAIM' : 'NO_CLAIM',
        ...spec.config,
      },
    });
  }

  /** @throws what opening the checkpoint directory throws; how the job starts is seen in its state */
  async start(): Promise<JobRunner> {
    const { jobId, jobName, from, resume, claim } = this.spec;
    const options: StartOptions = { ...(from !== null && { from }), resume, claimMode: claim ? 'claim' : 'no-claim' };
    let runner: JobRunner;
    try {
      runner = await openJob(this.#host(), jobId, graphOf(jobName), 'file:///job.mjs', options, this.config);
    } catch (error) {
      this.#failedToStart = true;
      throw error;
    }
    runner.on('checkpoint', ({ path, checkpointId }) => {
      this.completedInAttempt++;
      this.#events.completed(this, path, this.attempt?.barriers.get(checkpointId));
    });
    runner.on('restored', ({ path }) => this.#events.restored(this, path));
    runner.done.then(
      () => this.#events.ended(this, null),
      (error: unknown) => this.#events.ended(this, error),
    );
    this.runner = runner;
    return runner;
  }

  /** Resolves when the job comes into a state, or to its end. */
  next(wanted: JobState): Promise<void> {
    return new Promise((resolve) => {
      this.runner?.on('state', (state) => {
        if (state === wanted || this.isOver) resolve();
      });
    });
  }

  get isOver(): boolean {
    return this.dead || (this.runner === null ? this.#failedToStart : ENDS.has(this.runner.state));
  }

  /** kill -9. What it leaves on the disk stays; what is left of it in memory is cleared away. */
  kill(): void {
    this.dead = true;
    this.fs.die();
    this.#locks.releaseAllOf(this);
    void this.attempt?.destroy();
    void this.runner?.cancel();
  }

  /** Does the job run, with nothing to do? */
  get isIdle(): boolean {
    return !this.isOver && this.attempt?.isIdle === true;
  }

  actions(): (() => void)[] {
    return this.dead ? [] : (this.attempt?.actions() ?? []);
  }

  #host(): Host {
    return {
      ...this.#locks.storageOf(this.fs, this),
      findUnusable: (path) => {
        try {
          ensureDirectory(this.fs, path);
          return null;
        } catch (cause) {
          return { reason: String(cause), errno: null, cause };
        }
      },
      createAttempt: (options, events) => {
        this.completedInAttempt = 0;
        this.attempt = new SmallAttempt(options, events, {
          fs: this.fs,
          random: this.#random,
          stream: this.spec.stream,
          opened: (position, content) => this.#events.opened(this, position, content),
        });
        return this.attempt;
      },
      // A database on the real disk, which no checkpoint depends on.
      openHistory: (_directory, notice): CheckpointHistory => new History(null, notice),
    };
  }
}

/** What a manifest says was read. */
export function positionOf(manifest: Manifest): Position {
  const splits = manifest.stages
    .flatMap(({ subtasks }) => subtasks)
    .flatMap(({ operatorState }) => (operatorState['in']?.['$splits'] ?? []) as unknown as { readonly position: Position }[]);
  if (splits.length !== 1) throw new Error(`the position of the input is there ${splits.length} times`);
  return splits[0].position;
}
