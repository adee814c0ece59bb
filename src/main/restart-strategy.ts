/**
 * What follows a failure: a delay and another attempt, or the end. Pure: the history is a value, time and chance are
 * arguments. The strategies, their options and defaults are Flink's (1.19 and later).
 *
 *              failure                        delay over
 *   running ------------> nextAttempt() ------------------> running
 *                              |
 *                              +-- null --> the job fails
 */

export type RestartStrategy =
  | { readonly type: 'none' }
  | { readonly type: 'fixed-delay'; readonly attempts: number; readonly delayMs: number }
  /** More than `maxFailures` failures within `intervalMs` end the job. */
  | { readonly type: 'failure-rate'; readonly maxFailures: number; readonly intervalMs: number; readonly delayMs: number }
  | {
      readonly type: 'exponential-delay';
      readonly initialBackoffMs: number;
      readonly maxBackoffMs: number;
      /** At least 1. */
      readonly multiplier: number;
      /** A failure later than this after the restart before it finds the delay back at its beginning. */
      readonly resetThresholdMs: number;
      /** Share of the delay by which it is moved at random, either way; 0 to 1. */
      readonly jitter: number;
      /** Restarts since the last reset before giving up; `null`: no bound (Infinity would not survive JSON). */
      readonly attempts: number | null;
    };

/** What a strategy remembers of earlier failures. Plain data, so that it can cross a process boundary. */
export interface RestartHistory {
  /** Restarts so far; with exponential delay, since its last reset. */
  readonly attempts: number;
  /** Times of the failures that may still count for a failure rate, oldest first. */
  readonly failuresAtMs: readonly number[];
  /** Delay before the last restart, without jitter; 0 before the first. */
  readonly lastBackoffMs: number;
  /** When the last restart began running; meaningless before the first. */
  readonly lastRestartAtMs: number;
}

export const NO_FAILURES: RestartHistory = { attempts: 0, failuresAtMs: [], lastBackoffMs: 0, lastRestartAtMs: 0 };

export interface RestartDecision {
  /** Delay before the next attempt, or `null` to give up. */
  readonly delayMs: number | null;
  /** Why it gives up, completing "The job failed and is not restarted: ..."; empty otherwise. */
  readonly reason: string;
  readonly history: RestartHistory;
}

/**
 * Decides about a failure.
 *
 * @param nowMs   time of the failure, on a clock that does not jump
 * @param random  in [0, 1), used for jitter only
 */
export function nextAttempt(strategy: RestartStrategy, history: RestartHistory, nowMs: number, random: number): RestartDecision {
  switch (strategy.type) {
    case 'none':
      return giveUp('restart-strategy.type is none', history);

    case 'fixed-delay':
      if (history.attempts >= strategy.attempts) {
        return giveUp(
          `it was restarted ${history.attempts} times already, as many as restart-strategy.fixed-delay.attempts allows`,
          history,
        );
      }
      return retry(strategy.delayMs, strategy.delayMs, history.attempts + 1, [], nowMs);

    case 'failure-rate': {
      const failures = [...history.failuresAtMs.filter((at) => at > nowMs - strategy.intervalMs), nowMs];
      if (failures.length > strategy.maxFailures) {
        const reason = `it failed ${failures.length} times within ${strategy.intervalMs} ms, more than the ${strategy.maxFailures} of restart-strategy.failure-rate.max-failures-per-interval`;
        return giveUp(reason, { ...history, failuresAtMs: failures });
      }
      return retry(strategy.delayMs, strategy.delayMs, history.attempts + 1, failures, nowMs);
    }

    case 'exponential-delay': {
      const fresh = history.attempts === 0 || nowMs - history.lastRestartAtMs >= strategy.resetThresholdMs;
      const attempts = fresh ? 0 : history.attempts;
      if (strategy.attempts !== null && attempts >= strategy.attempts) {
        return giveUp(
          `it was restarted ${attempts} times already, as many as restart-strategy.exponential-delay.attempts-before-reset-backoff allows`,
          history,
        );
      }
      const backoffMs = fresh
        ? strategy.initialBackoffMs
        : Math.min(history.lastBackoffMs * strategy.multiplier, strategy.maxBackoffMs);
      const jittered = backoffMs * (1 + strategy.jitter * (2 * random - 1));
      return retry(Math.min(jittered, strategy.maxBackoffMs), backoffMs, attempts + 1, [], nowMs);
    }
  }
}

function retry(
  delayMs: number,
  backoffMs: number,
  attempts: number,
  failuresAtMs: readonly number[],
  nowMs: number,
): RestartDecision {
  return { delayMs, reason: '', history: { attempts, failuresAtMs, lastBackoffMs: backoffMs, lastRestartAtMs: nowMs + delayMs } };
}

function giveUp(reason: string, history: RestartHistory): RestartDecision {
  return { delayMs: null, reason, history };
}
