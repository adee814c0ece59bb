/** Reads a split of text files: file after file, window after window, record after record. */
import type { JsonValue } from '../../../format/json.ts';
import type { Position, ReadResult, RecordOutput, SplitReader } from '../../../job/source.ts';
import type { FileSplitData } from './file-splits.ts';
import { type RecordDecoder, skipTooLong } from './record-decoder.ts';
import { type FilePosition, TextFile } from './text-file.ts';

/** How far a split was read. A type, not an interface: it is a JSON value. */
type SplitPosition = {
  /** Index in the split's files of the one that is being read, or that comes next. */
  readonly file: number;
  /** Null: its beginning. */
  readonly at: FilePosition | null;
  readonly decoder: JsonValue;
};

/**
 * One call of `read` fills the window at most so often. It bounds a call that emits nothing: 1 MiB of a line that is too long,
 * say, is 0.1 ms.
 */
const MAX_FILLS = 8;

export class FileReader implements SplitReader<unknown> {
  readonly #data: FileSplitData;
  readonly #decoder: RecordDecoder;
  readonly #maxRecordBytes: number;
  #file: TextFile | null = null;
  /** Index of the next file to open. */
  #next: number;
  #resume: SplitPosition | null;
  /** Of the file that was closed last, for errors of a record that is still being processed. */
  #lastWhere = '';

  constructor(data: FileSplitData, position: Position, decoder: RecordDecoder, maxRecordBytes: number) {
    this.#data = data;
    this.#decoder = decoder;
    this.#maxRecordBytes = maxRecordBytes;
    this.#resume = position as SplitPosition | null;
    this.#next = this.#resume?.file ?? 0;
    // A file that changed since the checkpoint is refused when the split is opened, not in the middle of the job.
    if (this.#resume !== null && this.#resume.at !== null) this.#openNext();
  }

  read(limit: number, out: RecordOutput<unknown>): ReadResult | Promise<ReadResult> {
    let taken = 0;
    let fills = 0;
    while (taken < limit && !out.full) {
      const file = this.#file ?? this.#openNext();
      if (file === null) return 'end';
      if (!file.skipping || file.skipLine()) {
        taken += this.#decoder.take(file, limit - taken, out);
        if (file.finished) {
          this.#closeFile(file);
          continue;
        }
        if (file.skipping) continue;
        if (taken >= limit || out.full) break;
        if (file.end - file.at > this.#maxRecordBytes) {
          skipTooLong(file, out, this.#maxRecordBytes);
          taken++;
          continue;
        }
      }
      if (fills++ === MAX_FILLS) return 'more';
      const filling = file.fill();
      if (filling instanceof Promise) {
        const left = limit - taken;
        return filling.then(() => this.read(left, out));
      }
    }
    return 'more';
  }

  position(): Position {
    const file = this.#file;
    if (file === null) return { file: this.#next, at: null, decoder: null } satisfies SplitPosition;
    return { file: this.#next - 1, at: file.position(), decoder: this.#decoder.state() } satisfies SplitPosition;
  }

  location(): string {
    return this.#file?.where() ?? this.#lastWhere;
  }

  progress(): number {
    const { files, start, end } = this.#data;
    const file = this.#file;
    if (file === null) return this.#next / files.length;
    const last = end ?? file.size;
    const share = last > start ? Math.min(1, Math.max(0, file.bytesRead - start) / (last - start)) : 1;
    return (this.#next - 1 + share) / files.length;
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #openNext(): TextFile | null {
    const { files, start, end } = this.#data;
    if (this.#next === files.length) return null;
    const resume = this.#resume;
    this.#resume = null;
    const file = new TextFile(files[this.#next], start, end ?? Infinity, resume?.at ?? null);
    this.#next++;
    this.#decoder.begin(resume?.decoder ?? null);
    this.#file = file;
    return file;
  }

  #closeFile(file: TextFile): void {
    this.#lastWhere = file.where();
    file.close();
    this.#file = null;
  }
}
