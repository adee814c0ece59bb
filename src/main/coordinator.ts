/**
 * The checkpoint coordinator as a pure reducer: events in, new state and effects out. It knows no clock, disk or
 * thread; `checkpointing.ts` carries its effects out.
 *
 * ```
 *            trigger                all synced           all persisted            published
 *   (none) -----------> COLLECTING --------- ... ------> PUBLISHING ------------> complete
 *                           |                                |
 *                           +---- failed, expired (1) -------+----> aborted (its changes go into the next)
 * ```
 *
 * (1) Only what is collected expires: a publication that has begun cannot be taken back, so its outcome is waited for.
 *
 * What may start, as in Flink:
 *
 * | trigger               | goes before         | at the limit of pending ones        | a failure counts towards the job's    |
 * |-----------------------|---------------------|-------------------------------------|---------------------------------------|
 * | savepoint, stop       | everything          | starts, one of these three at a time | no: whoever asked is told, the job goes on |
 * | final                 | manual              | starts, one of these three at a time | yes                                   |
 * | manual                | periodic            | waits                               | yes                                   |
 * | periodic              |                     | waits, and missed ones are dropped  | yes                                   |
 *
 * While a source reads a backlog another interval holds, or there are no periodic checkpoints. When that changes, what is due keeps its time
 * unless an interval from now is sooner (as in Flink), so that the end of a backlog need not wait for the end of a long interval.
 *
 * Nothing starts while more than `maxConcurrent` old checkpoints wait for their deletion: a disk that is slower at
 * deleting than we are at writing would fill up.
 *
 * Invariants:
 * - Checkpoint ids only grow, and every id is triggered: barrier n ends epoch n in every subtask.
 * - A checkpoint is published after every subtask's part is durable, and in the order of ids.
 * - At most `maxConcurrent` checkpoints are pending, with a minimum pause at most one; and one that is forced besides.
 * - Every request is answered exactly once: with its checkpoint, or with a reason.
 */
import { assert } from '../format/assert.ts';

export type Trigger = 'periodic' | 'manual' | 'savepoint' | 'stop' | 'final';

export interface CoordinatorOptions {
  /** null: no periodic checkpoints. */
  readonly intervalMs: number | null;
  /** The same while a source reads a backlog. */
  readonly backlogIntervalMs: number | null;
  readonly timeoutMs: number;
  readonly minPauseMs: number;
  readonly maxConcurrent: number;
  /** Consecutive failures that the job survives. */
  readonly tolerableFailures: number;
  readonly subtasks: number;
}

/** They start also at the limit of pending checkpoints. */
const FORCED: ReadonlySet<Trigger> = new Set(['savepoint', 'stop', 'final']);
/** Their failure is no failure of the job: whoever asked is told. */
const ANSWERED_ONLY: ReadonlySet<Trigger> = new Set(['savepoint', 'stop']);

/** Surplus requests fail: nobody waits for a thousand checkpoints. */
const MAX_QUEUED_REQUESTS = 1000;

export interface PendingCheckpoint {
  readonly id: number;
  readonly trigger: Trigger;
  readonly requests: readonly number[];
  readonly triggeredAtMs: number;
  readonly unsynced: number;
  readonly unpersisted: number;
  readonly phase: 'collecting' | 'publishing';
}

interface Request {
  readonly token: number;
  readonly trigger: Trigger;
}

export interface CoordinatorState {
  readonly nextId: number;
  readonly pending: readonly PendingCheckpoint[];
  readonly queue: readonly Request[];
  /** When the next periodic checkpoint is due. */
  readonly dueAtMs: number;
  readonly lastCompletedAtMs: number;
  readonly consecutiveFailures: number;
  readonly completed: number;
  readonly failed: number;
  /** No periodic checkpoints: the job is stopping, draining or has finished. */
  readonly closing: boolean;
  /** Old checkpoints that are not deleted yet. */
  readonly waitingForDeletion: number;
  /** A source reads a backlog. */
  readonly backlog: boolean;
}

export type CoordinatorEvent =
  | { readonly type: 'time'; readonly nowMs: number }
  | { readonly type: 'request'; readonly trigger: Trigger; readonly token: number; readonly nowMs: number }
  /** A subtask passed the barrier. */
  | { readonly type: 'synced'; readonly id: number }
  /** A subtask's part is durable. */
  | { readonly type: 'persisted'; readonly id: number; readonly nowMs: number }
  | { readonly type: 'published'; readonly id: number; readonly nowMs: number }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string; readonly nowMs: number }
  /** No periodic checkpoints from now on: the job drains. */
  | { readonly type: 'close' }
  | { readonly type: 'deletion'; readonly waiting: number; readonly nowMs: number }
  /** The first source has begun to read a backlog, or the last one has read its own. */
  | { readonly type: 'backlog'; readonly backlog: boolean; readonly nowMs: number };

export type CoordinatorEffect =
  | { readonly type: 'trigger'; readonly id: number; readonly trigger: Trigger; readonly atMs: number }
  | { readonly type: 'publish'; readonly id: number }
  | { readonly type: 'complete'; readonly id: number; readonly tokens: readonly number[] }
  | {
      readonly type: 'abort';
      readonly id: number;
      readonly reason: string;
      readonly expired: boolean;
      readonly tokens: readonly number[];
    }
  | { readonly type: 'refuse'; readonly token: number; readonly reason: string }
  | { readonly type: 'failJob'; readonly reason: string }
  /** Send a `time` event at this moment. */
  | { readonly type: 'wake'; readonly atMs: number };

export interface CoordinatorStep {
  readonly state: CoordinatorState;
  readonly effects: readonly CoordinatorEffect[];
}

export function initialCoordinator(options: CoordinatorOptions, firstId: number, nowMs: number): CoordinatorState {
  return {
    nextId: firstId,
    pending: [],
    queue: [],
    dueAtMs: nowMs + (options.intervalMs ?? Infinity),
    lastCompletedAtMs: -Infinity,
    consecutiveFailures: 0,
    completed: 0,
    failed: 0,
    closing: false,
    waitingForDeletion: 0,
    backlog: false,
  };
}

export function stepCoordinator(options: CoordinatorOptions, state: CoordinatorState, event: CoordinatorEvent): CoordinatorStep {
  switch (event.type) {
    case 'time':
      return triggerDue(options, ...expire(options, state, event.nowMs), event.nowMs);
    case 'request': {
      if (state.queue.length >= MAX_QUEUED_REQUESTS) {
        return {
          state,
          effects: [
            { type: 'refuse', token: event.token, reason: `too many checkpoint requests: ${MAX_QUEUED_REQUESTS} are waiting` },
          ],
        };
      }
      const closing = state.closing || event.trigger === 'stop' || event.trigger === 'final';
      const queue = [...state.queue, { token: event.token, trigger: event.trigger }].sort(
        (a, b) => urgency(a.trigger) - urgency(b.trigger),
      );
      return triggerDue(options, { ...state, queue, closing, dueAtMs: closing ? Infinity : state.dueAtMs }, [], event.nowMs);
    }
    case 'synced':
      return {
        state: updatePending(state, event.id, (pending) => ({ ...pending, unsynced: pending.unsynced - 1 })),
        effects: [],
      };
    case 'persisted': {
      const next = updatePending(state, event.id, (pending) => ({ ...pending, unpersisted: pending.unpersisted - 1 }));
      return publishNext(next);
    }
    case 'published':
      return complete(options, state, event.id, event.nowMs);
    case 'failed':
      return fail(options, state, event.id, event.reason, event.nowMs);
    case 'close':
      return { state: { ...state, closing: true, dueAtMs: Infinity }, effects: [] };
    case 'deletion':
      return triggerDue(options, { ...state, waitingForDeletion: event.waiting }, [], event.nowMs);
    case 'backlog':
      return triggerDue(options, changeInterval(options, { ...state, backlog: event.backlog }, event.nowMs), [], event.nowMs);
  }
}

/** The interval that holds now. */
function intervalOf(options: CoordinatorOptions, state: CoordinatorState): number | null {
  return state.backlog ? options.backlogIntervalMs : options.intervalMs;
}

function changeInterval(options: CoordinatorOptions, state: CoordinatorState, nowMs: number): CoordinatorState {
  const intervalMs = intervalOf(options, state);
  if (state.closing || intervalMs === null) return { ...state, dueAtMs: Infinity };
  return { ...state, dueAtMs: Math.min(state.dueAtMs, nowMs + intervalMs) };
}

function reopen(options: CoordinatorOptions, state: CoordinatorState, nowMs: number): CoordinatorState {
  return { ...state, closing: false, dueAtMs: nowMs + (intervalOf(options, state) ?? Infinity) };
}

/** Savepoints and the last checkpoint of a stopping job before what people ask for, before the periodic ones. */
function urgency(trigger: Trigger): number {
  return { savepoint: 0, stop: 0, final: 1, manual: 2, periodic: 3 }[trigger];
}

function updatePending(
  state: CoordinatorState,
  id: number,
  change: (pending: PendingCheckpoint) => PendingCheckpoint,
): CoordinatorState {
  return { ...state, pending: state.pending.map((pending) => (pending.id === id ? change(pending) : pending)) };
}

/** Publishes the oldest pending checkpoint once its parts are all durable. */
function publishNext(state: CoordinatorState): CoordinatorStep {
  const [oldest] = state.pending;
  if (oldest === undefined || oldest.phase !== 'collecting' || oldest.unsynced > 0 || oldest.unpersisted > 0)
    return { state, effects: [] };
  return {
    state: updatePending(state, oldest.id, (pending) => ({ ...pending, phase: 'publishing' })),
    effects: [{ type: 'publish', id: oldest.id }],
  };
}

function complete(options: CoordinatorOptions, state: CoordinatorState, id: number, nowMs: number): CoordinatorStep {
  const done = state.pending.find((pending) => pending.id === id);
  if (done === undefined) return { state, effects: [] };
  assert(done.phase === 'publishing', 'only a checkpoint that is being published completes');
  const next: CoordinatorState = {
    ...state,
    pending: state.pending.filter((pending) => pending.id !== id),
    lastCompletedAtMs: nowMs,
    consecutiveFailures: 0,
    completed: state.completed + 1,
  };
  const effects: CoordinatorEffect[] = [{ type: 'complete', id, tokens: done.requests }];
  const published = publishNext(next);
  return triggerDue(options, published.state, [...effects, ...published.effects], nowMs);
}

function fail(options: CoordinatorOptions, state: CoordinatorState, id: number, reason: string, nowMs: number): CoordinatorStep {
  const [after, effects] = abort(options, state, id, reason, false, nowMs);
  const published = publishNext(after);
  return triggerDue(options, published.state, [...effects, ...published.effects], nowMs);
}

function abort(
  options: CoordinatorOptions,
  state: CoordinatorState,
  id: number,
  reason: string,
  expired: boolean,
  nowMs: number,
): [CoordinatorState, CoordinatorEffect[]] {
  const aborted = state.pending.find((pending) => pending.id === id);
  if (aborted === undefined) return [state, []];
  const effects: CoordinatorEffect[] = [{ type: 'abort', id, reason, expired, tokens: aborted.requests }];
  const pending = state.pending.filter((other) => other.id !== id);
  if (ANSWERED_ONLY.has(aborted.trigger)) {
    const open = aborted.trigger === 'stop' ? reopen(options, state, nowMs) : state;
    return [{ ...open, pending }, effects];
  }
  const failures = state.consecutiveFailures + 1;
  if (failures > options.tolerableFailures) {
    effects.push({
      type: 'failJob',
      reason: `checkpoint ${id} failed (${reason}); ${failures} in a row, ${options.tolerableFailures} are tolerated`,
    });
  }
  return [{ ...state, pending, consecutiveFailures: failures, failed: state.failed + 1 }, effects];
}

function expire(options: CoordinatorOptions, state: CoordinatorState, nowMs: number): [CoordinatorState, CoordinatorEffect[]] {
  let current = state;
  const effects: CoordinatorEffect[] = [];
  for (const pending of state.pending) {
    if (!mayExpire(pending) || nowMs < pending.triggeredAtMs + options.timeoutMs) continue;
    const [next, more] = abort(
      options,
      current,
      pending.id,
      `not complete after ${options.timeoutMs} ms: ${pending.unsynced} of ${options.subtasks} subtasks have not passed the barrier, ${pending.unpersisted} are not durable`,
      true,
      nowMs,
    );
    current = next;
    effects.push(...more);
  }
  return [current, effects];
}

function mayExpire(pending: PendingCheckpoint): boolean {
  return pending.phase === 'collecting';
}

/** Starts what may start now, and says when to look again. */
function triggerDue(
  options: CoordinatorOptions,
  state: CoordinatorState,
  before: readonly CoordinatorEffect[],
  nowMs: number,
): CoordinatorStep {
  let current = state;
  const effects = [...before];
  const limit = options.minPauseMs > 0 ? 1 : options.maxConcurrent;
  while (current.queue.length > 0 && mayStart(options, current, limit, current.queue[0].trigger)) {
    const [request, ...queue] = current.queue;
    // One checkpoint answers every request of the same kind that waits. A savepoint has a place of its own to go to.
    const same = queue.filter((other) => other.trigger === request.trigger && !ANSWERED_ONLY.has(request.trigger));
    current = start(
      { ...current, queue: queue.filter((other) => !same.includes(other)) },
      request.trigger,
      [request.token, ...same.map((other) => other.token)],
      options,
      nowMs,
      effects,
    );
  }
  const intervalMs = intervalOf(options, current);
  const periodicAtMs = Math.max(current.dueAtMs, current.lastCompletedAtMs + options.minPauseMs);
  if (
    !current.closing &&
    intervalMs !== null &&
    nowMs >= periodicAtMs &&
    current.queue.length === 0 &&
    mayStart(options, current, limit, 'periodic')
  ) {
    current = start(
      { ...current, dueAtMs: nextDue(current.dueAtMs, intervalMs, nowMs) },
      'periodic',
      [],
      options,
      nowMs,
      effects,
    );
  }
  const wakeAtMs = nextWake(options, current, limit);
  if (wakeAtMs !== Infinity) effects.push({ type: 'wake', atMs: wakeAtMs });
  return { state: current, effects };
}

function mayStart(options: CoordinatorOptions, state: CoordinatorState, limit: number, trigger: Trigger): boolean {
  if (state.waitingForDeletion > options.maxConcurrent) return false;
  if (state.pending.length < limit) return true;
  return FORCED.has(trigger) && !state.pending.some((pending) => FORCED.has(pending.trigger));
}

function start(
  state: CoordinatorState,
  trigger: Trigger,
  requests: readonly number[],
  options: CoordinatorOptions,
  nowMs: number,
  effects: CoordinatorEffect[],
): CoordinatorState {
  const id = state.nextId;
  effects.push({ type: 'trigger', id, trigger, atMs: nowMs });
  const pending: PendingCheckpoint = {
    id,
    trigger,
    requests,
    triggeredAtMs: nowMs,
    unsynced: options.subtasks,
    unpersisted: options.subtasks,
    phase: 'collecting',
  };
  return { ...state, nextId: id + 1, pending: [...state.pending, pending] };
}

/** The next multiple of the interval after now: missed ones are not made up for. */
function nextDue(dueAtMs: number, intervalMs: number, nowMs: number): number {
  return dueAtMs + intervalMs * (Math.floor((nowMs - dueAtMs) / intervalMs) + 1);
}

function nextWake(options: CoordinatorOptions, state: CoordinatorState, limit: number): number {
  let wake = Infinity;
  for (const pending of state.pending) if (mayExpire(pending)) wake = Math.min(wake, pending.triggeredAtMs + options.timeoutMs);
  const mayTrigger = !state.closing && intervalOf(options, state) !== null && mayStart(options, state, limit, 'periodic');
  if (mayTrigger) wake = Math.min(wake, Math.max(state.dueAtMs, state.lastCompletedAtMs + options.minPauseMs));
  return wake;
}
