/**
 * Keeps a job running over crashes of its process. A worker that runs out of memory takes the whole process with it, and
 * so does `kill -9`; so the runtime lives in a process of its own, and this small one restarts it from the newest complete
 * checkpoint, as the restart strategy allows. It loads nothing of the engine.
 *
 *             fork            started                finished | failed
 *   (forked) ------> starting --------> running ----------------------> ended
 *                       ^                  |
 *                       |  delay over      | exit without a last word
 *                       +------ waiting <--+------> ended, when the strategy gives up or there are no checkpoints
 *
 * A process that dies by a signal before it has loaded the job for the first time is started again too, as `START_STRATEGY`
 * says: nothing was processed yet, and the job's own strategy is not known before its module is loaded.
 *
 * Invariants:
 * - At most one runtime process lives; the next is forked after the exit of the one before.
 * - The job id is the same over all attempts.
 * - When this process ends, however it ends, the runtime process kills itself (see `runtime-server.ts`).
 */
import { type ChildProcess, fork, type StdioOptions } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { assert } from '../format/assert.ts';
import { decodeError, TidemarkError } from '../format/errors.ts';
import type { CheckpointSummary, JobProgress, JobState, StartOptions } from './handle.ts';
import { withHugePages } from './huge-pages.ts';
import type { FromRuntime, ProcessResult, RestoredFrom, RuntimeCall, ToRuntime } from './process-messages.ts';
import { NO_FAILURES, nextAttempt, type RestartStrategy } from './restart-strategy.ts';

export interface SupervisorOptions {
  /** Entry file of the runtime process. */
  readonly entry: URL;
  readonly execArgv?: readonly string[];
  readonly stdio?: StdioOptions;
  /** How often progress is reported. */
  readonly progressEveryMs: number;
}

export type Outcome =
  | { readonly kind: 'result'; readonly result: ProcessResult }
  | { readonly kind: 'failed'; readonly error: Error }
  /** By `kill()`. */
  | { readonly kind: 'killed' };

export interface SupervisorEvents {
  started: [jobName: string];
  state: [JobState];
  progress: [JobProgress];
  checkpoint: [CheckpointSummary];
  checkpointFailed: [{ readonly checkpointId: number; readonly error: Error }];
  restart: [{ readonly attempt: number; readonly delayMs: number; readonly error: Error }];
  /** The process died and is started again after the delay. */
  crash: [{ readonly reason: string; readonly delayMs: number; readonly attempt: number }];
  restored: [RestoredFrom];
  notice: [string];
  /** A new runtime process, whose standard streams may be read. */
  process: [ChildProcess];
}

interface Started {
  readonly jobName: string;
  readonly checkpointing: boolean;
  readonly restart: RestartStrategy;
}

/** For processes that die before one of them has loaded the job; a module that kills every process is not tried for ever. */
const START_STRATEGY: RestartStrategy = { type: 'fixed-delay', attempts: 3, delayMs: 500 };

export class Supervisor extends EventEmitter<SupervisorEvents> {
  /** Never rejects. */
  readonly done: Promise<Outcome>;
  /** Known once the job module is loaded. */
  jobName: string | null = null;
  /** Newest progress that the job reported. */
  progress: JobProgress | null = null;
  lastCheckpoint: CheckpointSummary | null = null;
  restoredFrom: RestoredFrom | null = null;

  readonly #options: SupervisorOptions;
  readonly #startedAtMs = performance.now();
  readonly #calls = new Map<number, { readonly done: (result: unknown) => void; readonly fail: (error: Error) => void }>();
  #resolveDone: (outcome: Outcome) => void = () => undefined;
  #process: ChildProcess | null = null;
  #start: Extract<ToRuntime, { kind: 'start' }> | null = null;
  #started: Started | null = null;
  #lastWord: Extract<FromRuntime, { kind: 'finished' | 'failed' }> | null = null;
  #attempt = 0;
  #history = NO_FAILURES;
  #startHistory = NO_FAILURES;
  #nextCall = 1;
  #timer: NodeJS.Timeout | null = null;
  #ending = false;
  #killed = false;

  /** Forks the first runtime process, which loads the engine while the caller reads its command line. */
  constructor(options: SupervisorOptions) {
    super();
    this.#options = options;
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
    this.#fork();
  }

  /** The standard streams of the present process, where `stdio` says `pipe`. */
  get process(): ChildProcess | null {
    return this.#process;
  }

  /** @param options  with the job id, which all attempts share */
  start(jobFile: string, options: Omit<StartOptions, 'signal'> & { readonly jobId: string }): void {
    assert(this.#start === null, 'a supervisor starts one job');
    this.#start = {
      kind: 'start',
      supervisorPid: process.pid,
      jobFile,
      options,
      progressEveryMs: this.#options.progressEveryMs,
    };
    this.#sendStart();
  }

  /**
   * Asks the job. While its process is being restarted, `stop` and `cancel` end the job and everything else is refused.
   *
   * @throws the job's error, or ERR_JOB_FAILED when its process dies before it answers
   */
  call(call: RuntimeCall): Promise<unknown> {
    if (call.method === 'stop' || call.method === 'cancel') this.#ending = true;
    if (this.#timer !== null) return this.#callWhileWaiting(call);
    return new Promise((done, fail) => {
      const id = this.#nextCall++;
      this.#calls.set(id, { done, fail: (error) => this.#callFailed(call, error, fail) });
      this.#send({ kind: 'call', id, call });
    });
  }

  /** A job that could not be stopped goes on, and is to survive its next crash. */
  #callFailed(call: RuntimeCall, error: Error, fail: (error: Error) => void): void {
    if (call.method === 'stop' && this.#process !== null) this.#ending = false;
    fail(error);
  }

  /** Ends at once, without a checkpoint. Nothing is deleted: the job can be resumed as after a crash. */
  kill(): void {
    this.#killed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#process === null) this.#end({ kind: 'killed' });
    else this.#process.kill('SIGKILL');
  }

  #fork(): void {
    this.#attempt++;
    const child = fork(this.#options.entry, [], {
      env: withHugePages(process.env),
      execArgv: [...(this.#options.execArgv ?? process.execArgv)],
      stdio: this.#options.stdio ?? ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    this.#process = child;
    this.#lastWord = null;
    child.on('message', (message: FromRuntime) => this.#receive(message));
    child.on('error', (error) => this.#onExit(`could not be started: ${error.message}`));
    // `close`, not `exit`: by then all it printed has arrived.
    child.on('close', (code, signal) => this.#onExit(describeExit(code, signal), signal !== null));
    this.emit('process', child);
    this.#sendStart();
  }

  #sendStart(): void {
    if (this.#start !== null) this.#send({ ...this.#start, options: { ...this.#start.options, processAttempt: this.#attempt } });
  }

  #send(message: ToRuntime): void {
    // A process that is gone answers by its exit.
    if (this.#process?.connected) this.#process.send(message, () => undefined);
  }

  #receive(message: FromRuntime): void {
    switch (message.kind) {
      case 'started':
        this.#started = message;
        this.jobName = message.jobName;
        this.emit('started', message.jobName);
        break;
      case 'state':
        this.emit('state', message.state);
        break;
      case 'progress':
        this.progress = message.progress;
        this.emit('progress', message.progress);
        break;
      case 'checkpoint':
        this.lastCheckpoint = message.checkpoint;
        this.emit('checkpoint', message.checkpoint);
        break;
      case 'checkpointFailed':
        this.emit('checkpointFailed', { checkpointId: message.checkpointId, error: decodeError(message.error) });
        break;
      case 'restart':
        this.emit('restart', { attempt: message.attempt, delayMs: message.delayMs, error: decodeError(message.error) });
        break;
      case 'restored':
        this.restoredFrom = message.restored;
        this.emit('restored', message.restored);
        break;
      case 'notice':
        this.emit('notice', message.text);
        break;
      case 'answer':
        this.#calls.get(message.id)?.done(message.result);
        this.#calls.delete(message.id);
        break;
      case 'refusal':
        this.#calls.get(message.id)?.fail(decodeError(message.error));
        this.#calls.delete(message.id);
        break;
      case 'finished':
      case 'failed':
        this.#lastWord = message;
        break;
    }
  }

  #onExit(reason: string, bySignal = false): void {
    if (this.#process === null) return;
    this.#process = null;
    const lastWord = this.#lastWord;
    if (lastWord?.kind === 'finished') {
      const { result } = lastWord;
      this.#end({ kind: 'result', result: { ...result, restarts: result.restarts + this.#attempt - 1 } });
    } else if (lastWord?.kind === 'failed') {
      this.#end({ kind: 'failed', error: decodeError(lastWord.error) });
    } else if (this.#killed) {
      this.#end({ kind: 'killed' });
    } else {
      this.#onCrash(reason, bySignal);
    }
  }

  #onCrash(reason: string, bySignal: boolean): void {
    for (const call of this.#calls.values())
      call.fail(new TidemarkError('ERR_JOB_FAILED', `The process of the job ${reason} before it answered.`));
    this.#calls.clear();
    const what = `The process of the job ${reason}`;
    const resumable =
      this.lastCheckpoint === null
        ? ''
        : ` The last checkpoint is ${this.lastCheckpoint.path}; \`tidemark run --resume\` goes on from it.`;
    const started = this.#started;
    // Nothing was processed yet, so nothing is missing at the end that was asked for.
    if (this.#ending && started === null) return this.#end({ kind: 'killed' });
    if (this.#ending) return this.#fail(`${what} while the job was ending.${resumable}`);
    if (started === null) return this.#onCrashAtStart(reason, bySignal);
    if (!started.checkpointing) {
      return this.#fail(
        `${what}. Checkpoints are off, so there is nothing to resume from. Set execution.checkpointing.interval and execution.checkpointing.dir to survive this.`,
      );
    }
    const decision = nextAttempt(started.restart, this.#history, performance.now(), Math.random());
    this.#history = decision.history;
    if (decision.delayMs === null) return this.#fail(`${what}, and it is not restarted: ${decision.reason}.${resumable}`);
    this.#forkAfter(decision.delayMs, reason);
  }

  /** An exit code is the module's own word (`process.exit()`), and would be the same again. */
  #onCrashAtStart(reason: string, bySignal: boolean): void {
    const what = `The process of the job ${reason} while it loaded the job`;
    if (!bySignal) return this.#fail(`${what}.`);
    const { delayMs, history } = nextAttempt(START_STRATEGY, this.#startHistory, performance.now(), Math.random());
    this.#startHistory = history;
    if (delayMs === null) return this.#fail(`${what}, as did ${history.attempts} before it.`);
    this.#forkAfter(delayMs, `${reason} while it loaded the job`);
  }

  #forkAfter(delayMs: number, reason: string): void {
    if (this.progress !== null) this.progress = { ...this.progress, state: 'restarting', nextAttemptInMs: delayMs };
    this.emit('state', 'restarting');
    this.emit('crash', { reason, delayMs, attempt: this.#attempt + 1 });
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#fork();
    }, delayMs);
  }

  async #callWhileWaiting(call: RuntimeCall): Promise<unknown> {
    const { method } = call;
    // A job that is not running can end, but not with a savepoint or with results of its end.
    const wantsMore = call.method === 'stop' && (call.savepointDirectory !== undefined || call.drain === true);
    if (method === 'checkpoint' || method === 'savepoint' || wantsMore) {
      this.#ending = false;
      throw new TidemarkError(
        'ERR_CHECKPOINT_ABORTED',
        `The process of the job crashed and is being restarted; try \`${method}\` again when it runs.`,
      );
    }
    assert(this.#timer !== null && this.#start !== null, 'waiting follows the crash of a process that was to start a job');
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#started === null) {
      this.#end({ kind: 'killed' });
      return null;
    }
    const { progress, lastCheckpoint } = this;
    const result: ProcessResult = {
      status: method === 'stop' ? 'stopped' : 'cancelled',
      jobId: this.#start.options.jobId as string,
      jobName: this.#started.jobName,
      records: progress?.records ?? 0,
      durationMs: performance.now() - this.#startedAtMs,
      checkpoints: { completed: progress?.checkpoints.completed ?? 0, failed: progress?.checkpoints.failed ?? 0 },
      lastCheckpoint: lastCheckpoint?.path ?? null,
      restoredFrom: this.restoredFrom?.path ?? null,
      restarts: this.#attempt - 1,
      collected: 0,
      malformed: progress?.malformed ?? 0,
    };
    this.#end({ kind: 'result', result });
    return method === 'stop' ? lastCheckpoint : null;
  }

  #fail(message: string): void {
    this.#end({ kind: 'failed', error: new TidemarkError('ERR_JOB_FAILED', message) });
  }

  #end(outcome: Outcome): void {
    for (const call of this.#calls.values()) call.fail(new TidemarkError('ERR_NO_SUCH_JOB', 'The job has ended.'));
    this.#calls.clear();
    this.#resolveDone(outcome);
  }
}

/** How a process ended, completing "The process of the job ...". */
export function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  // 134 is 128 + SIGABRT, as a shell or container reports it.
  if (signal === 'SIGABRT' || code === 134) return 'aborted (SIGABRT), most likely out of heap: see what it printed above';
  if (signal === 'SIGKILL') return 'was killed (SIGKILL), by hand or because the system ran out of memory';
  if (signal !== null) return `was ended by ${signal}`;
  return `exited with code ${code}`;
}
