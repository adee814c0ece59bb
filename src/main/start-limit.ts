/** Bounds the steps in which an attempt starts: user code runs in them too, and one that stands still must not leave the job there for ever. */
import { TidemarkError } from '../format/errors.ts';

/** A `task.timeout` that is tight for turns does not bound loading a module, restoring state or closing below this. */
const LEAST_LIMIT_MS = 60_000;

/** Longest delay of a timer. */
const MAX_TIMER_MS = 0x7fffffff;

/**
 * The result of `work`, if it comes in time. Ending the work is up to the caller.
 *
 * @param doing          for the message: "Loading /jobs/count.ts in the worker threads"
 * @param taskTimeoutMs  Infinity: no limit
 * @throws TidemarkError ERR_TASK_TIMEOUT after the larger of `taskTimeoutMs` and `leastMs`
 */
export async function withinStartLimit<T>(
  work: Promise<T>,
  doing: string,
  taskTimeoutMs: number,
  leastMs = LEAST_LIMIT_MS,
): Promise<T> {
  const limitMs = Math.max(leastMs, taskTimeoutMs);
  if (limitMs > MAX_TIMER_MS) return work;
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(takesTooLong(doing, limitMs, leastMs)), limitMs);
  });
  try {
    return await Promise.race([work, overdue]);
  } finally {
    clearTimeout(timer);
  }
}

function takesTooLong(doing: string, limitMs: number, leastMs: number): TidemarkError {
  return new TidemarkError(
    'ERR_TASK_TIMEOUT',
    `${doing} has taken more than ${limitMs} ms (task.timeout, but at least ${leastMs} ms). User code is in an endless loop, or awaits something that does not come; raise task.timeout if it may take so long.`,
    { facts: { doing, timeoutMs: limitMs } },
  );
}
