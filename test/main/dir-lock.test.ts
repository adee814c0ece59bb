import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockDirectory } from '../../src/main/dir-lock.ts';

let root: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tm-lock-'));
  process.env['TIDEMARK_RUNTIME_DIR'] = join(root, 'run');
  mkdirSync(join(root, 'job'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  delete process.env['TIDEMARK_RUNTIME_DIR'];
  rmSync(root, { recursive: true, force: true });
});

/** Another process that holds the lock of a directory, taken with the same code as built. */
async function holderOf(directory: string, mechanism: 'kernel' | 'file'): Promise<ChildProcess> {
  const url = new URL('../../dist/main/dir-lock.js', import.meta.url).href;
  const code = `import(${JSON.stringify(url)}).then(async (m) => { await m.lockDirectory(${JSON.stringify(directory)}, { mechanism: '${mechanism}' }); process.stdout.write('held'); setInterval(() => {}, 1e9); })`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'], env: process.env });
  children.push(child);
  await new Promise((held) => child.stdout?.once('data', held));
  return child;
}

describe.each(['kernel', 'file'] as const)('directory lock (%s)', (mechanism) => {
  test('directory lock: a second owner is refused, told pid and host, and may come after the release', async () => {
    const directory = join(root, 'job');
    const lock = await lockDirectory(directory, { mechanism });
    await expect(lockDirectory(directory, { mechanism, waitMs: 0 })).rejects.toMatchObject({
      code: 'ERR_DIR_LOCKED',
      facts: { pid: process.pid, host: hostname() },
    });
    await lock.release();
    const again = await lockDirectory(directory, { mechanism, waitMs: 0 });
    await again.release();
  });

  test('directory lock: every path to the directory is the same lock', async () => {
    symlinkSync(join(root, 'job'), join(root, 'link'));
    const lock = await lockDirectory(join(root, 'job'), { mechanism });
    await expect(lockDirectory(join(root, 'link'), { mechanism, waitMs: 0 })).rejects.toMatchObject({ code: 'ERR_DIR_LOCKED' });
    await lock.release();
  });

  test('directory lock: ends with its process, also after kill -9, and a waiting process gets it then', async () => {
    const directory = join(root, 'job');
    const holder = await holderOf(directory, mechanism);
    await expect(lockDirectory(directory, { mechanism, waitMs: 0 })).rejects.toMatchObject({ facts: { pid: holder.pid } });
    const waiting = lockDirectory(directory, { mechanism, waitMs: 10_000 });
    holder.kill('SIGKILL');
    await (await waiting).release();
  });

  test('directory lock: of many that start at once exactly one gets it, also where a dead owner left its file', async () => {
    const directory = join(root, 'job');
    const holder = await holderOf(directory, mechanism);
    const gone = new Promise((done) => holder.once('exit', done));
    holder.kill('SIGKILL');
    await gone;
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(directory, { mechanism, waitMs: 0 })));
    const locks = results.filter((result) => result.status === 'fulfilled');
    expect(locks.length).toBe(1);
    for (const { value } of locks) await value.release();
    if (mechanism === 'file') expect(readdirSync(join(root, 'run')).length).toBe(1);
  });
});

test('directory lock: a path that is no directory is ERR_CHECKPOINT_DIR', async () => {
  await expect(lockDirectory(join(root, 'none'))).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_DIR' });
});

test('directory lock: an owner that answers is there to stay, so nobody waits for it', async () => {
  const directory = join(root, 'job');
  await holderOf(directory, 'kernel');
  const before = performance.now();
  await expect(lockDirectory(directory, { waitMs: 60_000 })).rejects.toMatchObject({ code: 'ERR_DIR_LOCKED' });
  expect(performance.now() - before).toBeLessThan(10_000);
});

test('directory lock: an owner that stands still is waited for, and then said not to answer', async () => {
  const directory = join(root, 'job');
  const holder = await holderOf(directory, 'kernel');
  holder.kill('SIGSTOP');
  await expect(lockDirectory(directory, { waitMs: 10 })).rejects.toMatchObject({
    code: 'ERR_DIR_LOCKED',
    message: expect.stringContaining('does not answer'),
  });
  holder.kill('SIGKILL');
});
