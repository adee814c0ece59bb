/**
 * The second phase of a file sink: prepared parts become durable, then visible. Each step may be repeated after a crash at
 * any point of the last one.
 *
 * | prepared part | final name      | it is                                | commit does               |
 * |---------------|-----------------|--------------------------------------|---------------------------|
 * | exists        | is free         | not committed                        | link, sync, unlink        |
 * | exists        | the same file   | committed up to the last step        | sync, unlink              |
 * | exists        | another file    | committed, if the content is the same| unlink, else refuse       |
 * | is gone       | exists          | committed, if the content is the same| nothing, else refuse      |
 * | is gone       | is free         | lost, or moved away                  | refuse                    |
 */
import { join } from 'node:path';
import { ContentHasher } from '../../../format/content-hash.ts';
import { TidemarkError } from '../../../format/errors.ts';
import {
  attempt,
  errnoOf,
  fileError,
  isMissing,
  openRegularFile,
  quietly,
  readFully,
  syncDirectory,
} from '../../../snapshot/files.ts';
import type { FsPort } from '../../../snapshot/fs-port.ts';
import type { FilesCommittable, PreparedPart } from './committable.ts';
import { HIDDEN_DIRECTORY } from './part-names.ts';

/**
 * Makes prepared parts durable, content and name. A part that is committed already is.
 *
 * @throws TidemarkError ERR_IO; ERR_SINK_FAILED with the fact `isLost` when it is of no use to try again
 */
export function persistParts(fs: FsPort, { directory, parts }: FilesCommittable): void {
  const hidden = join(directory, HIDDEN_DIRECTORY);
  for (const part of parts) persistPart(fs, join(hidden, part.prepared), join(directory, part.final));
  onlyOnce(hidden, () => syncDirectory(fs, hidden));
}

/** After an fsync that failed the kernel has dropped the pages, and a second one would succeed in vain. */
function onlyOnce(path: string, sync: () => void): void {
  try {
    sync();
  } catch (error) {
    const { message } = fileError('sync', path, error);
    throw new TidemarkError('ERR_SINK_FAILED', `Output may be lost: ${message} The job goes back to its last checkpoint.`, {
      cause: error,
      facts: { path, isLost: true },
    });
  }
}

function persistPart(fs: FsPort, path: string, final: string): void {
  const fd = openIfThere(fs, path);
  if (fd === null) {
    if (sizeOf(fs, final) !== null) return;
    throw lostPart(path, final);
  }
  try {
    onlyOnce(path, () => fs.fsync(fd));
  } finally {
    quietly(() => fs.close(fd));
  }
}

/** Makes durable parts visible under their final names. Idempotent; never overwrites a file. */
export function commitParts(fs: FsPort, { directory, parts }: FilesCommittable): void {
  const linked: string[] = [];
  for (const part of parts) {
    const prepared = join(directory, HIDDEN_DIRECTORY, part.prepared);
    if (commitPart(fs, directory, prepared, part)) linked.push(prepared);
  }
  if (linked.length === 0) return;
  // The hidden name goes only when the visible one is durable: one of the two always survives a crash.
  syncDirectory(fs, directory);
  for (const prepared of linked) attempt('remove', prepared, () => removeIfThere(fs, prepared));
}

/** @returns true when the prepared part is to be removed now */
function commitPart(fs: FsPort, directory: string, prepared: string, part: PreparedPart): boolean {
  const final = join(directory, part.final);
  try {
    fs.link(prepared, final);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EEXIST' && !isMissing(error)) throw fileError('link', final, error);
    checkCommitted(fs, prepared, final, part);
    return errno === 'EEXIST';
  }
}

function checkCommitted(fs: FsPort, prepared: string, final: string, part: PreparedPart): void {
  const bytes = sizeOf(fs, final);
  if (bytes === null) throw lostPart(prepared, final);
  const hash = bytes === part.bytes ? hashOf(fs, final) : '';
  if (hash === part.hash) return;
  const found = bytes === part.bytes ? `content hash ${hash}` : `${bytes} bytes`;
  const expected = bytes === part.bytes ? `content hash ${part.hash}` : `${part.bytes} bytes`;
  throw new TidemarkError(
    'ERR_SINK_FAILED',
    `${final} exists with other content: ${found}, and the checkpoint has ${expected} for it. It is not overwritten. Move it away and restore again.`,
    { facts: { path: final, expected, found } },
  );
}

function lostPart(prepared: string, final: string): TidemarkError {
  return new TidemarkError(
    'ERR_SINK_FAILED',
    `An output part of the checkpoint is gone: neither ${prepared} nor ${final} exists. Put the file back if it was moved, or restore a later checkpoint.`,
    { facts: { prepared, final, isLost: true } },
  );
}

function sizeOf(fs: FsPort, path: string): number | null {
  const fd = openIfThere(fs, path);
  if (fd === null) return null;
  try {
    return fs.fileStatus(fd).sizeBytes;
  } finally {
    quietly(() => fs.close(fd));
  }
}

function openIfThere(fs: FsPort, path: string): number | null {
  try {
    return openRegularFile(fs, path).fd;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

const HASH_PIECE_BYTES = 256 * 1024;

function hashOf(fs: FsPort, path: string): string {
  const { fd } = openRegularFile(fs, path);
  try {
    const hasher = new ContentHasher();
    const piece = Buffer.allocUnsafe(HASH_PIECE_BYTES);
    for (let at = 0; ; at += piece.length) {
      const bytes = readFully(fs, fd, path, at, piece);
      hasher.update(piece.subarray(0, bytes));
      if (bytes < piece.length) return hasher.digest();
    }
  } finally {
    quietly(() => fs.close(fd));
  }
}

function removeIfThere(fs: FsPort, path: string): void {
  try {
    fs.unlink(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
