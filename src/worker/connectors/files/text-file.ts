/**
 * A window over the bytes of one text file, moved from record to record.
 *
 * ```
 *  buffer   |..records taken..|..bytes not taken..|......room......|
 *                             at                  end
 * ```
 *
 * Bytes become strings by the fastest way that is right: whether a stretch of whole lines is ASCII or valid UTF-8 is
 * decided once for the stretch (27 GB/s), not for each record, and only a stretch with invalid bytes is looked at record by
 * record. `indexOf` and `latin1Slice` on a Buffer take 84 ns for a line of 80 bytes; a loop over the bytes 115, cutting one
 * large string 128 (and the pieces would keep the whole alive).
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { closeSync } from 'node:fs';
import { type ByteInput, GunzipInput, isGzip, openFile, PlainInput, readAt } from './byte-input.ts';
import { fileChanged } from './file-errors.ts';
import { checkIdentity, type FileIdentity, fileIdentity } from './file-identity.ts';

/** First size of the window. Reading lines of 80 bytes is as fast with 64 KiB to 512 KiB; this much stays in the cache. */
const WINDOW_BYTES = 128 * 1024;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** What is known of the bytes before `#textEnd`. */
const ASCII = 0;
const UTF8 = 1;
const MIXED = 2;

/** How far a file was read. A type, not an interface: it is a JSON value. */
export type FilePosition = {
  /** Byte in the (decompressed) file. */
  readonly offset: number;
  /** Newlines between the start of the split and `offset`. */
  readonly line: number;
  /** `offset` lies inside a line of which the rest is left out. */
  readonly skipping: boolean;
  readonly identity: FileIdentity;
};

/** Natively fast methods of Buffer that `@types/node` does not declare. */
interface NativeBuffer {
  latin1Slice(from: number, to: number): string;
  utf8Slice(from: number, to: number): string;
}

/** The window of a file that was closed: thousands of small files share one. */
let spareWindow: Buffer | null = null;

export class TextFile {
  readonly path: string;
  /** Bytes of the file when it was opened. */
  readonly size: number;
  readonly compressed: boolean;
  buffer: Buffer;
  /** First byte that is not taken. */
  at = 0;
  /** After the last byte that was read. */
  end = 0;
  /** No byte follows `end` in the file. */
  atEnd = false;
  /** No further record begins in the split. */
  finished = false;
  /** The record that was found last, without its line ending; valid until `fill`. */
  recordFrom = 0;
  recordTo = 0;
  /** Newlines taken, from where the split began. */
  line = 0;
  /** `line` at the start of the record that was found last. */
  recordLine = 0;
  /** The rest of the current line is left out, because it began before the split or is malformed: see `skipLine`. */
  skipping: boolean;
  readonly #fd: number;
  readonly #input: ByteInput;
  /** Byte of the file at which lines are counted from. */
  readonly #countedFrom: number;
  /** No record that begins at this byte of the file or later belongs to the split. */
  readonly #splitEnd: number;
  /** Byte of the (decompressed) file that is `buffer[0]`. */
  #base: number;
  #textEnd = 0;
  #textKind: typeof ASCII | typeof UTF8 | typeof MIXED = ASCII;
  #linesBefore = -1;

  /**
   * @param splitStart  byte at which the split begins
   * @param splitEnd    byte before which its last record begins; Infinity: to the end of the file
   * @param from        position to go on from, or null
   * @throws TidemarkError ERR_SOURCE_FAILED, ERR_SOURCE_CHANGED
   */
  constructor(path: string, splitStart: number, splitEnd: number, from: FilePosition | null) {
    const { fd, size } = openFile(path);
    try {
      this.compressed = isGzip(path, fd);
      if (!this.compressed && size < splitEnd && splitEnd !== Infinity) {
        throw fileChanged(
          path,
          `the split ends at byte ${splitEnd}, the size of the file when it was listed, and it has ${size} bytes now`,
          { splitEnd, size },
        );
      }
      if (from !== null) checkIdentity(path, fd, size, this.compressed ? 0 : from.offset, from.identity);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.path = path;
    this.size = size;
    this.buffer = spareWindow ?? Buffer.allocUnsafeSlow(WINDOW_BYTES);
    spareWindow = null;
    this.line = from?.line ?? 0;
    // Reading begins a byte early: a line that begins exactly at the start of the split follows a newline there.
    this.#countedFrom = Math.max(0, splitStart - 1);
    this.#base = from?.offset ?? this.#countedFrom;
    this.skipping = from?.skipping ?? splitStart > 0;
    this.#splitEnd = splitEnd;
    this.#fd = fd;
    this.#input = this.compressed ? new GunzipInput(path, fd, this.#base) : new PlainInput(path, fd, this.#base);
  }

  /** Byte of the (decompressed) file at which the next record begins. */
  get offset(): number {
    return this.#base + this.at;
  }

  /** Bytes of the file itself that were read, for progress. */
  get bytesRead(): number {
    return this.compressed ? this.#input.bytesRead : this.offset;
  }

  position(): FilePosition {
    const { offset, line, skipping } = this;
    return { offset, line, skipping, identity: fileIdentity(this.path, this.#fd, this.size, this.compressed ? 0 : offset) };
  }

  /** `path:line` of the record that was found last. */
  where(): string {
    const line = this.recordLine + 1;
    if (this.#countedFrom === 0) return `${this.path}:${line}`;
    if (this.#countedFrom > MAX_COUNTED_BYTES) return `${this.path}, line ${line} after byte ${this.#countedFrom}`;
    if (this.#linesBefore < 0) this.#linesBefore = countNewlines(this.path, this.#fd, this.#countedFrom);
    return `${this.path}:${this.#linesBefore + line}`;
  }

  /**
   * Finds the next line and moves past it. Runs once per line.
   *
   * @returns false when no whole line is left in the window: the split is `finished`, or `fill` the window
   */
  nextLine(): boolean {
    const { at, buffer } = this;
    if (this.#base + at >= this.#splitEnd) {
      this.finished = true;
      return false;
    }
    const newline = buffer.indexOf(NEWLINE, at);
    if (newline < 0 || newline >= this.end) return this.#lastLine();
    this.recordFrom = at;
    this.recordTo = newline > at && buffer[newline - 1] === CARRIAGE_RETURN ? newline - 1 : newline;
    this.recordLine = this.line++;
    this.at = newline + 1;
    return true;
  }

  /**
   * Is there a byte of a record of the split in the window? For formats that find their own record ends: they set `at`,
   * `line` and the record's fields themselves.
   */
  hasRecord(): boolean {
    if (this.#base + this.at >= this.#splitEnd || (this.atEnd && this.at === this.end)) this.finished = true;
    return !this.finished && this.at < this.end;
  }

  /** @returns true once the line that is left out has been passed; false: `fill` the window and call again */
  skipLine(): boolean {
    const newline = this.buffer.indexOf(NEWLINE, this.at);
    const found = newline >= 0 && newline < this.end;
    this.at = found ? newline + 1 : this.end;
    if (found) this.line++;
    this.skipping = !found && !this.atEnd;
    return !this.skipping;
  }

  /** Reads on. Moves the bytes that are not taken to the front of the window, and enlarges it when it is full of them. */
  fill(): void | Promise<void> {
    this.#compact();
    const bytes = this.#input.read(this.buffer, this.end, this.buffer.length - this.end);
    if (typeof bytes === 'number') this.#filled(bytes);
    else return bytes.then((count) => this.#filled(count));
  }

  /** Text of bytes of the window, or null when they are not valid UTF-8. */
  text(from: number, to: number): string | null {
    const native = this.buffer as unknown as NativeBuffer;
    let kind = this.#textKind;
    if (kind === MIXED || to > this.#textEnd) kind = classify(this.buffer.subarray(from, to));
    if (kind === ASCII) return native.latin1Slice(from, to);
    return kind === UTF8 ? native.utf8Slice(from, to) : null;
  }

  /** The same whatever the bytes are: invalid ones become U+FFFD. For messages and dead letters. */
  looseText(from: number, to: number): string {
    return this.buffer.toString('utf8', from, to);
  }

  close(): void {
    this.#input.close();
    closeSync(this.#fd);
    if (this.buffer.length === WINDOW_BYTES) spareWindow = this.buffer;
    this.buffer = EMPTY;
    this.at = 0;
    this.end = 0;
  }

  /** The last line of a file needs no newline. */
  #lastLine(): boolean {
    if (!this.atEnd) return false;
    if (this.at === this.end) {
      this.finished = true;
      return false;
    }
    this.recordFrom = this.at;
    this.recordTo = this.buffer[this.end - 1] === CARRIAGE_RETURN ? this.end - 1 : this.end;
    this.recordLine = this.line;
    this.at = this.end;
    return true;
  }

  #compact(): void {
    const kept = this.end - this.at;
    if (kept === this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(this.buffer.length * 2);
      this.buffer.copy(larger, 0, this.at, this.end);
      this.buffer = larger;
    } else if (this.at > 0) {
      this.buffer.copyWithin(0, this.at, this.end);
    }
    this.#base += this.at;
    this.at = 0;
    this.end = kept;
  }

  #filled(bytes: number): void {
    const { buffer } = this;
    this.end += bytes;
    this.atEnd = this.#input.ended;
    if (this.offset === 0 && this.end >= 3 && buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf) this.at = 3;
    // What follows the last newline may end inside a character; it is looked at when its line is complete.
    const afterNewline = this.end === 0 ? 0 : buffer.lastIndexOf(NEWLINE, this.end - 1) + 1;
    this.#textEnd = this.atEnd ? this.end : Math.max(this.at, afterNewline);
    this.#textKind = classify(buffer.subarray(this.at, this.#textEnd));
  }
}

const EMPTY = Buffer.alloc(0);

function classify(bytes: Uint8Array): typeof ASCII | typeof UTF8 | typeof MIXED {
  if (isAscii(bytes)) return ASCII;
  return isUtf8(bytes) ? UTF8 : MIXED;
}

/** Lines before the split are counted for a message only if that takes less than about 50 ms. */
const MAX_COUNTED_BYTES = 64 * 1024 * 1024;

function countNewlines(path: string, fd: number, end: number): number {
  const piece = Buffer.allocUnsafe(64 * 1024);
  let count = 0;
  for (let offset = 0; offset < end; offset += piece.length) {
    const bytes = readAt(path, fd, piece, 0, Math.min(piece.length, end - offset), offset);
    for (let at = piece.indexOf(NEWLINE); at >= 0 && at < bytes; at = piece.indexOf(NEWLINE, at + 1)) count++;
  }
  return count;
}
