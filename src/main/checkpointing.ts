/**
 * Carries out what the coordinator decides: triggers barriers in shared memory, has the parts written in the background,
 * binds them into a manifest, publishes, commits the sinks, and clears away what is no longer retained.
 *
 * A barrier becomes, by what it was triggered for:
 *
 * | trigger                       | chk-<n> | savepoint | sinks commit | counts as retained |
 * |-------------------------------|---------|-----------|--------------|--------------------|
 * | periodic, manual, final, stop | yes     | -         | yes          | yes                |
 * | savepoint                     | -       | yes       | -            | -                  |
 * | stop with a savepoint         | yes     | before    | yes          | yes                |
 *
 * A stop with a savepoint is a checkpoint as well because its sinks commit: a crash before the job has ended must not resume
 * from an older one. The savepoint is first: when it fails, nothing has happened, and the job reads on. The tables of a
 * savepoint's barrier lie in the job's own directory, and the next checkpoint names them.
 *
 * Invariants:
 * - A manifest names only tables whose writing was confirmed as durable.
 * - A committable stays in every manifest until its commit was confirmed: a crash in between commits it again.
 * - What is deleted is decided from the retained manifests alone; tables in flight are named as such.
 * - No publication begins, and no merged table takes its place, while a collection runs that does not know of its tables.
 */
import { assert } from '../format/assert.ts';
import { TidemarkError } from '../format/errors.ts';
import type { Manifest } from '../format/manifest.ts';
import type { JobGraph } from '../job/graph.ts';
import { sharedDirectory } from '../snapshot/paths.ts';
import {
  CONTROL_ROW_DOUBLES,
  ControlDouble,
  ControlWord,
  type PersistResult,
  type PublishResult,
  type SyncSnapshot,
} from '../worker/protocol.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { CheckpointingEvents, CheckpointingOptions } from './checkpointing-options.ts';
import {
  type CoordinatorEffect,
  type CoordinatorEvent,
  type CoordinatorOptions,
  type CoordinatorState,
  initialCoordinator,
  stepCoordinator,
  type Trigger,
} from './coordinator.ts';
import type { CheckpointSummary } from './handle.ts';
import { DurableState } from './durable-state.ts';
import { assembleManifest, type Part, type PendingParts, summaryOf } from './manifest-assembly.ts';
import { OldCheckpoints } from './old-checkpoints.ts';
import type { SavepointRequest } from './savepoint-request.ts';
import { Savepoints } from './savepoints.ts';
import type { ScheduledSubtask } from './scheduled-subtask.ts';
import { settledWithin } from './settled-within.ts';
import { isOutputLost, mayPersistAgain, needsPersisting, SinkCommits } from './sink-commits.ts';
import { TableMerger } from './table-merger.ts';

/**
 * What the end of an attempt waits for work in the background, so that a cancelled job leaves whole what it had begun. Work that is cut off
 * is as after a crash: it is committed, or deleted, again when the job goes on.
 */
const LAST_WORK_MS = 10_000;

/** What a barrier has become. */
interface Written {
  readonly checkpoint: CheckpointSummary | null;
  readonly savepoint: CheckpointSummary | null;
}

interface Waiting {
  readonly savepoint: SavepointRequest | null;
  resolve(summary: CheckpointSummary): void;
  reject(error: Error): void;
}

export class Checkpointing {
  readonly #attempt: RunningAttempt;
  readonly #graph: JobGraph;
  readonly #options: CheckpointingOptions;
  readonly #coordinatorOptions: CoordinatorOptions;
  readonly #events: CheckpointingEvents;
  #state: CoordinatorState;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  readonly #pending = new Map<number, PendingParts>();
  /** Parts whose frozen regions a background thread may be reading. An aborted checkpoint's are read to the end all the same. */
  readonly #beingRead = new Set<Part>();
  readonly #waiting = new Map<number, Waiting>();
  #nextToken = 1;

  readonly #durable: DurableState;
  readonly #sinks: SinkCommits;
  /** null without a checkpoint directory. */
  readonly #merger: TableMerger | null = null;
  readonly #old: OldCheckpoints | null = null;
  #parent: Manifest['parent'];
  readonly #savepoints: Savepoints;
  #lastFailure: unknown;

  constructor(attempt: RunningAttempt, graph: JobGraph, options: CheckpointingOptions, events: CheckpointingEvents) {
    this.#attempt = attempt;
    this.#graph = graph;
    this.#options = options;
    this.#events = events;
    this.#coordinatorOptions = { ...options.coordinator, subtasks: attempt.scheduler.subtasks.length };
    this.#state = initialCoordinator(this.#coordinatorOptions, attempt.options.firstEpoch, performance.now());
    this.#durable = new DurableState(attempt.options, attempt.restored, options.jobDirectory);
    this.#sinks = new SinkCommits(attempt, graph, (node, values) => events.collected(node, values));
    this.#savepoints = new Savepoints(attempt, options.fs, options.jobDirectory, (hash) => this.#durable.fileOf(hash));
    this.#parent = options.parent;
    const { jobDirectory } = options;
    if (jobDirectory === null) return;
    const notice = (text: string): void => {
      if (!this.#stopped) events.notice(text);
    };
    this.#merger = new TableMerger(attempt, {
      state: this.#durable,
      jobDirectory,
      collected: async () => this.#old?.collected(),
      notice,
    });
    this.#old = new OldCheckpoints(attempt, {
      jobDirectory,
      retained: options.retained,
      before: options.retainedBefore,
      inFlight: () => this.#inFlight(),
      abandoned: () => this.#abandoned(),
      cleared: (abandoned) => this.#durable.cleared(abandoned),
      deleted: (chosen) => this.#merger?.deleted(chosen),
      waiting: (waiting) => this.#dispatch({ type: 'deletion', waiting, nowMs: performance.now() }),
      notice,
    });
  }

  get counts(): { readonly completed: number; readonly failed: number; readonly inProgress: number } {
    return { completed: this.#state.completed, failed: this.#state.failed, inProgress: this.#state.pending.length };
  }

  start(): void {
    this.#dispatch({ type: 'time', nowMs: performance.now() });
  }

  /**
   * Asks for a checkpoint, or a savepoint; resolves when it is complete and, but for a savepoint on the way, its sinks are
   * committed. After a `stop` that failed the sources read on.
   *
   * @param savepoint  with `savepoint`, and with `stop` for one that ends the job
   */
  request(trigger: Trigger, savepoint: SavepointRequest | null = null): Promise<CheckpointSummary> {
    const token = this.#nextToken++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(token, { savepoint, resolve, reject });
      this.#dispatch({ type: 'request', trigger, token, nowMs: performance.now() });
    });
  }

  /**
   * Sources take what they have read as the end of their input, and all results of the end are emitted. No checkpoint begins
   * meanwhile: one from the middle of the end could not be resumed with more input.
   */
  drain(): void {
    this.#dispatch({ type: 'close' });
    const { scheduler } = this.#attempt;
    for (const subtask of scheduler.subtasks) Atomics.store(scheduler.i32, scheduler.word(subtask, ControlWord.drain), 1);
    scheduler.wakeSources();
  }

  /** A source has begun to read a backlog, or none does any more. */
  backlog(backlog: boolean): void {
    this.#dispatch({ type: 'backlog', backlog, nowMs: performance.now() });
  }

  /** A subtask passed a barrier: its part is written in the background. */
  synced(subtask: ScheduledSubtask, snapshot: SyncSnapshot): void {
    const { checkpointId } = snapshot;
    const pending = this.#pending.get(checkpointId);
    if (pending === undefined) {
      // The checkpoint was aborted meanwhile: what its sinks prepared goes into the next one.
      const late: Part = { subtask, snapshot, after: this.#durable.lastCompleted, persisted: null, kept: false };
      this.#sinks.keep(late);
      this.#persist(late, null).catch((error: unknown) => {
        // The next one asks the sinks again, unless that is of no use.
        if (!mayPersistAgain(error)) this.#fatal(error);
      });
      return;
    }
    const part: Part = {
      subtask,
      snapshot,
      after: snapshot.full ? -1 : this.#durable.lastCompleted,
      persisted: null,
      kept: false,
    };
    pending.parts.set(subtask.index, part);
    this.#beingRead.add(part);
    this.#dispatch({ type: 'synced', id: checkpointId });
    const directory = this.#options.jobDirectory;
    this.#persist(part, directory === null ? (pending.savepoint?.workDirectory ?? null) : sharedDirectory(directory)).then(
      (result) => {
        part.persisted = result;
        if (!this.#pending.has(checkpointId)) this.#durable.abandon(result.table);
        this.#wasRead(part);
        this.#dispatch({ type: 'persisted', id: checkpointId, nowMs: performance.now() });
      },
      (error: unknown) => {
        this.#wasRead(part);
        this.#partFailed(checkpointId, error);
      },
    );
  }

  /** No more events, effects or timers. Waits a while for commits and deletions that have begun. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#merger?.stop();
    clearTimeout(this.#timer);
    const error = new TidemarkError('ERR_CHECKPOINT_ABORTED', 'The checkpoint was aborted because the job ended.');
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    await settledWithin(Promise.all([this.#sinks.settled, this.#old?.stop()]), LAST_WORK_MS);
  }

  /** Removes what there is of savepoints that did not come to be. Call it when all threads have ended. */
  discardUnfinished(): void {
    this.#savepoints.discardAll();
  }

  #dispatch(event: CoordinatorEvent): void {
    if (this.#stopped) return;
    const { state, effects } = stepCoordinator(this.#coordinatorOptions, this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: CoordinatorEffect): void {
    switch (effect.type) {
      case 'trigger':
        return this.#trigger(effect.id, effect.trigger);
      case 'publish':
        this.#publish(effect.id);
        return;
      case 'complete':
        return;
      case 'abort':
        return this.#abort(effect.id, effect.reason, effect.expired, effect.tokens);
      case 'refuse':
        return this.#reject(
          effect.token,
          new TidemarkError('ERR_CHECKPOINT_ABORTED', `The checkpoint was not begun: ${effect.reason}.`),
        );
      case 'failJob':
        return this.#events.fatal(
          new TidemarkError(
            'ERR_CHECKPOINT_ABORTED',
            `The job fails because ${effect.reason}. See execution.checkpointing.tolerable-failed-checkpoints.`,
            { cause: this.#lastFailure },
          ),
        );
      case 'wake':
        clearTimeout(this.#timer);
        this.#timer = setTimeout(
          () => this.#dispatch({ type: 'time', nowMs: performance.now() }),
          Math.max(0, Math.min(effect.atMs - performance.now(), 0x7fffffff)),
        );
        return;
    }
  }

  #trigger(id: number, trigger: Trigger): void {
    const { scheduler } = this.#attempt;
    const request = this.#tokensOf(id)
      .map((token) => this.#waiting.get(token)?.savepoint ?? null)
      .find((wanted) => wanted !== null);
    const savepoint = request === undefined ? null : this.#savepoints.begin(request);
    this.#pending.set(id, {
      trigger,
      savepoint,
      triggeredAt: new Date(),
      startedMs: performance.now(),
      parts: new Map(),
    });
    const nowMs = performance.timeOrigin + performance.now();
    for (const subtask of scheduler.subtasks) {
      scheduler.f64[subtask.index * CONTROL_ROW_DOUBLES + ControlDouble.triggeredAtMs] = nowMs;
      if (trigger === 'stop') Atomics.store(scheduler.i32, scheduler.word(subtask, ControlWord.stopAfter), id);
      Atomics.store(scheduler.i32, scheduler.word(subtask, ControlWord.triggered), id);
    }
    scheduler.dispatch();
    try {
      savepoint?.prepare();
    } catch (error) {
      this.#partFailed(id, error);
    }
  }

  #tokensOf(id: number): readonly number[] {
    return this.#state.pending.find((pending) => pending.id === id)?.requests ?? [];
  }

  #wasRead(part: Part): void {
    this.#beingRead.delete(part);
    this.#letDrop();
  }

  /** The state maps may drop older versions, as far as nobody reads them any more. */
  #letDrop(): void {
    this.#attempt.scheduler.letDrop(this.#durable.droppable(this.#beingRead));
  }

  /** The job goes on after a stop that failed. */
  #readOn(): void {
    const { scheduler } = this.#attempt;
    for (const subtask of scheduler.subtasks) Atomics.store(scheduler.i32, scheduler.word(subtask, ControlWord.stopAfter), 0);
    scheduler.wakeSources();
  }

  #persist(part: Part, directory: string | null): Promise<PersistResult> {
    const written = this.#attempt.run<PersistResult>({
      op: 'persist',
      subtask: part.subtask.index,
      checkpointId: part.snapshot.checkpointId,
      after: part.after,
      full: part.snapshot.full,
      directory,
      states: part.subtask.states,
      committables: part.snapshot.committables.filter(({ node }) => needsPersisting(this.#graph, node)),
    });
    this.#sinks.watch(part, written);
    return written;
  }

  #partFailed(id: number, error: unknown): void {
    if (this.#stopped) return;
    this.#lastFailure = error;
    // Whoever published in our place owns the job now, and lost output is no later checkpoint's: whatever is tolerated, we must stop.
    if (isOutputLost(error) || (error instanceof TidemarkError && error.code === 'ERR_CHECKPOINT_FENCED')) this.#fatal(error);
    const reason = error instanceof Error ? error.message : String(error);
    this.#dispatch({ type: 'failed', id, reason, nowMs: performance.now() });
  }

  #abort(id: number, reason: string, expired: boolean, tokens: readonly number[]): void {
    const pending = this.#pending.get(id) as PendingParts;
    this.#pending.delete(id);
    for (const part of pending.parts.values()) {
      this.#sinks.keep(part);
      this.#durable.abandon(part.persisted?.table ?? null);
    }
    const code = expired ? 'ERR_CHECKPOINT_TIMEOUT' : 'ERR_CHECKPOINT_ABORTED';
    const cause = expired ? undefined : this.#lastFailure;
    const aborted = new TidemarkError(code, `Checkpoint ${id} was aborted: ${reason}`, { cause, facts: { checkpointId: id } });
    const { savepoint, trigger } = pending;
    const error = savepoint === null ? aborted : savepoint.failure(aborted);
    if (savepoint !== null) this.#savepoints.abandon(savepoint);
    if (trigger !== 'savepoint') void this.#attempt.scheduler.tell({ checkpointId: id, status: 'aborted' });
    if (trigger === 'stop') this.#readOn();
    for (const token of tokens) this.#reject(token, error);
    const { triggeredAt, startedMs, parts } = pending;
    this.#events.failed(
      {
        checkpointId: id,
        trigger,
        triggeredAt,
        durationMs: performance.now() - startedMs,
        acknowledged: [...parts.values()].filter(({ persisted }) => persisted !== null).length,
        subtaskCount: this.#coordinatorOptions.subtasks,
      },
      error,
    );
  }

  #publish(id: number): void {
    const pending = this.#pending.get(id) as PendingParts;
    for (const part of pending.parts.values()) this.#sinks.keep(part);
    const manifest = this.#manifest(id, pending);
    this.#write(manifest, pending).then(
      (written) => this.#published(id, manifest, written),
      (error: unknown) => this.#partFailed(id, error),
    );
  }

  async #write(manifest: Manifest, pending: PendingParts): Promise<Written> {
    const { savepoint, trigger } = pending;
    const { jobDirectory } = this.#options;
    // Whether its tables are all there is looked at next, and none may go after that.
    await this.#old?.collected();
    await this.#sinks.persistRest(manifest.checkpointId);
    const saved = savepoint === null ? null : await this.#savepoints.write(savepoint, manifest);
    const savepointSummary = saved === null ? null : summaryOf('savepoint', saved.path, saved.sizes, manifest, pending);
    if (trigger === 'savepoint' || (jobDirectory === null && saved !== null))
      return { checkpoint: null, savepoint: savepointSummary };
    let path = '';
    if (jobDirectory !== null) {
      const { linkIn } = this.#durable;
      const task = { op: 'publish', jobDirectory, manifest: JSON.stringify(manifest), linkIn } as const;
      ({ path } = await this.#options.known.publish(manifest, (known) => this.#attempt.run<PublishResult>({ ...task, known })));
    }
    return { checkpoint: summaryOf('checkpoint', path, manifest.sizes, manifest, pending), savepoint: savepointSummary };
  }

  #published(id: number, manifest: Manifest, written: Written): void {
    if (this.#stopped) return;
    const pending = this.#pending.get(id) as PendingParts;
    this.#pending.delete(id);
    if (pending.savepoint !== null) this.#savepoints.completed(pending.savepoint);
    if (written.savepoint !== null) {
      this.#events.notice(`Savepoint completed: ${written.savepoint.path}`);
      this.#events.saved(written.savepoint, manifest);
    }
    this.#durable.take(id, pending, this.#pending.values());
    this.#letDrop();
    const answer = written.savepoint ?? written.checkpoint;
    assert(answer !== null, 'a checkpoint, a savepoint or both were written');
    const tokens = this.#tokensOf(id);
    if (pending.trigger === 'savepoint') for (const token of tokens) this.#answer(token, answer);
    else this.#conclude(manifest, written.checkpoint, tokens, answer);
    this.#dispatch({ type: 'published', id, nowMs: performance.now() });
  }

  #conclude(
    manifest: Manifest,
    checkpoint: CheckpointSummary | null,
    tokens: readonly number[],
    answer: CheckpointSummary,
  ): void {
    const { checkpointId } = manifest;
    const committed = this.#sinks.commit(checkpointId);
    const told = committed.then(() => this.#attempt.scheduler.tell({ checkpointId, status: 'completed' }));
    told.then(
      () => tokens.forEach((token) => this.#answer(token, answer)),
      (error: Error) => {
        if (answer.kind === 'savepoint') for (const token of tokens) this.#reject(token, notCommitted(answer.path, error));
        this.#fatal(error);
      },
    );
    if (checkpoint === null) return;
    this.#durable.published(manifest);
    this.#parent = { jobId: manifest.jobId, checkpointId: checkpoint.checkpointId };
    this.#events.completed(checkpoint, manifest);
    this.#old?.add(checkpoint.checkpointId, committed);
    this.#merger?.look();
  }

  #answer(token: number, summary: CheckpointSummary): void {
    this.#waiting.get(token)?.resolve(summary);
    this.#waiting.delete(token);
  }

  /**
   * Tables that are written, or being written, and that no manifest names yet. Those that a savepoint is being made of are among
   * them, or are in the newest checkpoint, which is retained: the next one is not published before.
   */
  #inFlight(): string[] {
    const parts = [...this.#pending.values()].flatMap((pending) => [...pending.parts.values()]);
    const persisted = parts.flatMap((part) => (part.persisted?.table ? [part.persisted.table.hash] : []));
    return [...this.#durable.hashes(), ...persisted, ...(this.#merger?.written ?? [])];
  }

  /** A table that is being written may have the content, and so the name, of one that was abandoned. */
  #abandoned(): readonly string[] {
    return this.#pending.size > 0 || this.#merger?.busy === true ? [] : [...this.#durable.abandoned];
  }

  #manifest(id: number, pending: PendingParts): Manifest {
    return assembleManifest({
      checkpointId: id,
      attempt: this.#attempt,
      pending,
      options: this.#options,
      parent: this.#parent,
      totals: this.#durable.totalsWith(pending),
      uncommitted: this.#sinks.uncommitted(id),
      newTables: this.#durable.unpublished,
      tablesOf: (part) => this.#durable.tablesWith(part),
    });
  }

  #reject(token: number, error: Error): void {
    this.#waiting.get(token)?.reject(error);
    this.#waiting.delete(token);
  }

  #fatal(error: unknown): void {
    if (!this.#stopped) this.#events.fatal(error instanceof Error ? error : new Error(String(error)));
  }
}

function notCommitted(savepoint: string, cause: Error): TidemarkError {
  return new TidemarkError(
    'ERR_SAVEPOINT_FAILED',
    `The job was not stopped: the savepoint ${savepoint} is complete, but its sinks could not commit: ${cause.message} Whoever restores from it commits again.`,
    { cause, facts: { path: savepoint } },
  );
}
