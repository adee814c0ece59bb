/** Where the log of a state map begins in its memory. The module decides when it is loaded, so each case loads it anew. */
import { afterEach, expect, test, vi } from 'vitest';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
});

test.each([
  { memory: 'malloc, 16 bytes into a page', tunables: 'glibc.malloc.hugetlb=1', before: 16 },
  { memory: 'pages of its own', tunables: 'glibc.malloc.hugetlb=0', before: 0 },
])('state map: records of 32 bytes lie in one cache line each, in memory from $memory', async ({ tunables, before }) => {
  vi.stubEnv('GLIBC_TUNABLES', tunables);
  vi.resetModules();
  const { Model, keyOf } = await import('./model.ts');
  const model = new Model();
  const value = 'v'.repeat(8);
  for (let i = 0; i < 200; i++) model.set(keyOf(`${i}`.padStart(4)), value);
  const lines = Array.from(model.map.addresses(), (address) => (address * 8 + before) % 64);
  expect(new Set(lines)).toEqual(new Set([0, 32]));
  // And all that is built upon the memory works there: more and longer values, marks, cleaning, what has changed.
  for (let i = 0; i < 400; i++) model.set(keyOf(`key-${i % 50}`), `${i}`.padEnd((i * 37) % 900, '.'));
  model.mark();
  for (let i = 0; i < 60; i++) model.set(keyOf(`key-${i}`), 'again');
  model.check();
});
