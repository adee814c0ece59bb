/**
 * The coordinator as tables: from each state, what each event does. A row that changes is a rule that changes; so does the table
 * in the header of `coordinator.ts`.
 */
import { describe, expect, test } from 'vitest';
import {
  type CoordinatorEffect,
  type CoordinatorEvent,
  type CoordinatorOptions,
  type CoordinatorState,
  initialCoordinator,
  stepCoordinator,
  type Trigger,
} from '../../src/main/coordinator.ts';

const OPTIONS: CoordinatorOptions = {
  intervalMs: 100,
  backlogIntervalMs: 500,
  timeoutMs: 1000,
  minPauseMs: 0,
  maxConcurrent: 1,
  tolerableFailures: 5,
  subtasks: 2,
};
const TRIGGERS = ['savepoint', 'stop', 'final', 'manual', 'periodic'] as const satisfies readonly Trigger[];

/** Events of the time that a row gives, in ms. */
function eventOf(text: string, nowMs: number): CoordinatorEvent {
  const [type, argument = ''] = text.split(' ');
  switch (type) {
    case 'time':
    case 'close':
      return { type, nowMs };
    case 'request':
      return { type, trigger: argument as Trigger, token: nowMs, nowMs };
    case 'backlog':
      return { type, backlog: argument === 'begins', nowMs };
    case 'deletion':
      return { type, waiting: Number(argument), nowMs };
    case 'failed':
      return { type, id: Number(argument), reason: 'disk', nowMs };
    default:
      return { type: type as 'synced', id: Number(argument), nowMs } as CoordinatorEvent;
  }
}

function effectText(effect: CoordinatorEffect): string[] {
  switch (effect.type) {
    case 'wake':
      return [];
    case 'trigger':
      return [`${effect.trigger} ${effect.id}`];
    case 'abort':
      return [`${effect.expired ? 'expire' : 'abort'} ${effect.id}`];
    case 'publish':
    case 'complete':
      return [`${effect.type} ${effect.id}`];
    default:
      return [effect.type];
  }
}

/** Runs `[ms event, ...]`; returns the state and the effects of the last event. */
function run(events: readonly string[], options: CoordinatorOptions = OPTIONS): { state: CoordinatorState; effects: string[] } {
  let state = initialCoordinator(options, 1, 0);
  let effects: string[] = [];
  for (const text of events) {
    const [at, ...event] = text.split(' ');
    const step = stepCoordinator(options, state, eventOf(event.join(' '), Number(at)));
    state = step.state;
    effects = step.effects.flatMap(effectText);
  }
  return { state, effects };
}

const BACKLOG_WITH_ONE = [
  '10 backlog begins',
  '100 time',
  '101 synced 1',
  '102 synced 1',
  '103 persisted 1',
  '104 persisted 1',
  '105 published 1',
] as const;

/** Ways into each state, of checkpoint 1. */
const INTO = {
  idle: [],
  collecting: ['100 time'],
  'collecting, one durable': ['100 time', '101 synced 1', '102 persisted 1', '103 synced 1'],
  publishing: ['100 time', '101 synced 1', '102 persisted 1', '103 synced 1', '104 persisted 1'],
  'publishing, one waits': [
    '100 time',
    '101 synced 1',
    '102 persisted 1',
    '103 synced 1',
    '104 persisted 1',
    '105 request manual',
  ],
  closing: ['10 close'],
  'deletion slow': ['10 deletion 2'],
  backlog: ['10 backlog begins'],
  'backlog, one complete': BACKLOG_WITH_ONE,
  'backlog over': [...BACKLOG_WITH_ONE, '150 backlog ends'],
} as const;

type Row = readonly [state: keyof typeof INTO, event: string, effects: string, pending: string];

/** `pending`: ids after the event, with `!` while being published. */
const TRANSITIONS: readonly Row[] = [
  ['idle', '99 time', '', ''],
  ['idle', '100 time', 'periodic 1', '1'],
  ['idle', '350 time', 'periodic 1', '1'],
  ['idle', '50 request manual', 'manual 1', '1'],
  ['idle', '50 request savepoint', 'savepoint 1', '1'],
  ['idle', '50 request stop', 'stop 1', '1'],
  ['idle', '50 request final', 'final 1', '1'],
  ['idle', '50 synced 1', '', ''],
  ['idle', '50 persisted 1', '', ''],
  ['idle', '50 published 1', '', ''],
  ['idle', '50 failed 1', '', ''],
  ['collecting', '200 time', '', '1'],
  ['collecting', '1099 time', '', '1'],
  ['collecting', '1100 time', 'expire 1, periodic 2', '2'],
  ['collecting', '150 request manual', '', '1'],
  ['collecting', '150 request savepoint', 'savepoint 2', '1 2'],
  ['collecting', '150 request stop', 'stop 2', '1 2'],
  ['collecting', '150 request final', 'final 2', '1 2'],
  ['collecting', '150 synced 1', '', '1'],
  ['collecting', '150 persisted 1', '', '1'],
  ['collecting', '150 failed 1', 'abort 1', ''],
  ['collecting', '250 failed 1', 'abort 1, periodic 2', '2'],
  ['collecting', '150 failed 7', '', '1'],
  ['collecting', '150 deletion 2', '', '1'],
  ['collecting', '150 close', '', '1'],
  ['collecting, one durable', '150 persisted 1', 'publish 1', '1!'],
  ['collecting, one durable', '1100 time', 'expire 1, periodic 2', '2'],
  ['publishing', '150 published 1', 'complete 1', ''],
  ['publishing', '250 published 1', 'complete 1, periodic 2', '2'],
  ['publishing', '150 failed 1', 'abort 1', ''],
  ['publishing', '5000 time', '', '1!'],
  ['publishing, one waits', '150 published 1', 'complete 1, manual 2', '2'],
  ['publishing, one waits', '150 failed 1', 'abort 1, manual 2', '2'],
  ['publishing, one waits', '150 request savepoint', 'savepoint 2', '1! 2'],
  ['closing', '500 time', '', ''],
  ['closing', '500 request stop', 'stop 1', '1'],
  ['closing', '500 request manual', 'manual 1', '1'],
  ['deletion slow', '500 time', '', ''],
  ['deletion slow', '500 request savepoint', '', ''],
  ['deletion slow', '500 request stop', '', ''],
  ['deletion slow', '500 deletion 1', 'periodic 1', '1'],
  ['idle', '50 backlog begins', '', ''],
  ['idle', '150 backlog begins', 'periodic 1', '1'],
  ['backlog', '99 time', '', ''],
  ['backlog', '100 time', 'periodic 1', '1'],
  ['backlog, one complete', '599 time', '', ''],
  ['backlog, one complete', '600 time', 'periodic 2', '2'],
  ['backlog, one complete', '300 request manual', 'manual 2', '2'],
  ['backlog, one complete', '300 backlog ends', '', ''],
  ['backlog over', '249 time', '', ''],
  ['backlog over', '250 time', 'periodic 2', '2'],
  ['closing', '500 backlog begins', '', ''],
];

describe('coordinator: transitions', () => {
  test.each(TRANSITIONS)('%s -- %s --> %s [%s]', (state, event, effects, pending) => {
    const after = run([...INTO[state], event]);
    expect(after.effects.join(', ')).toBe(effects);
    expect(after.state.pending.map(({ id, phase }) => `${id}${phase === 'publishing' ? '!' : ''}`).join(' ')).toBe(pending);
  });

  test('every event stands in the table', () => {
    const events = new Set(TRANSITIONS.map(([, event]) => event.split(' ')[1]));
    expect([...events].toSorted()).toEqual([
      'backlog',
      'close',
      'deletion',
      'failed',
      'persisted',
      'published',
      'request',
      'synced',
      'time',
    ] satisfies CoordinatorEvent['type'][]);
  });
});

describe('coordinator: what may start', () => {
  const request = (trigger: Trigger): string => (trigger === 'periodic' ? '300 time' : `300 request ${trigger}`);
  const starts = (trigger: Trigger, before: readonly string[], options?: CoordinatorOptions): boolean =>
    run([...before, request(trigger)], options).effects.some((effect) => effect.startsWith(trigger));
  const cell = (before: readonly string[], options?: CoordinatorOptions): Record<Trigger, boolean> =>
    Object.fromEntries(TRIGGERS.map((trigger) => [trigger, starts(trigger, before, options)])) as Record<Trigger, boolean>;
  const ALL = { savepoint: true, stop: true, final: true, manual: true, periodic: true };
  const NONE = { savepoint: false, stop: false, final: false, manual: false, periodic: false };
  const FORCED = { ...NONE, savepoint: true, stop: true, final: true };

  test('with nothing pending: everything', () => expect(cell([])).toEqual(ALL));
  test('at the limit: what is forced', () => expect(cell(['250 time'])).toEqual(FORCED));
  test('below a higher limit: everything', () => expect(cell(['150 time'], { ...OPTIONS, maxConcurrent: 2 })).toEqual(ALL));
  test('while one that is forced is pending: nothing', () => expect(cell(['250 request savepoint'])).toEqual(NONE));
  test('while more wait for deletion than may be pending: nothing', () => expect(cell(['250 deletion 2'])).toEqual(NONE));
  test('while as many wait for deletion as may be pending: everything', () => expect(cell(['50 deletion 1'])).toEqual(ALL));
  test('within the minimum pause: what was asked for', () => {
    const done = ['240 request manual', '241 synced 1', '242 synced 1', '243 persisted 1', '244 persisted 1', '250 published 1'];
    expect(cell(done, { ...OPTIONS, minPauseMs: 100 })).toEqual({ ...ALL, periodic: false });
    expect(starts('periodic', done, { ...OPTIONS, minPauseMs: 51 })).toBe(false);
    expect(starts('periodic', done, { ...OPTIONS, minPauseMs: 50 })).toBe(true);
  });
  test('with a minimum pause one may be pending, whatever is configured', () => {
    expect(cell(['150 time'], { ...OPTIONS, maxConcurrent: 4, minPauseMs: 1 })).toEqual(FORCED);
  });
  test('while the job is closing: everything but what is periodic', () => {
    expect(cell(['250 close'])).toEqual({ ...ALL, periodic: false });
  });

  test('in a backlog for which periodic ones are off: everything else; afterwards the interval begins anew', () => {
    const options = { ...OPTIONS, backlogIntervalMs: null };
    expect(cell(['10 backlog begins'], options)).toEqual({ ...ALL, periodic: false });
    const stopped = ['10 backlog begins', '200 request stop', '210 failed 1'];
    expect(starts('periodic', stopped, options)).toBe(false);
    expect(starts('periodic', ['10 backlog begins', '201 backlog ends'], options)).toBe(false);
    expect(starts('periodic', ['10 backlog begins', '200 backlog ends'], options)).toBe(true);
  });

  test('of those that wait, the most urgent is first, and among equals the one that asked first', () => {
    const waiting = [
      '250 request savepoint',
      '260 request manual',
      '261 request final',
      '262 request stop',
      '263 request savepoint',
    ];
    const order: string[] = [];
    for (let i = 1; i <= 4; i++) {
      const aborts = Array.from({ length: i }, (_, n) => `${300 + n} failed ${n + 1}`);
      order.push(...run([...waiting, ...aborts]).effects.filter((effect) => !effect.startsWith('abort')));
    }
    expect(order).toEqual(['stop 2', 'savepoint 3', 'final 4', 'manual 5']);
  });

  test('requests beyond a thousand are refused', () => {
    const many = Array.from({ length: 1001 }, (_, i) => `${200 + i} request manual`);
    expect(run(many).effects).toEqual([]);
    expect(run([...many, '1300 request savepoint']).effects).toEqual(['refuse']);
  });
});

describe('coordinator: what a failure does', () => {
  const OPTION = { ...OPTIONS, intervalMs: null, tolerableFailures: 0 };

  test.each(TRIGGERS.filter((trigger) => trigger !== 'periodic'))('of a %s', (trigger) => {
    for (const way of ['20 failed 1', '1010 time']) {
      const { effects, state } = run([`10 request ${trigger}`, way], OPTION);
      const counts = trigger !== 'savepoint' && trigger !== 'stop';
      expect(effects.includes('failJob')).toBe(counts);
      expect(state.failed).toBe(counts ? 1 : 0);
      expect(state.closing).toBe(trigger === 'final');
    }
  });

  test('a savepoint that is complete resets the count of failures in a row', () => {
    const savepoint = [
      '30 request savepoint',
      '31 synced 2',
      '32 synced 2',
      '33 persisted 2',
      '34 persisted 2',
      '35 published 2',
    ];
    const options = { ...OPTION, tolerableFailures: 1 };
    const again = ['40 request manual', '41 failed 3'];
    expect(run(['10 request manual', '20 failed 1', ...savepoint, ...again], options).effects).toEqual(['abort 3']);
  });
});
