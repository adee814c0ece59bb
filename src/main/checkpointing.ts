/**
 * Carries out what the coordinator decides: triggers barriers in shared memory, has the parts written in the background,
 * binds them into a manifest, publishes, commits the sinks, and clears away what is no longer retained.
 *
 * Invariants:
 * - A manifest names only tables whose writing was confirmed as durable.
 * - A committable stays in every manifest until its commit was confirmed: a crash in between commits it again.
 * - What is deleted is decided from the retained manifests alone; tables in flight are named as such.
 */
import { StateDigest } from '../format/digest.ts';
import { encodeError, TidemarkError } from '../format/errors.ts';
import type { JsonValue } from '../format/json.ts';
import type { KeyedStateInfo, Manifest, TableRef } from '../format/manifest.ts';
import { type JobGraph, sinkOf } from '../job/graph.ts';
import { decideCompaction } from '../snapshot/compaction.ts';
import { sharedDirectory } from '../snapshot/paths.ts';
import {
  CONTROL_ROW_DOUBLES,
  ControlDouble,
  ControlWord,
  type MergeResult,
  type PersistResult,
  type PublishResult,
  type RestoreTable,
  type SyncSnapshot,
} from '../worker/protocol.ts';
import type { Attempt } from './attempt.ts';
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
import { assembleManifest, type Committable, type Part, type PendingParts, type StateTotal } from './manifest-assembly.ts';
import type { ScheduledSubtask } from './scheduler.ts';

export interface CheckpointingOptions {
  readonly coordinator: Omit<CoordinatorOptions, 'subtasks'>;
  readonly incremental: boolean;
  /** `<base>/<job-id>`; null: no checkpoint directory, and barriers serve the sinks only. */
  readonly jobDirectory: string | null;
  readonly retained: number;
  readonly config: Readonly<Record<string, JsonValue>>;
  /** Complete checkpoints that the job's directory held before, oldest first. */
  readonly retainedBefore: readonly number[];
  /** Counters of the checkpoint that the attempt starts from. */
  readonly countersBefore: Readonly<Record<string, number>>;
  readonly parent: { readonly jobId: string; readonly checkpointId: number } | null;
}

export interface CheckpointingEvents {
  completed(summary: CheckpointSummary): void;
  failed(checkpointId: number, error: Error): void;
  /** The attempt cannot go on. */
  fatal(error: Error): void;
  /** Records of a `collect` sink whose checkpoint is complete. */
  collected(node: number, values: readonly JsonValue[]): void;
  notice(text: string): void;
}

interface Waiting {
  resolve(summary: CheckpointSummary): void;
  reject(error: Error): void;
}

export class Checkpointing {
  readonly #attempt: Attempt;
  readonly #graph: JobGraph;
  readonly #options: CheckpointingOptions;
  readonly #coordinatorOptions: CoordinatorOptions;
  readonly #events: CheckpointingEvents;
  #state: CoordinatorState;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  readonly #pending = new Map<number, PendingParts>();
  readonly #waiting = new Map<number, Waiting>();
  #nextToken = 1;

  /** Newest first, by subtask: tables that hold the state as of `#lastCompleted`. */
  readonly #tables: TableRef[][];
  #lastCompleted: number;
  /** Totals at completed checkpoints that a delta may still be taken against: id -> `subtask/uid/state` -> total. */
  readonly #totals = new Map<number, Map<string, StateTotal>>();
  /** Prepared and not confirmed as committed: they stand in every manifest. */
  #uncommitted: Committable[] = [];
  #retained: number[];
  /** Tables of the restored checkpoint that are not in the job's own directory yet. */
  #linkIn: RestoreTable[];
  readonly #merging = new Set<number>();
  readonly #mergedInFlight = new Set<string>();
  #commits: Promise<void> = Promise.resolve();
  #gc: Promise<void> = Promise.resolve();

  constructor(attempt: Attempt, graph: JobGraph, options: CheckpointingOptions, events: CheckpointingEvents) {
    this.#attempt = attempt;
    this.#graph = graph;
    this.#options = options;
    this.#events = events;
    this.#coordinatorOptions = { ...options.coordinator, subtasks: attempt.scheduler.subtasks.length };
    const { firstEpoch, restore, tablePath } = attempt.options;
    this.#state = initialCoordinator(this.#coordinatorOptions, firstEpoch, performance.now());
    this.#lastCompleted = firstEpoch - 1;
    this.#tables = attempt.scheduler.subtasks.map((subtask) => [...(restore?.subtasks[subtask.index].tables ?? [])]);
    this.#totals.set(this.#lastCompleted, this.#restoredTotals(restore?.states ?? new Map()));
    const foreign = new Map(this.#tables.flat().map((table) => [table.hash, { table, path: tablePath(table.hash) }]));
    this.#linkIn = [...foreign.values()];
    this.#retained = [...options.retainedBefore];
  }

  get counts(): { readonly completed: number; readonly failed: number; readonly inProgress: number } {
    return { completed: this.#state.completed, failed: this.#state.failed, inProgress: this.#state.pending.length };
  }

  start(): void {
    this.#dispatch({ type: 'time', nowMs: performance.now() });
  }

  /** Asks for a checkpoint; resolves when it is complete and, for `stop` and `final`, its sinks are committed. */
  request(trigger: Trigger): Promise<CheckpointSummary> {
    const token = this.#nextToken++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(token, { resolve, reject });
      this.#dispatch({ type: 'request', trigger, token, nowMs: performance.now() });
    });
  }

  /** A subtask passed a barrier: its part is written in the background. */
  synced(subtask: ScheduledSubtask, snapshot: SyncSnapshot): void {
    const { checkpointId } = snapshot;
    const pending = this.#pending.get(checkpointId);
    if (pending === undefined) {
      // The checkpoint was aborted meanwhile: what its sinks prepared goes into the next one.
      const late: Part = { subtask, snapshot, after: this.#lastCompleted, persisted: null, kept: false };
      this.#keepCommittables(late);
      this.#persist(late, null).catch((error: unknown) => this.#fatal(error));
      return;
    }
    const part: Part = { subtask, snapshot, after: snapshot.full ? -1 : this.#lastCompleted, persisted: null, kept: false };
    pending.parts.set(subtask.index, part);
    this.#dispatch({ type: 'synced', id: checkpointId });
    this.#persist(part, this.#options.jobDirectory).then(
      (result) => {
        part.persisted = result;
        this.#dispatch({ type: 'persisted', id: checkpointId, nowMs: performance.now() });
      },
      (error: unknown) => this.#partFailed(checkpointId, error),
    );
  }

  /** No more events, effects or timers. Waits for commits and deletions that have begun. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const error = new TidemarkError('ERR_CHECKPOINT_ABORTED', 'The checkpoint was aborted because the job ended.');
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    await Promise.allSettled([this.#commits, this.#gc]);
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
        this.#publish(effect.id).then(
          (summary) => this.#published(effect.id, summary),
          (error: unknown) => this.#partFailed(effect.id, error),
        );
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

  #lastFailure: unknown;

  #trigger(id: number, trigger: Trigger): void {
    const { scheduler } = this.#attempt;
    this.#pending.set(id, { trigger, triggeredAt: new Date(), startedMs: performance.now(), parts: new Map() });
    const nowMs = performance.timeOrigin + performance.now();
    for (const subtask of scheduler.subtasks) {
      scheduler.f64[subtask.index * CONTROL_ROW_DOUBLES + ControlDouble.triggeredAtMs] = nowMs;
      if (trigger === 'stop') Atomics.store(scheduler.i32, scheduler.word(subtask, ControlWord.stopAfter), id);
      Atomics.store(scheduler.i32, scheduler.word(subtask, ControlWord.triggered), id);
    }
    scheduler.dispatch();
  }

  #persist(part: Part, jobDirectory: string | null): Promise<PersistResult> {
    return this.#attempt.run<PersistResult>({
      op: 'persist',
      subtask: part.subtask.index,
      checkpointId: part.snapshot.checkpointId,
      after: part.after,
      full: part.snapshot.full,
      directory: jobDirectory === null ? null : sharedDirectory(jobDirectory),
      states: part.subtask.states,
      committables: part.snapshot.committables.filter(({ node }) => needsPersisting(this.#graph, node)),
    });
  }

  #partFailed(id: number, error: unknown): void {
    if (this.#stopped) return;
    this.#lastFailure = error;
    const reason = error instanceof Error ? error.message : String(error);
    this.#dispatch({ type: 'failed', id, reason, nowMs: performance.now() });
  }

  #abort(id: number, reason: string, expired: boolean, tokens: readonly number[]): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    for (const part of pending?.parts.values() ?? []) this.#keepCommittables(part);
    const code = expired ? 'ERR_CHECKPOINT_TIMEOUT' : 'ERR_CHECKPOINT_ABORTED';
    const error = new TidemarkError(code, `Checkpoint ${id} was aborted: ${reason}`, {
      cause: expired ? undefined : this.#lastFailure,
      facts: { checkpointId: id },
    });
    for (const token of tokens) this.#reject(token, error);
    this.#events.failed(id, error);
  }

  #keepCommittables(part: Part): void {
    if (part.kept) return;
    part.kept = true;
    for (const { node, values } of part.snapshot.committables)
      for (const value of values) this.#uncommitted.push({ subtask: part.subtask.index, node, value });
  }

  async #publish(id: number): Promise<CheckpointSummary> {
    const pending = this.#pending.get(id) as PendingParts;
    for (const part of pending.parts.values()) this.#keepCommittables(part);
    const { jobDirectory } = this.#options;
    const manifest = this.#manifest(id, pending);
    let path = '';
    if (jobDirectory !== null) {
      const published = await this.#attempt.run<PublishResult>({
        op: 'publish',
        jobDirectory,
        manifest: JSON.stringify(manifest),
        linkIn: this.#linkIn,
      });
      path = published.path;
      this.#linkIn = [];
    }
    const { sizes } = manifest;
    return {
      checkpointId: id,
      path,
      kind: 'checkpoint',
      trigger: pending.trigger,
      durationMs: performance.now() - pending.startedMs,
      newBytes: sizes.newBytes,
      referencedBytes: sizes.referencedBytes,
      liveBytes: sizes.liveBytes,
      files: sizes.files,
      syncMs: Math.max(0, ...[...pending.parts.values()].map((part) => part.snapshot.syncMs)),
    };
  }

  #published(id: number, summary: CheckpointSummary): void {
    if (this.#stopped) return;
    const pending = this.#pending.get(id) as PendingParts;
    this.#pending.delete(id);
    for (const part of pending.parts.values()) this.#tables[part.subtask.index] = this.#tablesWith(part);
    this.#totals.set(id, this.#totalsWith(pending));
    for (const table of this.#tables.flat()) this.#mergedInFlight.delete(table.hash);
    this.#lastCompleted = id;
    const oldest = Math.min(
      id,
      ...[...this.#pending.values()].flatMap((other) =>
        [...other.parts.values()].map((part) => (part.after === -1 ? id : part.after)),
      ),
    );
    for (const known of this.#totals.keys()) if (known < oldest) this.#totals.delete(known);
    const { scheduler } = this.#attempt;
    for (const subtask of scheduler.subtasks) Atomics.store(scheduler.i32, scheduler.word(subtask, ControlWord.completed), id);
    const tokens = this.#state.pending.find((candidate) => candidate.id === id)?.requests ?? [];
    this.#commit(tokens, summary);
    this.#dispatch({ type: 'published', id, nowMs: performance.now() });
    this.#events.completed(summary);
    this.#retain(id);
    this.#compact();
  }

  /** Commits everything that is prepared, in order, and then answers the requests. */
  #commit(tokens: readonly number[], summary: CheckpointSummary): void {
    const due = [...this.#uncommitted];
    this.#commits = this.#commits.then(async () => {
      const left = due.filter((committable) => this.#uncommitted.includes(committable));
      for (const node of new Set(left.map((committable) => committable.node))) {
        const mine = left.filter((committable) => committable.node === node);
        await this.#commitNode(
          node,
          mine.map((committable) => committable.value),
        );
        this.#uncommitted = this.#uncommitted.filter((committable) => !mine.includes(committable));
      }
      for (const token of tokens) {
        this.#waiting.get(token)?.resolve(summary);
        this.#waiting.delete(token);
      }
    });
    this.#commits.catch((error: unknown) => this.#fatal(error));
  }

  async #commitNode(nodeId: number, values: readonly JsonValue[]): Promise<void> {
    const node = this.#graph.nodes[nodeId];
    if (sinkOf(node)?.kind === 'collect') {
      this.#events.collected(nodeId, values);
      return;
    }
    await this.#attempt.run({ op: 'commit', node: nodeId, committables: values });
  }

  #retain(id: number): void {
    const { jobDirectory, retained } = this.#options;
    this.#retained.push(id);
    if (jobDirectory === null || this.#retained.length <= retained) return;
    this.#retained = this.#retained.slice(-retained);
    const retain = [...this.#retained];
    // After the commits: a committable of an older manifest may be needed until they are done.
    this.#gc = Promise.allSettled([this.#gc, this.#commits]).then(async () => {
      if (this.#stopped) return;
      await this.#attempt.run({ op: 'gc', jobDirectory, retain, inFlight: this.#inFlight() });
    });
    this.#gc.catch((error: unknown) => {
      if (!this.#stopped)
        this.#events.notice(`Old checkpoints could not be deleted and will be tried again: ${encodeError(error).message}`);
    });
  }

  /** Tables that are written, or being written, and that no manifest names yet. */
  #inFlight(): string[] {
    const parts = [...this.#pending.values()].flatMap((pending) => [...pending.parts.values()]);
    return [
      ...this.#mergedInFlight,
      ...this.#tables.flat().map((table) => table.hash),
      ...parts.flatMap((part) => (part.persisted?.table ? [part.persisted.table.hash] : [])),
    ];
  }

  /** Merges tables of subtasks that have too many, or too much that is shadowed, in the background. */
  #compact(): void {
    const { jobDirectory } = this.#options;
    if (jobDirectory === null) return;
    for (const subtask of this.#attempt.scheduler.subtasks) {
      if (this.#merging.has(subtask.index)) continue;
      const run = decideCompaction(this.#tables[subtask.index]);
      if (run === null) continue;
      const tables = this.#tables[subtask.index].slice(run.start, run.end);
      this.#merging.add(subtask.index);
      this.#attempt
        .run<MergeResult>({
          op: 'merge',
          tables: tables.map((table) => ({ table, path: this.#tableFile(jobDirectory, table.hash) })),
          directory: sharedDirectory(jobDirectory),
          dropTombstones: run.end === this.#tables[subtask.index].length,
          checkpointId: tables[0].createdBy,
        })
        .then(({ table }) => this.#merged(subtask.index, tables, table))
        .catch((error: unknown) => {
          this.#merging.delete(subtask.index);
          if (!this.#stopped)
            this.#events.notice(`Tables could not be merged and stay as they are: ${encodeError(error).message}`);
        });
    }
  }

  #tableFile(jobDirectory: string, hash: string): string {
    const foreign = this.#linkIn.find(({ table }) => table.hash === hash);
    return foreign?.path ?? `${sharedDirectory(jobDirectory)}/${hash}.sst`;
  }

  /** Puts the merged table in place of the run, which newer tables may have come before meanwhile. */
  #merged(subtask: number, run: readonly TableRef[], merged: TableRef | null): void {
    this.#merging.delete(subtask);
    const tables = this.#tables[subtask];
    const start = tables.indexOf(run[0]);
    if (start < 0) return;
    if (merged !== null) this.#mergedInFlight.add(merged.hash);
    this.#tables[subtask] = [
      ...tables.slice(0, start),
      ...(merged === null ? [] : [merged]),
      ...tables.slice(start + run.length),
    ];
  }

  #tablesWith(part: Part): TableRef[] {
    const persisted = part.persisted as PersistResult;
    const own = persisted.table === null ? [] : [persisted.table];
    return part.after === -1 ? own : [...own, ...this.#tables[part.subtask.index]];
  }

  #totalsWith(pending: PendingParts): Map<string, StateTotal> {
    const totals = new Map<string, StateTotal>();
    for (const { subtask, persisted, after } of pending.parts.values()) {
      const { states } = persisted as PersistResult;
      const base = after === -1 ? undefined : this.#totals.get(after);
      for (const state of states) {
        const key = `${subtask.index}/${state.uid}/${state.name}`;
        const before = base?.get(key);
        const digest = StateDigest.fromHex(state.digestChange);
        if (before !== undefined) digest.plus(before.digest);
        totals.set(key, { digest, entries: (before?.entries ?? 0) + state.entriesChange });
      }
    }
    return totals;
  }

  #manifest(id: number, pending: PendingParts): Manifest {
    const { completed } = this.#state;
    return assembleManifest({
      checkpointId: id,
      attempt: this.#attempt,
      pending,
      options: this.#options,
      parent: completed > 0 ? { jobId: this.#attempt.options.jobId, checkpointId: this.#lastCompleted } : this.#options.parent,
      totals: this.#totalsWith(pending),
      uncommitted: this.#uncommitted,
      newTables: this.#mergedInFlight,
      tablesOf: (part) => this.#tablesWith(part),
    });
  }

  #reject(token: number, error: Error): void {
    this.#waiting.get(token)?.reject(error);
    this.#waiting.delete(token);
  }

  #fatal(error: unknown): void {
    if (!this.#stopped) this.#events.fatal(error instanceof Error ? error : new Error(String(error)));
  }

  /** The totals of a restored checkpoint are those of all its subtasks: they are booked on the first subtask of the stage. */
  #restoredTotals(states: ReadonlyMap<string, KeyedStateInfo>): Map<string, StateTotal> {
    const { plan, graph } = this.#attempt.options;
    const totals = new Map<string, StateTotal>();
    for (const stage of plan.stages) {
      for (const node of stage.nodes) {
        const { uid } = graph.nodes[node];
        for (const [key, info] of states) {
          if (!key.startsWith(`${uid}/`)) continue;
          totals.set(`${stage.firstSubtask}/${uid}/${info.name}`, {
            digest: StateDigest.fromHex(info.digest),
            entries: info.entries,
          });
        }
      }
    }
    return totals;
  }
}

/** Has a sink anything to make durable? Collected records would only travel to the background and back. */
function needsPersisting(graph: JobGraph, node: number): boolean {
  const kind = sinkOf(graph.nodes[node])?.kind;
  return kind === 'files' || kind === 'custom';
}
