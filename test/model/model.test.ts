/**
 * Every state that two processes, their faults and one disk can get into, within bounds: the product's own code decides what
 * happens (`operations.ts`, `machine.ts`), the model decides only in which order, and who is killed when.
 *
 * What must hold in each state: every checkpoint that can be seen finds its tables; of what was complete, the newest or a later one is
 * there; numbers of complete checkpoints grow, so none has two publishers; a process that starts now finds a checkpoint to go on from,
 * uses no number again, and leaves no orphan.
 *
 *   MODEL_CHECK=full npx vitest run --project model      the bounds of `.ci/run`
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OldCheckpoints } from '../../src/main/old-checkpoints.ts';
import { DELETES_WITH_THE_WRITER, FORGETS_THE_LAST_SYNC, OVERLOOKS_LATER_ONES, REPLACES_WHAT_IS_THERE } from './mistakes.ts';
import { anothersCheckpoint, oneDirectory } from './scenarios.ts';
import { type Result, search } from './search.ts';
import type { Scenario } from './world.ts';

const FULL = process.env['MODEL_CHECK'] === 'full';

/** Traces of the errors that the product throws and catches cost more than the search. */
const { stackTraceLimit } = Error;
beforeEach(() => {
  Error.stackTraceLimit = 0;
});
afterEach(() => {
  Error.stackTraceLimit = stackTraceLimit;
  vi.restoreAllMocks();
});

async function explore(scenario: Scenario): Promise<Result> {
  const result = await search(scenario);
  const { states, transitions, disks, depth, violation, trace } = result;
  const outcome = violation === null ? 'all sound' : `violated after ${trace.length} steps`;
  console.info(`model: ${scenario.name}: ${states} states, ${transitions} steps, ${disks} disks, depth ${depth}: ${outcome}`);
  return result;
}

/** The trace is the message. */
function expectSound({ violation, trace }: Result): void {
  expect(violation === null ? [] : [...trace, violation]).toEqual([]);
}

describe('every state is sound', () => {
  const bounded = (small: Partial<Scenario>, full: Partial<Scenario>) => (FULL ? { ...small, ...full } : small);

  test('one process after another owns a directory, and is killed or fails anywhere', async () => {
    const bounds = bounded({ checkpoints: 2, faults: 1, ends: 1 }, { checkpoints: 3, faults: 2 });
    expectSound(await explore(oneDirectory('kills', bounds)));
  });

  test('checkpoints follow one another while old ones are deleted, and contents come back', async () => {
    expectSound(await explore(oneDirectory('contents', bounded({ checkpoints: 3 }, { checkpoints: 4 }))));
  });

  test('power is cut anywhere, and any part of what was not synced is lost', async () => {
    const bounds = { checkpoints: 2, faults: 2, tables: 2 };
    expectSound(await explore(oneDirectory('power cuts', bounds, true)));
  });

  test('all bounds at once: two processes, four checkpoints, three tables, two crashes of either kind', async () => {
    const bounds = bounded({ checkpoints: 3, faults: 1 }, { checkpoints: 4, faults: 2 });
    expectSound(await explore(oneDirectory('all bounds', bounds, true)));
  });

  test('a savepoint is taken in between', async () => {
    const bounds = bounded({ checkpoints: 2, savepoints: 1, tables: 2 }, { faults: 1 });
    expectSound(await explore(oneDirectory('savepoint', bounds)));
  });

  test('a job claims the checkpoint of another, and deletes it once it has one of its own', async () => {
    const bounds = bounded({ checkpoints: 2, tables: 1, faults: 1 }, { tables: 2 });
    expectSound(await explore(anothersCheckpoint('claim', true, bounds)));
  });

  test('a job starts from the checkpoint of another that goes on and deletes it', async () => {
    const bounds = bounded({ checkpoints: 2, tables: 1 }, { tables: 2, faults: 1 });
    expectSound(await explore(anothersCheckpoint('no-claim', false, bounds)));
  });

  test('an owner that is paused and superseded wakes up anywhere: no number has two publishers', async () => {
    const bounds = { checkpoints: 2, tables: 1, pauses: 1, lockIsSeen: false };
    expectSound(await explore(oneDirectory('fence', bounds)));
  });
});

describe('a mistake is found', () => {
  async function expectFound(scenario: Scenario, violation: RegExp): Promise<void> {
    const result = await explore(scenario);
    expect(result.violation).toMatch(violation);
    expect(result.trace.length).toBeGreaterThan(4);
  }

  test('a table is deleted with the checkpoint that wrote it, whoever has inherited it', async () => {
    const scenario = oneDirectory('mistake: counts', { checkpoints: 2, operations: DELETES_WITH_THE_WRITER });
    await expectFound(scenario, /names a file that does not exist/);
  });

  test('the new name is not durable when the checkpoint counts', async () => {
    const bounds = { checkpoints: 2, faults: 1, operations: FORGETS_THE_LAST_SYNC };
    await expectFound(
      oneDirectory('mistake: last sync', bounds, true),
      /checkpoint 1 was complete, and the newest one that is left is 0/,
    );
  });

  test('a checkpoint that is there is replaced', async () => {
    const bounds = { checkpoints: 2, tables: 1, pauses: 1, lockIsSeen: false, operations: REPLACES_WHAT_IS_THERE };
    await expectFound(oneDirectory('mistake: replace', bounds), /completes checkpoint 1, but 1 is complete/);
  });

  test('a late owner does not look whether a later checkpoint exists', async () => {
    const bounds = { checkpoints: 3, tables: 1, pauses: 1, lockIsSeen: false, operations: OVERLOOKS_LATER_ONES };
    await expectFound(oneDirectory('mistake: late owner', bounds), /completes checkpoint 1, but 2 is complete/);
  });

  // So it was until this model was built.
  test('a checkpoint is published while a collection that does not know of its tables runs', async () => {
    vi.spyOn(OldCheckpoints.prototype, 'collected').mockResolvedValue();
    await expectFound(
      oneDirectory('mistake: no waiting', { checkpoints: 3, publicationWaits: false }),
      /chk-3 names a file that does not exist/,
    );
  });
});
