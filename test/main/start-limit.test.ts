import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withinStartLimit } from '../../src/main/start-limit.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const never = new Promise<never>(() => undefined);

describe('limit of a step of the start', () => {
  test('start limit: what takes longer than task.timeout fails, named', async () => {
    const limited = withinStartLimit(never, 'Opening subtask 1', 90_000);
    const refused = expect(limited).rejects.toMatchObject({
      code: 'ERR_TASK_TIMEOUT',
      message: expect.stringMatching(/^Opening subtask 1 has taken more than 90000 ms/),
    });
    await vi.advanceTimersByTimeAsync(89_999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await refused;
  });

  test('start limit: is a minute at least, however tight task.timeout is', async () => {
    const limited = withinStartLimit(never, 'Loading', 500);
    const refused = expect(limited).rejects.toMatchObject({ facts: { timeoutMs: 60_000 } });
    await vi.advanceTimersByTimeAsync(60_000);
    await refused;
  });

  test.each([
    ['a result', Promise.resolve(7), 7],
    ['no limit', Promise.resolve(8), 8],
  ])('start limit: %s leaves no timer behind', async (name, work, result) => {
    expect(await withinStartLimit(work, 'Loading', name === 'no limit' ? Infinity : 500)).toBe(result);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('start limit: an error of the work is its own, and leaves no timer behind', async () => {
    await expect(withinStartLimit(Promise.reject(new Error('its own')), 'Loading', 500)).rejects.toThrow('its own');
    expect(vi.getTimerCount()).toBe(0);
  });
});
