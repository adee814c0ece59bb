/**
 * A job that ends while its threads load. Node 20 aborts the process when a thread is ended while it evaluates a module with a
 * top-level await: with code 134, and no chance for anybody to catch it. So the job runs in a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { CLI, makeDirectory } from '../support/cli.ts';
import { projectRoot } from '../support/sources.ts';

it('a job that is cancelled at any moment, also while a thread for its first checkpoint loads, leaves its process alive', () => {
  const directory = makeDirectory();
  const code = `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { run } from ${JSON.stringify(pathToFileURL(join(CLI, '../../run.js')).href)};
    for (let i = 0; i < 30; i++) {
      const handle = await run(new URL(${JSON.stringify(pathToFileURL(join(projectRoot, 'test/e2e/jobs/standing.mjs')).href)}), {
        parallelism: 2,
        threads: 2,
        args: ['100', 'out'],
        config: { 'execution.checkpointing.dir': 'checkpoints' },
      });
      // Every third while the threads of the job itself load, the others while that of a checkpoint does.
      while (i % 3 > 0 && handle.state !== 'running') await sleep(1);
      handle.checkpoint().catch(() => {});
      await sleep(i * 2);
      await handle.cancel();
    }
    console.log('alive');
  `;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: directory, encoding: 'utf8' });
  expect(child.stderr).toBe('');
  expect([child.status, child.stdout]).toEqual([0, 'alive\n']);
});
