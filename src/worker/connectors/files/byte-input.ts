/** Bytes of an input file from an offset on: plain ones at once, those of a gzip file by promise. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import { TidemarkError } from '../../../format/errors.ts';
import { notAFile, readFailed } from './file-errors.ts';
import { kindOf } from './glob.ts';

export interface ByteInput {
  /**
   * Reads up to `room` bytes to `buffer[at]`.
   *
   * @returns bytes read; 0 at the end of the input
   */
  read(buffer: Buffer, at: number, room: number): number | Promise<number>;
  /** Bytes of the file itself, compressed as it may be, that were read. */
  readonly bytesRead: number;
  /** The last `read` came to the end. A false is no promise: the next may return 0. */
  readonly ended: boolean;
  /** Stops reading. The file descriptor stays open. */
  close(): void;
}

export interface OpenedFile {
  readonly fd: number;
  readonly size: number;
}

/** Opens a regular file; a FIFO is refused before `open` could block on it. */
export function openFile(path: string): OpenedFile {
  let fd: number;
  try {
    // O_NONBLOCK: opening a FIFO that nobody writes to would otherwise never return. It does nothing to regular files.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw readFailed(path, 'open', cause);
  }
  const stats = fstatSync(fd);
  if (stats.isFile()) return { fd, size: stats.size };
  closeSync(fd);
  throw notAFile('ERR_SOURCE_FAILED', path, kindOf(stats));
}

/** Reads `length` bytes at `offset`, or fewer at the end of the file. */
export function readAt(path: string, fd: number, buffer: Buffer, at: number, length: number, offset: number): number {
  let done = 0;
  try {
    while (done < length) {
      const bytes = readSync(fd, buffer, at + done, length - done, offset + done);
      if (bytes === 0) break;
      done += bytes;
    }
  } catch (cause) {
    throw readFailed(path, `read byte ${offset + done} of`, cause);
  }
  return done;
}

const GZIP_MAGIC = [0x1f, 0x8b] as const;

export function isGzip(path: string, fd: number): boolean {
  const start = Buffer.alloc(2);
  return readAt(path, fd, start, 0, 2, 0) === 2 && start[0] === GZIP_MAGIC[0] && start[1] === GZIP_MAGIC[1];
}

export class PlainInput implements ByteInput {
  readonly #path: string;
  readonly #fd: number;
  bytesRead: number;
  ended = false;

  constructor(path: string, fd: number, offset: number) {
    this.#path = path;
    this.#fd = fd;
    this.bytesRead = offset;
  }

  read(buffer: Buffer, at: number, room: number): number {
    const bytes = readAt(this.#path, this.#fd, buffer, at, room, this.bytesRead);
    this.bytesRead += bytes;
    this.ended = bytes < room;
    return bytes;
  }

  close(): void {}
}

/** Pieces in which a gzip file is read and decompressed: 64 KiB cost about 60 µs each, more than the hop to zlib's thread. */
const GZIP_CHUNK_BYTES = 128 * 1024;

/**
 * The decompressed bytes of a gzip file. zlib has no public synchronous interface that goes on where it stopped, so
 * this one promises; reading elsewhere begins by decompressing again up to the offset.
 */
export class GunzipInput implements ByteInput {
  bytesRead = 0;
  ended = false;
  readonly #path: string;
  readonly #raw: Readable;
  readonly #stream: Gunzip;
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  #skip: number;
  #decompressed = 0;

  /** @param offset  decompressed bytes to leave out */
  constructor(path: string, fd: number, offset: number) {
    this.#path = path;
    this.#skip = offset;
    // Not a ReadStream: destroying one closes its file descriptor, and with a read on the way it does so some time later.
    this.#raw = Readable.from(this.#pieces(fd), { objectMode: false, highWaterMark: GZIP_CHUNK_BYTES });
    this.#stream = createGunzip({ chunkSize: GZIP_CHUNK_BYTES });
    this.#raw.on('error', (error) => this.#stream.destroy(error));
    // Errors are reported by the iterator; after `close` there is nobody left who wants them.
    this.#stream.on('error', () => {});
    this.#raw.pipe(this.#stream);
    this.#chunks = this.#stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async read(buffer: Buffer, at: number, room: number): Promise<number> {
    while (this.#chunk.length === 0 || this.#skip > 0) {
      if (this.#chunk.length === 0) {
        const next = await this.#next();
        if (next === null) {
          this.ended = true;
          return 0;
        }
        this.#chunk = next;
        this.#decompressed += next.length;
      }
      const dropped = Math.min(this.#skip, this.#chunk.length);
      this.#chunk = this.#chunk.subarray(dropped);
      this.#skip -= dropped;
    }
    const bytes = this.#chunk.copy(buffer, at, 0, Math.min(room, this.#chunk.length));
    this.#chunk = this.#chunk.subarray(bytes);
    return bytes;
  }

  close(): void {
    this.#raw.destroy();
    this.#stream.destroy();
  }

  *#pieces(fd: number): Generator<Buffer> {
    for (;;) {
      const piece = Buffer.allocUnsafe(GZIP_CHUNK_BYTES);
      const bytes = readAt(this.#path, fd, piece, 0, piece.length, this.bytesRead);
      this.bytesRead += bytes;
      if (bytes === 0) return;
      yield piece.subarray(0, bytes);
    }
  }

  async #next(): Promise<Buffer | null> {
    try {
      const { done, value } = await this.#chunks.next();
      return done === true ? null : value;
    } catch (cause) {
      throw new TidemarkError(
        'ERR_SOURCE_FAILED',
        `Cannot decompress '${this.#path}' after ${this.#decompressed} bytes of its content: ${(cause as Error).message}. The gzip file is damaged or was cut off.`,
        { cause, facts: { path: this.#path, decompressedBytes: this.#decompressed } },
      );
    }
  }
}
