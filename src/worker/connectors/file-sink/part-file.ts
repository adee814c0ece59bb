/** One part that is being written, under its hidden name. */
import { join } from 'node:path';
import { ContentHasher } from '../../../format/content-hash.ts';
import type { ContentHash } from '../../../format/ids.ts';
import { attempt, ensureDirectory, errnoOf, quietly, writeFully } from '../../../snapshot/files.ts';
import type { FsPort } from '../../../snapshot/fs-port.ts';
import { HIDDEN_DIRECTORY, inProgressName } from './part-names.ts';
import type { SinkContext } from '../../../job/sink.ts';

export class PartFile {
  readonly name: string;
  /** Number of the part among those of its writer. */
  readonly sequence: number;
  bytes = 0;
  readonly #fs: FsPort;
  readonly #path: string;
  readonly #fd: number;
  readonly #hasher = new ContentHasher();

  private constructor(fs: FsPort, directory: string, name: string, sequence: number, fd: number) {
    this.#fs = fs;
    this.name = name;
    this.sequence = sequence;
    this.#path = join(directory, HIDDEN_DIRECTORY, name);
    this.#fd = fd;
  }

  /** Creates the first part from number `sequence` on whose name is free: a restored job finds parts of its former self. */
  static create(fs: FsPort, directory: string, context: SinkContext, sequence: number): PartFile {
    for (let next = sequence; ; next++) {
      const name = inProgressName(context, next);
      const fd = createFile(fs, directory, name);
      if (fd !== null) return new PartFile(fs, directory, name, next, fd);
    }
  }

  write(bytes: Uint8Array): void {
    writeFully(this.#fs, this.#fd, this.#path, bytes);
    this.#hasher.update(bytes);
    this.bytes += bytes.length;
  }

  /** All bytes are written; durable they are not. Returns the hash of the content. */
  close(): ContentHash {
    attempt('close', this.#path, () => this.#fs.close(this.#fd));
    return this.#hasher.digest();
  }

  discard(): void {
    quietly(() => this.#fs.close(this.#fd));
    quietly(() => this.#fs.unlink(this.#path));
  }
}

/** @returns null when the name is taken */
function createFile(fs: FsPort, directory: string, name: string): number | null {
  const hidden = join(directory, HIDDEN_DIRECTORY);
  const path = join(hidden, name);
  const open = (): number => attempt('create', path, () => fs.open(path, 'create'));
  try {
    return open();
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return null;
    if (errnoOf(error) !== 'ENOENT') throw error;
    // Somebody tidied up the hidden directory, or the whole output, since the writer was opened.
    ensureDirectory(fs, hidden);
    return open();
  }
}
