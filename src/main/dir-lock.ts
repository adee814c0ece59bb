/**
 * One owner for a directory: a lock that ends with its process, however that ends.
 *
 * Node has no flock(). A socket does the same work: binding its name is exclusive, and the kernel frees it with the
 * process. The name is made from device and inode, so that every path to the directory is the same lock. Whoever finds
 * it taken connects and is told who the owner is.
 *
 *   Linux     an abstract Unix socket: no file, nothing to clean up
 *   Windows   a named pipe, likewise
 *   others    a Unix socket in the runtime directory (`dir-lock-file.ts`)
 *
 * What it does not see: an owner on another host, or in another network namespace (two containers that share a volume).
 * There the fence of publication remains: a checkpoint's directory is renamed to its final name, which fails where there is one, and is
 * taken back where there is a later one. Deletion has no such fence: what one of two owners sweeps, the other may just have written.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { TidemarkError } from '../format/errors.ts';
import { claimFile, ownerAddress, tryListen } from './dir-lock-file.ts';

export interface DirectoryLock {
  release(): Promise<void>;
}

export interface LockOptions {
  /**
   * How long to wait for an owner that does not answer. A runtime whose supervisor was killed ends a moment later, and a
   * resume that follows at once must not fail for that; an owner that answers twice is there to stay. Default 5000.
   */
  readonly waitMs?: number;
  /** How to lock; default by platform. */
  readonly mechanism?: 'kernel' | 'file';
}

interface Owner {
  readonly pid: number;
  readonly host: string;
}

const POLL_MS = 20;
/** Between two questions to an owner: long enough for one whose supervisor is gone to notice that. */
const SECOND_QUESTION_MS = 100;

/**
 * Takes the lock of an existing directory.
 *
 * @throws TidemarkError ERR_DIR_LOCKED with pid and host of the owner; ERR_CHECKPOINT_DIR when there is no such directory
 */
export async function lockDirectory(path: string, options: LockOptions = {}): Promise<DirectoryLock> {
  const name = lockName(path);
  const inKernel =
    (options.mechanism ?? (process.platform === 'linux' || process.platform === 'win32' ? 'kernel' : 'file')) === 'kernel';
  let answers = 0;
  const deadline = performance.now() + (options.waitMs ?? 5_000);
  for (;;) {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(`${JSON.stringify({ pid: process.pid, host: hostname() } satisfies Owner)}\n`, () => socket.destroy());
    });
    const taken = inKernel ? await tryListen(server, kernelAddress(name)) : await claimFile(server, name);
    if (taken) {
      // A held lock is no reason to keep the process alive.
      server.unref();
      return { release: () => new Promise((done) => server.close(() => done())) };
    }
    const owner = await askOwner(inKernel ? kernelAddress(name) : ownerAddress(name));
    if (owner !== undefined) answers++;
    if (answers === 2 || performance.now() >= deadline) throw lockedError(path, owner);
    await sleep(owner === undefined ? POLL_MS : SECOND_QUESTION_MS);
  }
}

function lockedError(path: string, owner: Owner | undefined): TidemarkError {
  const who = owner === undefined ? 'a process that does not answer; it may be stopped' : `process ${owner.pid} on ${owner.host}`;
  return new TidemarkError(
    'ERR_DIR_LOCKED',
    `The directory ${path} belongs to a running job (${who}). End that job first (\`tidemark list\` shows what runs), or use another directory.`,
    { facts: { path, pid: owner?.pid, host: owner?.host } },
  );
}

/** @returns `undefined` when the owner does not say within a second: it may be stopped, or just gone */
function askOwner(address: string): Promise<Owner | undefined> {
  return new Promise((done) => {
    const socket = connect(address);
    let answer = '';
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on('data', (chunk) => (answer += chunk.toString('utf8')));
    socket.on('error', () => done(undefined));
    socket.on('close', () => {
      try {
        done(JSON.parse(answer) as Owner);
      } catch {
        done(undefined);
      }
    });
  });
}

function lockName(path: string): string {
  let stat;
  try {
    stat = statSync(path, { bigint: true });
  } catch (error) {
    throw new TidemarkError('ERR_CHECKPOINT_DIR', `The directory ${path} cannot be locked: ${(error as Error).message}.`, {
      cause: error,
      facts: { path },
    });
  }
  if (!stat.isDirectory()) throw new TidemarkError('ERR_CHECKPOINT_DIR', `${path} is not a directory.`, { facts: { path } });
  return createHash('sha256').update(`${stat.dev}:${stat.ino}`).digest('hex').slice(0, 24);
}

function kernelAddress(name: string): string {
  return process.platform === 'win32' ? `\\\\.\\pipe\\tidemark-lock-${name}` : `\0tidemark-lock-${name}`;
}
