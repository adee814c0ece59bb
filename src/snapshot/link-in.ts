/**
 * Taking over tables of another checkpoint without copying bytes: they are immutable, so a hard link in the own
 * `shared/` is enough, and the source may be deleted the moment the first own checkpoint is complete. Copied only where
 * the file system cannot link.
 */
import { dirname, join } from 'node:path';
import { ContentHasher } from '../format/content-hash.ts';
import { tableCorrupt } from '../format/sorted-table/corrupt.ts';
import { attempt, createDurably, errnoOf, fileError, quietly, readFully, withRegularFile, writeFully } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { tablePath, temporaryFileName } from './paths.ts';
import type { LocatedTable } from './table-file.ts';

const COPY_CHUNK_BYTES = 1024 * 1024;
/** Other file system, links not supported or not permitted, too many links. */
const CANNOT_LINK = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS', 'EACCES']);

/**
 * Makes tables exist in `directory` under their hash names. Durable once that directory is synced, which publication
 * does.
 *
 * @returns how many were linked, copied, and already there
 * @throws  TidemarkError ERR_FILE_MISSING or ERR_IO when a source cannot be read, ERR_TABLE_CORRUPT when a copy does
 *          not have its hash, ERR_NO_SPACE
 */
export function linkTables(
  fs: FsPort,
  tables: readonly LocatedTable[],
  directory: string,
): { readonly linked: number; readonly copied: number; readonly present: number } {
  const counts = { linked: 0, copied: 0, present: 0 };
  for (const source of tables) counts[linkTable(fs, source, directory)]++;
  return counts;
}

function linkTable(fs: FsPort, source: LocatedTable, directory: string): 'linked' | 'copied' | 'present' {
  const { hash, sizeBytes } = source.table;
  const path = tablePath(directory, hash);
  if (dirname(source.path) === directory) return 'present';
  try {
    fs.link(source.path, path);
    return 'linked';
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EEXIST' && !CANNOT_LINK.has(errno)) throw fileError('link', source.path, error);
    if (errno === 'EEXIST' && withRegularFile(fs, path, (_fd, found) => found) === sizeBytes) return 'present';
  }
  copyTable(fs, source, directory, path);
  return 'copied';
}

function copyTable(fs: FsPort, { path: from, table }: LocatedTable, directory: string, path: string): void {
  const temporary = join(directory, temporaryFileName());
  const hash = createDurably(fs, temporary, (to) =>
    withRegularFile(fs, from, (fd, sizeBytes) => copyBytes(fs, fd, from, sizeBytes, to, temporary)),
  );
  if (hash !== table.hash) {
    quietly(() => fs.unlink(temporary));
    throw tableCorrupt(from, 0, `its content has the hash ${hash}, not the one that names it`);
  }
  attempt('name', path, () => fs.rename(temporary, path));
}

function copyBytes(fs: FsPort, fd: number, from: string, sizeBytes: number, toFd: number, to: string): string {
  const hasher = new ContentHasher();
  const chunk = Buffer.allocUnsafe(COPY_CHUNK_BYTES);
  for (let at = 0; at < sizeBytes; ) {
    const read = readFully(fs, fd, from, at, chunk.subarray(0, Math.min(COPY_CHUNK_BYTES, sizeBytes - at)));
    if (read === 0) throw tableCorrupt(from, at, `the file ends here, it should have ${sizeBytes} bytes`);
    const bytes = chunk.subarray(0, read);
    hasher.update(bytes);
    writeFully(fs, toFd, to, bytes);
    at += read;
  }
  return hasher.digest();
}
