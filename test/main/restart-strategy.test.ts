import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextAttempt, NO_FAILURES, type RestartStrategy } from '../../src/main/restart-strategy.ts';

/** Delay of each failure in turn, `null` where the strategy gives up. `random` 0.5 is no jitter. */
function delays(strategy: RestartStrategy, failureTimesMs: readonly number[], random = 0.5): (number | null)[] {
  let history = NO_FAILURES;
  return failureTimesMs.map((at) => {
    const decision = nextAttempt(strategy, history, at, random);
    history = decision.history;
    return decision.delayMs;
  });
}

const exponential = {
  type: 'exponential-delay',
  initialBackoffMs: 1_000,
  maxBackoffMs: 60_000,
  multiplier: 1.5,
  resetThresholdMs: 3_600_000,
  jitter: 0.1,
  attempts: null,
} as const satisfies RestartStrategy;

describe('restart strategy', () => {
  test.each<[string, RestartStrategy, number[], (number | null)[]]>([
    ['none: gives up at once', { type: 'none' }, [0], [null]],
    [
      'fixed-delay: as many attempts as allowed',
      { type: 'fixed-delay', attempts: 2, delayMs: 100 },
      [0, 200, 400],
      [100, 100, null],
    ],
    ['fixed-delay: old failures count for ever', { type: 'fixed-delay', attempts: 1, delayMs: 100 }, [0, 1e9], [100, null]],
    [
      'failure-rate: one failure more than allowed in the interval',
      { type: 'failure-rate', maxFailures: 2, intervalMs: 1_000, delayMs: 5 },
      [0, 400, 900],
      [5, 5, null],
    ],
    [
      'failure-rate: failures that are older do not count',
      { type: 'failure-rate', maxFailures: 2, intervalMs: 1_000, delayMs: 5 },
      [0, 400, 1_000, 1_400],
      [5, 5, 5, 5],
    ],
    ['exponential-delay: grows by the multiplier', exponential, [0, 2_000, 5_000, 9_000], [1_000, 1_500, 2_250, 3_375]],
    [
      'exponential-delay: stays at the maximum',
      { ...exponential, initialBackoffMs: 50_000 },
      [0, 60_000, 130_000],
      [50_000, 60_000, 60_000],
    ],
    [
      'exponential-delay: starts over after the threshold, counted from the restart',
      exponential,
      [0, 10_000, 11_500 + 3_600_000],
      [1_000, 1_500, 1_000],
    ],
    [
      'exponential-delay: just below the threshold it goes on',
      exponential,
      [0, 10_000, 11_499 + 3_600_000],
      [1_000, 1_500, 2_250],
    ],
    [
      'exponential-delay: gives up after the attempts since the last reset',
      { ...exponential, attempts: 2 },
      [0, 2_000, 5_000],
      [1_000, 1_500, null],
    ],
    [
      'exponential-delay: a reset gives the attempts back',
      { ...exponential, attempts: 1 },
      [0, 1_000 + 3_600_000, 4_700_000],
      [1_000, 1_000, null],
    ],
  ])('restart strategy %s', (_, strategy, times, expected) => expect(delays(strategy, times)).toEqual(expected));

  test('exponential-delay: jitter moves the delay by up to its share, never above the maximum, and does not accumulate', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 40 }),
        (random, failures) => {
          const times = Array.from({ length: failures }, (_, i) => i * 70_000);
          const actual = delays(exponential, times, random);
          const plain = delays(exponential, times);
          actual.forEach((delay, i) => {
            const base = plain[i] as number;
            expect(delay).toBeGreaterThanOrEqual(base * 0.9 - 1e-6);
            expect(delay).toBeLessThanOrEqual(Math.min(base * 1.1, 60_000) + 1e-6);
          });
        },
      ),
    );
  });

  test('restart strategy: giving up says which option bounds it', () => {
    const { reason } = nextAttempt({ type: 'fixed-delay', attempts: 1, delayMs: 0 }, { ...NO_FAILURES, attempts: 1 }, 0, 0);
    expect(reason).toContain('restart-strategy.fixed-delay.attempts');
  });
});
