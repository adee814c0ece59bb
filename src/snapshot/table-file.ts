/**
 * Sorted tables as files: written to a temporary name while their content is hashed, made durable, and given the hash
 * as their name.
 *
 * The last step is a rename, which replaces a file of that name: it has the same content, and the new one was just
 * written and synced, so no older file ever has to be trusted. (Whoever reads the old one keeps it: its inode lives
 * on.) The new name is durable once the directory is synced, which `publishCheckpoint` does for all tables of a
 * checkpoint at once.
 */
import { join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { ContentHasher } from '../format/content-hash.ts';
import type { TableRef } from '../format/manifest.ts';
import { tableCorrupt } from '../format/sorted-table/corrupt.ts';
import { TableReader } from '../format/sorted-table/reader.ts';
import { TableWriter, type TableWriterOptions } from '../format/sorted-table/writer.ts';
import { attempt, createDurably, isMissing, openRegularFile, quietly, readFully, writeFully } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { tablePath, temporaryFileName } from './paths.ts';

const HASH_CHUNK_BYTES = 1024 * 1024;

export interface WriteTableOptions extends TableWriterOptions {
  /** Checkpoint that the table is written for; recorded in the reference. */
  readonly createdBy: number;
}

/**
 * Writes a table into a directory. `fill` begins sections and adds entries.
 *
 * @returns the reference to it, or null when `fill` added no entry (and then there is no file)
 * @throws  TidemarkError ERR_NO_SPACE or ERR_IO; the temporary file is gone then
 */
export function writeTable(
  fs: FsPort,
  directory: string,
  options: WriteTableOptions,
  fill: (writer: TableWriter) => void,
): TableRef | null {
  const temporary = join(directory, temporaryFileName());
  const hasher = new ContentHasher();
  const summary = createDurably(fs, temporary, (fd) => {
    const writer = new TableWriter((bytes) => {
      hasher.update(bytes);
      writeFully(fs, fd, temporary, bytes);
    }, options);
    fill(writer);
    return writer.finish();
  });
  if (summary.entries === 0) {
    attempt('remove', temporary, () => fs.unlink(temporary));
    return null;
  }
  const hash = hasher.digest();
  const path = tablePath(directory, hash);
  try {
    attempt('name', path, () => fs.rename(temporary, path));
  } catch (error) {
    quietly(() => fs.unlink(temporary));
    throw error;
  }
  return {
    hash,
    sizeBytes: summary.sizeBytes,
    entries: summary.entries,
    tombstones: summary.tombstones,
    createdBy: options.createdBy,
  };
}

/** A table and where it lies. */
export interface LocatedTable {
  readonly path: string;
  readonly table: TableRef;
}

/** Opens tables for the length of a call, in the given order. */
export function withTables<T>(fs: FsPort, tables: readonly LocatedTable[], use: (readers: readonly TableReader[]) => T): T {
  const files: TableFile[] = [];
  try {
    for (const { path, table } of tables) files.push(TableFile.open(fs, path, table));
    return use(files.map((file) => file.reader));
  } finally {
    for (const file of files) file.close();
  }
}

/** A table that is open for reading. Close it. */
export class TableFile {
  readonly path: string;
  readonly reader: TableReader;
  readonly #fs: FsPort;
  readonly #fd: number;
  readonly #sizeBytes: number;

  private constructor(fs: FsPort, path: string, fd: number, sizeBytes: number, clip: TableRef['clip']) {
    this.path = path;
    this.#fs = fs;
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
    this.reader = new TableReader({ name: path, byteLength: sizeBytes, read: (at, into) => this.#read(at, into) }, clip);
  }

  /**
   * Opens a table that a manifest names. The size must be the manifest's; block checksums are verified as blocks are
   * read.
   *
   * @param path    from `tablePath`
   * @param verify  also read the whole file and compare its hash with its name
   * @throws TidemarkError ERR_FILE_MISSING, ERR_TABLE_CORRUPT, ERR_FORMAT_UNSUPPORTED, ERR_IO
   */
  static open(fs: FsPort, path: string, ref: Pick<TableRef, 'hash' | 'sizeBytes' | 'clip'>, verify = false): TableFile {
    const { fd, sizeBytes } = openTable(fs, path);
    try {
      if (sizeBytes !== ref.sizeBytes)
        throw tableCorrupt(
          path,
          Math.min(sizeBytes, ref.sizeBytes),
          `the file has ${sizeBytes} bytes, its manifest says ${ref.sizeBytes}`,
        );
      if (verify) verifyHash(fs, fd, path, sizeBytes, ref.hash);
      return new TableFile(fs, path, fd, sizeBytes, ref.clip);
    } catch (error) {
      quietly(() => fs.close(fd));
      throw error;
    }
  }

  close(): void {
    quietly(() => this.#fs.close(this.#fd));
  }

  #read(at: number, into: Uint8Array): void {
    const read = readFully(this.#fs, this.#fd, this.path, at, into);
    if (read !== into.length)
      throw tableCorrupt(this.path, at + read, `the file ends here; it had ${this.#sizeBytes} bytes when it was opened`);
  }
}

function openTable(fs: FsPort, path: string): { readonly fd: number; readonly sizeBytes: number } {
  try {
    return openRegularFile(fs, path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new TidemarkError(
      'ERR_FILE_MISSING',
      `The sorted table ${path} does not exist, although a checkpoint names it. Restore another retained checkpoint.`,
      { cause: error, facts: { path } },
    );
  }
}

/** Reads the whole file and compares its content hash with the one that names it. */
function verifyHash(fs: FsPort, fd: number, path: string, sizeBytes: number, expected: string): void {
  const hasher = new ContentHasher();
  const chunk = Buffer.allocUnsafe(HASH_CHUNK_BYTES);
  for (let at = 0; at < sizeBytes; ) {
    const read = readFully(fs, fd, path, at, chunk.subarray(0, Math.min(HASH_CHUNK_BYTES, sizeBytes - at)));
    if (read === 0) throw tableCorrupt(path, at, `the file ends here, it should have ${sizeBytes} bytes`);
    hasher.update(chunk.subarray(0, read));
    at += read;
  }
  const hash = hasher.digest();
  if (hash !== expected) throw tableCorrupt(path, 0, `its content has the hash ${hash}, not the one that names it`);
}
