/**
 * File operations with the care that durability needs, on top of an `FsPort`. Every failure is a TidemarkError with the
 * path.
 *
 * - A short write is continued until it fails: on a full disk Node reports a short count and no error.
 * - After an fsync that failed it is never repeated on that file: the kernel has dropped the pages and the second call would
 *   succeed. The file is abandoned with the checkpoint it was for.
 */
import { dirname, join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import type { FsPort } from './fs-port.ts';

/** Runs one file operation; a failure names the action and the path. */
export function attempt<T>(action: string, path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw fileError(action, path, error);
  }
}

export function fileError(action: string, path: string, error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const errno = errnoOf(error);
  const facts = { action, path, errno };
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new TidemarkError(
      'ERR_NO_SPACE',
      `Cannot ${action} ${path}: the disk is full (${errno}). Free some space; the next checkpoint is tried as usual.`,
      { cause: error, facts },
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new TidemarkError('ERR_IO', `Cannot ${action} ${path}: ${reason}.`, { cause: error, facts });
}

/** Node's code of a failed call, also of one that `attempt` has wrapped; '' when there is none. */
export function errnoOf(error: unknown): string {
  if (error instanceof TidemarkError) return typeof error.facts['errno'] === 'string' ? error.facts['errno'] : '';
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** Does the operation fail because a name does not exist? */
export function isMissing(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}

/** Writes all bytes, or throws. */
export function writeFully(fs: FsPort, fd: number, path: string, bytes: Uint8Array): void {
  attempt('write', path, () => {
    for (let done = 0; done < bytes.length; ) {
      const written = fs.write(fd, done === 0 ? bytes : bytes.subarray(done));
      if (written <= 0)
        throw new TidemarkError('ERR_IO', `Cannot write ${path}: ${done} of ${bytes.length} bytes were taken, and then none.`, {
          facts: { action: 'write', path },
        });
      done += written;
    }
  });
}

/** Fills `into` from byte `at` on, as far as the file goes. Returns the bytes read. */
export function readFully(fs: FsPort, fd: number, path: string, at: number, into: Uint8Array): number {
  return attempt('read', path, () => {
    let done = 0;
    while (done < into.length) {
      const read = fs.read(fd, done === 0 ? into : into.subarray(done), at + done);
      if (read <= 0) break;
      done += read;
    }
    return done;
  });
}

/** Makes the names in a directory durable. */
export function syncDirectory(fs: FsPort, path: string): void {
  attempt('sync directory', path, () => {
    const fd = fs.open(path, 'directory');
    try {
      fs.fsync(fd);
    } finally {
      fs.close(fd);
    }
  });
}

/**
 * Makes a directory and its parents where they are missing. Its name is durable then, and those of its parents: also where they
 * were there, since whoever made them may have been killed before it synced them.
 *
 * @returns true when it was made, false when it was there
 */
export function ensureDirectory(fs: FsPort, path: string): boolean {
  const made = makeWithParents(fs, path, true);
  let at = made ? dirname(path) : path;
  // One that may not be read cannot be synced. What was made just now was, or has failed.
  for (; dirname(at) !== at; at = dirname(at)) {
    const parent = dirname(at);
    quietly(() => syncDirectory(fs, parent));
  }
  return made;
}

/** @param mayMakeParent  false once the parent is there: a directory that still cannot be made (below /proc) is an error then */
function makeWithParents(fs: FsPort, path: string, mayMakeParent: boolean): boolean {
  try {
    fs.makeDirectory(path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    const parent = dirname(path);
    if (errnoOf(error) !== 'ENOENT' || parent === path || !mayMakeParent) throw fileError('make directory', path, error);
    makeWithParents(fs, parent, true);
    return makeWithParents(fs, path, false);
  }
  syncDirectory(fs, dirname(path));
  return true;
}

/**
 * Creates a file, lets `write` fill it, and makes its bytes durable. On failure the file is removed again as far as
 * that is possible.
 */
export function createDurably<T>(fs: FsPort, path: string, write: (fd: number) => T): T {
  const fd = attempt('create', path, () => fs.open(path, 'create'));
  let closed = false;
  try {
    const result = write(fd);
    attempt('sync', path, () => fs.fsync(fd));
    closed = true;
    attempt('close', path, () => fs.close(fd));
    return result;
  } catch (error) {
    if (!closed) quietly(() => fs.close(fd));
    quietly(() => fs.unlink(path));
    throw error;
  }
}

/** Cleaning up after a failure: what cannot be removed now is garbage for the next collection. */
export function quietly(operation: () => void): void {
  try {
    operation();
  } catch {
    // The failure that led here is the one to report.
  }
}

/** Reads a whole regular file of at most `limitBytes`; null when it is longer. */
export function readFileBounded(fs: FsPort, path: string, limitBytes: number): Buffer | null {
  return withRegularFile(fs, path, (fd, sizeBytes) => {
    if (sizeBytes > limitBytes) return null;
    const bytes = Buffer.alloc(sizeBytes);
    return bytes.subarray(0, readFully(fs, fd, path, 0, bytes));
  });
}

/** Opens a regular file for the length of a call. */
export function withRegularFile<T>(fs: FsPort, path: string, use: (fd: number, sizeBytes: number) => T): T {
  const { fd, sizeBytes } = openRegularFile(fs, path);
  try {
    return use(fd, sizeBytes);
  } finally {
    quietly(() => fs.close(fd));
  }
}

/** Opens for reading; refuses links, directories, pipes and devices in the place of a file. The caller closes. */
export function openRegularFile(fs: FsPort, path: string): { readonly fd: number; readonly sizeBytes: number } {
  return attempt('open', path, () => {
    const fd = fs.open(path, 'read');
    const status = fs.fileStatus(fd);
    if (status.kind === 'file') return { fd, sizeBytes: status.sizeBytes };
    quietly(() => fs.close(fd));
    throw new TidemarkError('ERR_IO', `Cannot open ${path}: it is not a regular file.`, {
      facts: { action: 'open', path, kind: status.kind },
    });
  });
}

/** Names in a directory, sorted; empty when it does not exist. */
export function listDirectory(fs: FsPort, path: string): string[] {
  try {
    return fs.list(path).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError('list', path, error);
  }
}

export function directoryExists(fs: FsPort, path: string): boolean {
  try {
    fs.close(fs.open(path, 'directory'));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw fileError('open', path, error);
  }
}

/** Removes a directory that holds files only. */
export function removeDirectoryOfFiles(fs: FsPort, path: string): void {
  for (const name of listDirectory(fs, path)) attempt('remove', join(path, name), () => fs.unlink(join(path, name)));
  attempt('remove directory', path, () => fs.removeDirectory(path));
}
