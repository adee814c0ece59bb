/**
 * The only door to the file system for checkpoints: twelve calls, so that tests can put a simulated disk behind it
 * (what is only in memory, what is durable, what a crash leaves) and make any call fail.
 *
 * Calls are synchronous: they run in pool tasks. The main thread must hand publication and deletion to the pool as
 * well, because an fsync may take seconds on a slow disk.
 *
 * Promises of an implementation:
 * - Calls throw errors with Node's `code` ('ENOENT', 'ENOSPC', ...); `files.ts` turns them into Tidemark's.
 * - `write` and `read` may do less than asked and say how much they did.
 * - Files are created with mode 0600, directories with 0700. Links in the last part of a path are never followed.
 */
import * as fs from 'node:fs';

export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
}

export interface FsPort {
  /** 'create' fails with EEXIST when the name exists; 'directory' is for `fsync` only. */
  open(path: string, mode: 'create' | 'read' | 'directory'): number;
  write(fd: number, bytes: Uint8Array): number;
  read(fd: number, into: Uint8Array, at: number): number;
  fsync(fd: number): void;
  close(fd: number): void;
  fileStatus(fd: number): FileStatus;
  /**
   * Atomic. Replaces a file, and an empty directory; fails with ENOTEMPTY or EEXIST for a directory that is not empty.
   */
  rename(from: string, to: string): void;
  /** A second name for a file; fails with EEXIST. */
  link(existing: string, path: string): void;
  unlink(path: string): void;
  /** Fails with EEXIST. */
  makeDirectory(path: string): void;
  removeDirectory(path: string): void;
  list(path: string): string[];
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

const OPEN_FLAGS = {
  create: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
  // Without O_NONBLOCK, opening a FIFO that somebody put in a file's place would wait for ever.
  read: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
  directory: O_RDONLY | O_DIRECTORY,
} as const;

/** The real file system. */
export const realFs: FsPort = {
  open: (path, mode) => fs.openSync(path, OPEN_FLAGS[mode], 0o600),
  write: (fd, bytes) => fs.writeSync(fd, bytes),
  read: (fd, into, at) => fs.readSync(fd, into, 0, into.length, at),
  fsync: (fd) => fs.fsyncSync(fd),
  close: (fd) => fs.closeSync(fd),
  fileStatus: (fd) => {
    const status = fs.fstatSync(fd);
    return { kind: status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other', sizeBytes: status.size };
  },
  rename: (from, to) => fs.renameSync(from, to),
  link: (existing, path) => fs.linkSync(existing, path),
  unlink: (path) => fs.unlinkSync(path),
  makeDirectory: (path) => fs.mkdirSync(path, { mode: 0o700 }),
  removeDirectory: (path) => fs.rmdirSync(path),
  list: (path) => fs.readdirSync(path),
};
