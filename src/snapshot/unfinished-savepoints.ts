/**
 * Notes of savepoints that are being written. A savepoint's directory has no owner: several jobs may write into it, so nobody can tell what was
 * left there by a process that died from what is being written now. Therefore its job notes it in its own directory first, which has one owner:
 * whoever owns that directory later knows that nobody writes the savepoint any more.
 *
 * ```
 * 1   <job>/.savepoint-<name> says where; written, fsynced, and the job's directory synced
 * 2   <target>/.new-<name>-*  is filled and published as <target>/<name>
 * 3   the note is removed. A note that is left after that does no harm: a savepoint that came to be is the user's
 * ```
 *
 * A job without a checkpoint directory has no place for notes: of it, a `.new-savepoint-` directory may stay.
 */
import { join } from 'node:path';
import {
  attempt,
  createDurably,
  directoryExists,
  listDirectory,
  readFileBounded,
  removeDirectoryOfFiles,
  syncDirectory,
  writeFully,
} from './files.ts';
import type { FsPort } from './fs-port.ts';
import { parseSavepointNote, publicationPrefix, savepointNoteName } from './paths.ts';

const MAX_NOTE_BYTES = 64 * 1024;

export interface UnfinishedSavepoint {
  /** Path of the note. */
  readonly note: string;
  /** Where it was to be; null: there is nothing of it. */
  readonly target: string | null;
  /** Directories that were being filled, of this savepoint and no other. */
  readonly directories: readonly string[];
}

/** Step 1. @throws TidemarkError ERR_NO_SPACE, ERR_IO */
export function noteSavepoint(fs: FsPort, jobDirectory: string, target: string, name: string): void {
  const path = join(jobDirectory, savepointNoteName(name));
  createDurably(fs, path, (fd) => writeFully(fs, fd, path, Buffer.from(JSON.stringify({ target }))));
  syncDirectory(fs, jobDirectory);
}

/** Step 3. @throws the error of unlink */
export function forgetSavepoint(fs: FsPort, jobDirectory: string, name: string): void {
  fs.unlink(join(jobDirectory, savepointNoteName(name)));
}

/** Savepoints that a job has noted. The caller owns the job's directory, and nothing of the job writes any more. */
export function findUnfinishedSavepoints(fs: FsPort, jobDirectory: string): UnfinishedSavepoint[] {
  return listDirectory(fs, jobDirectory).flatMap((entry): UnfinishedSavepoint[] => {
    const name = parseSavepointNote(entry);
    if (name === null) return [];
    const note = join(jobDirectory, entry);
    const target = readTarget(fs, note);
    const prefix = publicationPrefix(name);
    if (target === null) return [{ note, target, directories: [] }];
    const names = listDirectory(fs, target).filter((other) => other.startsWith(prefix));
    return [{ note, target, directories: names.map((other) => join(target, other)) }];
  });
}

/**
 * Removes what is left of one, and then its note. Not before the names in the target are as durable as the note's end will be: after a power cut
 * nobody would find what comes back, be it removed or published just before.
 *
 * @throws TidemarkError ERR_IO; the note is still there then
 */
export function removeUnfinishedSavepoint(fs: FsPort, { note, target, directories }: UnfinishedSavepoint): void {
  for (const directory of directories) removeDirectoryOfFiles(fs, directory);
  if (target !== null && directoryExists(fs, target)) syncDirectory(fs, target);
  attempt('remove', note, () => fs.unlink(note));
}

/** null: the note was not finished, so the savepoint was not begun. */
function readTarget(fs: FsPort, note: string): string | null {
  const bytes = readFileBounded(fs, note, MAX_NOTE_BYTES);
  if (bytes === null) return null;
  try {
    const { target } = JSON.parse(bytes.toString('utf8')) as { readonly target?: unknown };
    return typeof target === 'string' ? target : null;
  } catch {
    return null;
  }
}
