/**
 * Locking by Unix socket files, for systems without abstract sockets. A file outlives its process, so a taken name may be
 * a dead owner's, and the danger is two processes that both clear it away and both believe to own the result. Therefore
 * no name is ever cleared and taken again: each owner has a number, and the lock is the file with the highest one.
 *
 *   lock-<name>-7   dead owner
 *   lock-<name>-8   owner: listens
 *
 *   1. list; if the highest, n, answers, the lock is taken
 *   2. listen at a name of our own and `link` it to n + 1: of many exactly one `link` succeeds
 *   3. list again; if there is a higher one, our list of step 1 was old: withdraw
 *   4. remove the lower ones. The highest is never removed, not even on release
 *
 * Why two cannot own: let k own, so at its step 3 nothing was higher. The first to create a higher number after that
 * creates k + 1, having found k dead at its step 1; but k listened before it had its name.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readdirSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { isListening } from './control-socket.ts';
import { ensureRuntimeDir, socketPath } from './runtime-dir.ts';

/**
 * Makes the server own the lock, or leaves it closed.
 *
 * @returns whether the lock is ours now
 */
export async function claimFile(server: Server, name: string): Promise<boolean> {
  const directory = ensureRuntimeDir();
  const highest = Math.max(0, ...numbersOf(directory, name));
  if (highest > 0 && (await isListening(numberedPath(directory, name, highest)))) return false;

  const own = socketPath(directory, `own-${randomBytes(6).toString('hex')}`);
  await tryListen(server, own);
  const claimed = linkIfFree(own, numberedPath(directory, name, highest + 1));
  rmSync(own, { force: true });
  const numbers = numbersOf(directory, name);
  if (!claimed || Math.max(...numbers) > highest + 1) {
    if (claimed) rmSync(numberedPath(directory, name, highest + 1), { force: true });
    server.close();
    return false;
  }
  for (const number of numbers) if (number <= highest) rmSync(numberedPath(directory, name, number), { force: true });
  return true;
}

/** Where the present owner can be asked. */
export function ownerAddress(name: string): string {
  const directory = ensureRuntimeDir();
  return numberedPath(directory, name, Math.max(0, ...numbersOf(directory, name)));
}

function numbersOf(directory: string, name: string): number[] {
  const prefix = `lock-${name}-`;
  return readdirSync(directory)
    .filter((file) => file.startsWith(prefix))
    .map((file) => Number(file.slice(prefix.length)));
}

function numberedPath(directory: string, name: string, number: number): string {
  return join(directory, `lock-${name}-${number}`);
}

function linkIfFree(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** @returns false when the address is taken */
export async function tryListen(server: Server, address: string): Promise<boolean> {
  try {
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(address, done);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
}
