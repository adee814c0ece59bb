/**
 * A job that ends while its threads load. Node 20 may abort the whole process when a thread is ended while it evaluates a module with a
 * top-level await, as ours is: rarely (once in some hundred jobs that were cancelled around their first checkpoint), with code 134, and no
 * chance for anybody to catch it. So such a thread is let finish.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from 'tidemark';
import { expect, it } from 'vitest';
import { makeDirectory, until } from '../support/cli.ts';

/** A job module that tells how many threads began to load it and how many came to its end, which takes them a while. */
function slowToLoad(graph: string): { file: string; told: (what: 'begun' | 'loaded') => number } {
  const directory = makeDirectory();
  const file = join(directory, 'job.mjs');
  writeFileSync(
    file,
    `
    import { appendFileSync } from 'node:fs';
    import { isMainThread } from 'node:worker_threads';
    import { collection, discard, job } from 'tidemark';
    const tell = (what) => isMainThread || appendFileSync(${JSON.stringify(directory)} + '/' + what, 'x');
    tell('begun');
    if (!isMainThread) for (const end = performance.now() + 300; performance.now() < end; );
    await null;
    tell('loaded');
    export default job('slow-to-load', (flow) => ${graph});
    `,
  );
  const told = (what: string): number => (existsSync(join(directory, what)) ? readFileSync(join(directory, what)).length : 0);
  return { file, told };
}

it('a thread that evaluates its modules when the job is cancelled comes to the end of them first', async () => {
  const { file, told } = slowToLoad('flow.from(collection([1])).to(discard())');
  const handle = await run(pathToFileURL(file), { threads: 2, parallelism: 2 });
  await until(() => told('begun') > 0, 'a thread loads');
  await handle.cancel();
  expect(handle.state).toBe('cancelled');
  expect(told('loaded')).toBe(told('begun'));
});

it('so does the thread that the pool starts in place of one that exited, when that ends the attempt', async () => {
  const { file, told } = slowToLoad('flow.from(collection([1])).map(() => process.exit(7)).to(discard())');
  const handle = await run(pathToFileURL(file), { threads: 1, parallelism: 1, config: { 'restart-strategy.type': 'none' } });
  await expect(handle.done).rejects.toMatchObject({ code: 'ERR_WORKER_EXITED' });
  // The one that exited, and its successor.
  expect([told('begun'), told('loaded')]).toEqual([2, 2]);
});
