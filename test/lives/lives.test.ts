/**
 * Lives of jobs at random, in one process: the product's coordinator, checkpoint store, publication, savepoints, claims, collection and restore,
 * on a simulated disk that forgets, with a kill before any file operation. After each step every manifest is closed and holds the state at its
 * position; at the end one collection leaves nothing that no checkpoint needs.
 *
 *   LIVES=2000 SEED=7 npx vitest run test/lives     so many lives, of that seed
 *   REPLAY='[{"kind":...}]' npx vitest run test/lives     one life, as a failure prints it
 */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Coverage } from './coverage.ts';
import { STEP_WEIGHTS, type Step, type StepKind } from './steps.ts';
import { World } from './world.ts';

const LIVES = Number(process.env['LIVES'] ?? 150);
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const REPLAY = process.env['REPLAY'];

const by = fc.constantFrom('kill', 'power', 'full disk');

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(...Object.entries(STEP_WEIGHTS).map(([kind, weight]) => ({ arbitrary: fc.constant(kind as StepKind), weight }))),
  seed: fc.nat(0x7fffffff),
  cut: fc.oneof(
    { arbitrary: fc.constant(null), weight: 5 },
    {
      // Publication is some 30 operations: a step is cut at its beginning as often as late, or later than it lasts.
      arbitrary: fc.oneof(
        fc.record({ operations: fc.oneof(fc.nat(12), fc.nat(80), fc.nat(300)), from: fc.constant('step' as const), by }),
        fc.record({ operations: fc.nat(8), from: fc.constant('publication' as const), by }),
      ),
      weight: 1,
    },
  ),
  wait: fc.oneof({ arbitrary: fc.constant(true), weight: 3 }, { arbitrary: fc.constant(false), weight: 1 }),
});

const lives = fc.oneof(
  { arbitrary: fc.array(step, { minLength: 2, maxLength: 8, size: 'max' }), weight: 3 },
  { arbitrary: fc.array(step, { minLength: 2, maxLength: 20, size: 'max' }), weight: 3 },
  { arbitrary: fc.array(step, { minLength: 2, maxLength: 50, size: 'max' }), weight: 1 },
);

const coverage = new Coverage();
let nowMs = Date.UTC(2026, 0, 1);

async function live(steps: readonly Step[]): Promise<void> {
  const world = new World(() => vi.setSystemTime(++nowMs));
  const done: string[] = [];
  try {
    for (const next of steps) done.push(await world.step(next));
    await world.end();
  } catch (error) {
    throw new Error(`after ${done.join('; ')}: ${(error as Error).message}`, { cause: error });
  }
  coverage.add(done, world.counts);
}

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: nowMs });
});
afterAll(() => {
  vi.useRealTimers();
});

describe('lives of jobs', { timeout: 1_200_000 }, () => {
  test.runIf(REPLAY !== undefined)('one life again', async () => {
    await live(JSON.parse(REPLAY as string) as Step[]);
  });

  test.runIf(REPLAY === undefined)(`${LIVES} random ones lose nothing and leave nothing behind, seed ${SEED}`, async () => {
    const { counterexample, errorInstance } = await fc.check(fc.asyncProperty(lives, live), { numRuns: LIVES, seed: SEED });
    if (counterexample !== null) {
      const replay = `REPLAY='${JSON.stringify(counterexample[0])}'`;
      throw new Error(`SEED=${SEED}: ${(errorInstance as Error).message}\n${replay}`, { cause: errorInstance });
    }
    console.log(coverage.report());
    expect(coverage.lives).toBe(LIVES);
    if (LIVES >= 100) expect(coverage.missing()).toEqual([]);
  });
});
