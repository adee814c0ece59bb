import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type CoordinatorEffect,
  type CoordinatorEvent,
  type CoordinatorOptions,
  type CoordinatorState,
  initialCoordinator,
  stepCoordinator,
} from '../../src/main/coordinator.ts';

const OPTIONS: CoordinatorOptions = {
  intervalMs: 100,
  backlogIntervalMs: 100,
  timeoutMs: 1000,
  minPauseMs: 0,
  maxConcurrent: 1,
  tolerableFailures: 0,
  subtasks: 2,
};

/** Feeds events one after another and returns the effects of each, without wakes. */
function run(
  options: CoordinatorOptions,
  events: readonly CoordinatorEvent[],
  firstId = 1,
): { effects: CoordinatorEffect[][]; state: CoordinatorState } {
  let state = initialCoordinator(options, firstId, 0);
  const effects = events.map((event) => {
    const step = stepCoordinator(options, state, event);
    state = step.state;
    return step.effects.filter((effect) => effect.type !== 'wake');
  });
  return { effects, state };
}

const synced = (id: number): CoordinatorEvent => ({ type: 'synced', id });
const persisted = (id: number, nowMs: number): CoordinatorEvent => ({ type: 'persisted', id, nowMs });
const at = (nowMs: number): CoordinatorEvent => ({ type: 'time', nowMs });

describe('checkpoint coordinator', () => {
  test('a periodic checkpoint is triggered, published once every part is durable, and then complete', () => {
    const { effects } = run(OPTIONS, [
      at(99),
      at(100),
      synced(1),
      persisted(1, 110),
      synced(1),
      persisted(1, 120),
      { type: 'published', id: 1, nowMs: 130 },
      at(200),
    ]);
    expect(effects[0]).toEqual([]);
    expect(effects[1]).toEqual([{ type: 'trigger', id: 1, trigger: 'periodic', atMs: 100 }]);
    expect(effects[3]).toEqual([]);
    expect(effects[5]).toEqual([{ type: 'publish', id: 1 }]);
    expect(effects[6]).toEqual([{ type: 'complete', id: 1, tokens: [] }]);
    expect(effects[7]).toEqual([{ type: 'trigger', id: 2, trigger: 'periodic', atMs: 200 }]);
  });

  test('a part that is durable before another subtask passed the barrier does not publish', () => {
    const { effects } = run(OPTIONS, [at(100), synced(1), persisted(1, 110), persisted(1, 111)]);
    expect(effects.flat().some((effect) => effect.type === 'publish')).toBe(false);
  });

  test('the interval that passes while a checkpoint is pending is not made up for', () => {
    const { effects } = run(OPTIONS, [
      at(100),
      at(450),
      synced(1),
      synced(1),
      persisted(1, 460),
      persisted(1, 460),
      { type: 'published', id: 1, nowMs: 470 },
    ]);
    expect(effects[6]).toEqual([
      { type: 'complete', id: 1, tokens: [] },
      { type: 'trigger', id: 2, trigger: 'periodic', atMs: 470 },
    ]);
  });

  test('the minimum pause counts from the last completion', () => {
    const options = { ...OPTIONS, minPauseMs: 300 };
    const { effects } = run(options, [
      at(100),
      synced(1),
      synced(1),
      persisted(1, 150),
      persisted(1, 150),
      { type: 'published', id: 1, nowMs: 160 },
      at(300),
      at(459),
      at(460),
    ]);
    expect(effects.slice(6)).toEqual([[], [], [{ type: 'trigger', id: 2, trigger: 'periodic', atMs: 460 }]]);
  });

  test('a request waits while another checkpoint is pending, and one checkpoint answers all that wait', () => {
    const request = (token: number): CoordinatorEvent => ({ type: 'request', trigger: 'manual', token, nowMs: 101 });
    const { effects } = run({ ...OPTIONS, intervalMs: null }, [
      request(1),
      request(2),
      request(3),
      synced(1),
      synced(1),
      persisted(1, 110),
      persisted(1, 110),
      { type: 'published', id: 1, nowMs: 120 },
    ]);
    expect(effects[0]).toEqual([{ type: 'trigger', id: 1, trigger: 'manual', atMs: 101 }]);
    expect(effects[7]).toEqual([
      { type: 'complete', id: 1, tokens: [1] },
      { type: 'trigger', id: 2, trigger: 'manual', atMs: 120 },
    ]);
  });

  test('a savepoint goes before what was asked for earlier, and does not wait for a place', () => {
    const { effects } = run({ ...OPTIONS, intervalMs: null }, [
      { type: 'request', trigger: 'manual', token: 1, nowMs: 0 },
      { type: 'request', trigger: 'manual', token: 2, nowMs: 0 },
      { type: 'request', trigger: 'savepoint', token: 3, nowMs: 0 },
      { type: 'request', trigger: 'savepoint', token: 4, nowMs: 0 },
      { type: 'failed', id: 2, reason: 'disk', nowMs: 5 },
    ]);
    expect(effects[2]).toEqual([{ type: 'trigger', id: 2, trigger: 'savepoint', atMs: 0 }]);
    // One forced checkpoint at a time.
    expect(effects[3]).toEqual([]);
    expect(effects[4]).toContainEqual({ type: 'trigger', id: 3, trigger: 'savepoint', atMs: 5 });
  });

  test('after a stop was asked for there are no periodic checkpoints', () => {
    const { effects } = run(OPTIONS, [
      { type: 'request', trigger: 'stop', token: 1, nowMs: 10 },
      synced(1),
      synced(1),
      persisted(1, 20),
      persisted(1, 20),
      { type: 'published', id: 1, nowMs: 30 },
      at(1000),
    ]);
    expect(effects[6]).toEqual([]);
  });

  test('a checkpoint that takes too long is aborted, and the message says who is missing', () => {
    const { effects } = run({ ...OPTIONS, tolerableFailures: 1 }, [at(100), synced(1), at(1100)]);
    expect(effects[2][0]).toMatchObject({ type: 'abort', id: 1, reason: expect.stringContaining('1 of 2 subtasks') });
    expect(effects[2]).toContainEqual({ type: 'trigger', id: 2, trigger: 'periodic', atMs: 1100 });
  });

  test('the job fails when more checkpoints in a row failed than are tolerated, and success resets the count', () => {
    const options = { ...OPTIONS, tolerableFailures: 1 };
    const failed = (id: number): CoordinatorEvent => ({ type: 'failed', id, reason: 'disk full', nowMs: id * 100 + 50 });
    const complete = (id: number): CoordinatorEvent[] => [
      synced(id),
      synced(id),
      persisted(id, id * 100),
      persisted(id, id * 100),
      { type: 'published', id, nowMs: id * 100 + 10 },
    ];
    const survived = run(options, [at(100), failed(1), at(200), ...complete(2), at(300), failed(3)]);
    expect(survived.effects.flat().some((effect) => effect.type === 'failJob')).toBe(false);
    const gaveUp = run(options, [at(100), failed(1), at(200), failed(2)]);
    expect(gaveUp.effects.flat().filter((effect) => effect.type === 'failJob')).toHaveLength(1);
  });

  test('what arrives for an aborted checkpoint changes nothing', () => {
    const { effects, state } = run({ ...OPTIONS, intervalMs: null, tolerableFailures: 9 }, [
      { type: 'request', trigger: 'manual', token: 1, nowMs: 0 },
      { type: 'failed', id: 1, reason: 'disk', nowMs: 1 },
      synced(1),
      persisted(1, 2),
      { type: 'published', id: 1, nowMs: 3 },
    ]);
    expect(effects.slice(2)).toEqual([[], [], []]);
    expect(state.completed).toBe(0);
  });

  test('numbers continue after the restored checkpoint', () => {
    expect(run(OPTIONS, [at(100)], 42).effects[0]).toEqual([{ type: 'trigger', id: 42, trigger: 'periodic', atMs: 100 }]);
  });

  test('under any events: ids grow by one, completions are in order, and no request is answered twice', () => {
    const event = fc.oneof(
      fc.record({ type: fc.constant('time' as const), nowMs: fc.nat(5000) }),
      fc.record({
        type: fc.constant('request' as const),
        trigger: fc.constantFrom('manual' as const, 'savepoint' as const),
        token: fc.constant(0),
        nowMs: fc.nat(5000),
      }),
      fc.record({
        type: fc.constantFrom('synced' as const, 'persisted' as const, 'published' as const, 'failed' as const),
        id: fc.integer({ min: 1, max: 6 }),
        nowMs: fc.nat(5000),
        reason: fc.constant('x'),
      }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), fc.integer({ min: 1, max: 3 }), (events, maxConcurrent) => {
        const options = { ...OPTIONS, maxConcurrent, tolerableFailures: 1000 };
        let state = initialCoordinator(options, 1, 0);
        let token = 0;
        let nowMs = 0;
        const triggered: number[] = [];
        const completed: number[] = [];
        const answered: number[] = [];
        for (const drawn of events) {
          nowMs = 'nowMs' in drawn ? Math.max(nowMs, drawn.nowMs) : nowMs;
          const timed = { ...drawn, nowMs } as CoordinatorEvent;
          // The publication of a checkpoint is only reported for one that was told to be published.
          if (timed.type === 'published' && state.pending.find((pending) => pending.id === timed.id)?.phase !== 'publishing')
            continue;
          if (timed.type === 'synced' && (state.pending.find((pending) => pending.id === timed.id)?.unsynced ?? 0) === 0)
            continue;
          if (timed.type === 'persisted') {
            const pending = state.pending.find((candidate) => candidate.id === timed.id);
            if (pending === undefined || pending.unpersisted <= pending.unsynced) continue;
          }
          const step = stepCoordinator(options, state, timed.type === 'request' ? { ...timed, token: ++token } : timed);
          state = step.state;
          const forced = state.pending.filter((pending) => pending.trigger === 'savepoint').length;
          expect(state.pending.length).toBeLessThanOrEqual(maxConcurrent + 1);
          if (state.pending.length > maxConcurrent) expect(forced).toBe(1);
          for (const effect of step.effects) {
            if (effect.type === 'trigger') triggered.push(effect.id);
            if (effect.type === 'complete') completed.push(effect.id);
            if (effect.type === 'complete' || effect.type === 'abort') answered.push(...effect.tokens);
            if (effect.type === 'refuse') answered.push(effect.token);
          }
        }
        expect(triggered).toEqual(triggered.map((_, i) => i + 1));
        expect(completed).toEqual([...completed].sort((a, b) => a - b));
        expect(new Set(answered).size).toBe(answered.length);
      }),
    );
  });
});
