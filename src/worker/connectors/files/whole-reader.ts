/** Whole files as records `{ path, text }`: for many files of moderate size, such as source code. */
import { isAscii, isUtf8 } from 'node:buffer';
import { closeSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { TidemarkError } from '../../../format/errors.ts';
import type { Position, ReadResult, RecordOutput, SplitReader } from '../../../job/source.ts';
import { openFile, readAt } from './byte-input.ts';
import type { FileSplitData } from './file-splits.ts';
import { NOT_UTF8 } from './line-decoder.ts';
import { EXCERPT_BYTES, tooLongReason } from './record-decoder.ts';

/** A type, not an interface: it is a JSON value. */
type WholePosition = { readonly file: number };

/** Content of the file that is read; reused from file to file, and enlarged. */
let content = Buffer.allocUnsafeSlow(256 * 1024);

export class WholeReader implements SplitReader<unknown> {
  readonly #files: readonly string[];
  readonly #maxRecordBytes: number;
  #next: number;

  constructor({ files }: FileSplitData, position: Position, maxRecordBytes: number) {
    this.#files = files;
    this.#maxRecordBytes = maxRecordBytes;
    this.#next = position === null ? 0 : (position as WholePosition).file;
  }

  read(limit: number, out: RecordOutput<unknown>): ReadResult {
    for (let taken = 0; taken < limit && !out.full; taken++) {
      if (this.#next === this.#files.length) return 'end';
      const path = this.#files[this.#next++];
      const bytes = this.#read(path, out);
      if (bytes === null) continue;
      const text = decode(bytes);
      if (text === null) out.malformed(bytes.toString('utf8'), NOT_UTF8, path);
      else out.emit({ path, text });
    }
    return this.#next === this.#files.length ? 'end' : 'more';
  }

  position(): Position {
    return { file: this.#next } satisfies WholePosition;
  }

  location(): string {
    return this.#files[Math.max(0, this.#next - 1)];
  }

  progress(): number {
    return this.#next / this.#files.length;
  }

  close(): void {}

  /** Content of a file, valid until the next call; null when it is too long, which is reported. */
  #read(path: string, out: RecordOutput<unknown>): Buffer | null {
    const { fd, size } = openFile(path);
    try {
      if (size > this.#maxRecordBytes) return this.#refuse(path, readAt(path, fd, content, 0, EXCERPT_BYTES, 0), out);
      if (size > content.length) content = Buffer.allocUnsafeSlow(2 * size);
      const bytes = content.subarray(0, readAt(path, fd, content, 0, size, 0));
      return bytes[0] === 0x1f && bytes[1] === 0x8b ? this.#decompress(path, bytes, out) : bytes;
    } finally {
      closeSync(fd);
    }
  }

  #decompress(path: string, bytes: Buffer, out: RecordOutput<unknown>): Buffer | null {
    try {
      return gunzipSync(bytes, { maxOutputLength: this.#maxRecordBytes });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return this.#refuse(path, 0, out);
      throw new TidemarkError(
        'ERR_SOURCE_FAILED',
        `Cannot decompress '${path}': ${(cause as Error).message}. The gzip file is damaged or was cut off.`,
        {
          cause,
          facts: { path },
        },
      );
    }
  }

  #refuse(path: string, excerptBytes: number, out: RecordOutput<unknown>): null {
    out.malformed(content.toString('utf8', 0, excerptBytes), tooLongReason(this.#maxRecordBytes), path);
    return null;
  }
}

/** Text of a file without its byte-order mark, or null when it is not UTF-8. `toString` copies, so the buffer may be reused. */
function decode(bytes: Buffer): string | null {
  if (isAscii(bytes)) return bytes.toString('latin1');
  if (!isUtf8(bytes)) return null;
  const text = bytes.toString('utf8');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}
