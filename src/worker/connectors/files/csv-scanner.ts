/**
 * Finds the fields of one CSV record (RFC 4180) in the window of a file. A field in quotes may contain delimiters, line
 * breaks, and quotes that are doubled. A quote inside a field that does not begin with one stands for itself.
 */
import type { TextFile } from './text-file.ts';

const QUOTE = 0x22;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** What `scan` found. */
export type CsvScan =
  /** A record: its fields are in the scanner, the file has moved past it. */
  | 'record'
  /** Its end is not in the window. */
  | 'incomplete'
  /** See `problem`. Its first line is in the file's record, and is to be left out (`skipping`). */
  | 'malformed';

export class CsvScanner {
  /** Fields of the record that was found. */
  count = 0;
  problem = '';
  readonly #delimiter: number;
  /** Field i lies in bytes `#bounds[2 * i]` to `#bounds[2 * i + 1]` of the window; negative `to`: it has doubled quotes. */
  #bounds = new Int32Array(64);
  #recordFrom = 0;

  /** @param delimiter  one ASCII character */
  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  /** Text of a field of the record that was found; null when it is not valid UTF-8. */
  field(file: TextFile, index: number): string | null {
    const from = this.#bounds[2 * index];
    const to = this.#bounds[2 * index + 1];
    if (to >= 0) return file.text(from, to);
    return file.text(from, ~to)?.replaceAll('""', '"') ?? null;
  }

  /** The record is one empty field that is not in quotes: an empty line. */
  get isEmptyLine(): boolean {
    return this.count === 1 && this.#bounds[0] === this.#bounds[1] && this.#bounds[0] === this.#recordFrom;
  }

  /** Finds the record that begins at `file.at`. Call only when there is a byte: see `TextFile.hasRecord`. */
  scan(file: TextFile): CsvScan {
    const { buffer, end, at: start } = file;
    const delimiter = this.#delimiter;
    this.count = 0;
    this.#recordFrom = start;
    let at = start;
    let newlines = 0;
    for (;;) {
      if (at < end && buffer[at] === QUOTE) {
        const close = this.#closingQuote(file, at + 1);
        if (close < 0) return this.#unclosed(file);
        newlines += countNewlines(buffer, at, close);
        at = close + 1;
        if (at + 1 >= end && !file.atEnd) return 'incomplete';
        if (at < end && buffer[at] === CARRIAGE_RETURN && (at + 1 === end || buffer[at + 1] === NEWLINE)) at++;
        if (at < end && buffer[at] !== delimiter && buffer[at] !== NEWLINE) return this.#textAfterQuote(file);
      } else {
        const from = at;
        while (at < end && buffer[at] !== delimiter && buffer[at] !== NEWLINE) at++;
        if (at === end && !file.atEnd) return 'incomplete';
        const crlf = at > from && buffer[at - 1] === CARRIAGE_RETURN && (at === end || buffer[at] === NEWLINE);
        this.#add(from, crlf ? at - 1 : at);
      }
      if (at < end && buffer[at] === delimiter) {
        at++;
        continue;
      }
      file.recordFrom = start;
      file.recordTo = at;
      file.recordLine = file.line;
      file.line += newlines + (at < end ? 1 : 0);
      file.at = Math.min(end, at + 1);
      return 'record';
    }
  }

  /**
   * Adds the field and returns the index of the quote that ends it, -1 when that is not in the window. A quote that is the
   * window's last byte may be the first of two: the caller asks for more bytes then.
   */
  #closingQuote({ buffer, end }: TextFile, from: number): number {
    let doubled = false;
    for (let at = from; ; at += 2) {
      at = buffer.indexOf(QUOTE, at);
      if (at < 0 || at >= end) return -1;
      if (at + 1 === end || buffer[at + 1] !== QUOTE) {
        this.#add(from, doubled ? ~at : at);
        return at;
      }
      doubled = true;
    }
  }

  #add(from: number, to: number): void {
    if (2 * this.count === this.#bounds.length) {
      const larger = new Int32Array(this.#bounds.length * 2);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    this.#bounds[2 * this.count] = from;
    this.#bounds[2 * this.count + 1] = to;
    this.count++;
  }

  #unclosed(file: TextFile): CsvScan {
    if (!file.atEnd) return 'incomplete';
    return this.#refuse(file, `field ${this.count + 1} begins with a quote that is never closed`);
  }

  #textAfterQuote(file: TextFile): CsvScan {
    return this.#refuse(file, `field ${this.count} has text after its closing quote (a quote inside quotes is written as two)`);
  }

  /** The record is the line up to its first line break: so a stray quote spoils one line, not the rest of the file. */
  #refuse(file: TextFile, problem: string): CsvScan {
    const newline = file.buffer.indexOf(NEWLINE, file.at);
    file.recordFrom = file.at;
    file.recordTo = newline < 0 || newline >= file.end ? file.end : newline;
    file.recordLine = file.line;
    this.problem = problem;
    file.skipping = true;
    return 'malformed';
  }
}

function countNewlines(buffer: Buffer, from: number, to: number): number {
  let count = 0;
  for (let at = buffer.indexOf(NEWLINE, from); at >= 0 && at < to; at = buffer.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
