import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for `work`, which must not reject, but no longer than `ms`. Ending the work is up to the caller. */
export async function settledWithin(work: Promise<unknown>, ms: number): Promise<void> {
  const waiting = new AbortController();
  await Promise.race([work, sleep(ms, undefined, { signal: waiting.signal }).catch(() => undefined)]);
  waiting.abort();
}
