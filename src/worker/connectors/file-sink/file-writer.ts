/** Writes the records of one subtask into hidden parts, and prepares them at a barrier. */
import { join } from 'node:path';
import type { JsonValue } from '../../../format/json.ts';
import type { SinkContext, SinkWriter } from '../../../job/sink.ts';
import { attempt, quietly } from '../../../snapshot/files.ts';
import type { FsPort } from '../../../snapshot/fs-port.ts';
import type { FilesCommittable, PreparedPart } from './committable.ts';
import { PartFile } from './part-file.ts';
import { committedName, HIDDEN_DIRECTORY, preparedName } from './part-names.ts';
import type { RecordFormat } from './record-format.ts';

/**
 * Text is turned into bytes and written in pieces of about this size. A JavaScript string grows by ropes, so appending costs
 * little; one `Buffer.from` for many records instead of a `Buffer.write` for each halves the time per record.
 */
const PIECE_CHARS = 64 * 1024;

export interface FileWriterOptions {
  readonly fs: FsPort;
  readonly directory: string;
  readonly format: RecordFormat;
  readonly maxPartBytes: number;
  readonly context: SinkContext;
}

interface ClosedPart {
  readonly name: string;
  readonly sequence: number;
  readonly bytes: number;
  readonly hash: string;
}

export class FileWriter implements SinkWriter<unknown> {
  readonly #options: FileWriterOptions;
  #text = '';
  #part: PartFile | null = null;
  #closed: ClosedPart[] = [];
  #nextSequence = 0;

  constructor(options: FileWriterOptions) {
    this.#options = options;
  }

  write(value: unknown): void {
    const { format } = this.#options;
    if (this.#part === null && this.#text === '') this.#text = format.header(value);
    this.#text += format.text(value);
    if (this.#text.length >= PIECE_CHARS) this.flush();
  }

  /** After it no record is only in this thread's heap. */
  flush(): void {
    if (this.#text === '') return;
    const { fs, directory, context, maxPartBytes } = this.#options;
    const part = this.#part ?? PartFile.create(fs, directory, context, this.#nextSequence);
    this.#part = part;
    this.#nextSequence = part.sequence + 1;
    part.write(Buffer.from(this.#text, 'utf8'));
    this.#text = '';
    if (part.bytes >= maxPartBytes) this.#closePart();
  }

  /** Closes and renames the parts: some 20 µs. They are made durable later, by `persist`. */
  prepare(checkpointId: number): JsonValue | null {
    this.flush();
    this.#closePart();
    const { fs, directory, context, format } = this.#options;
    if (this.#closed.length === 0) return null;
    const hidden = join(directory, HIDDEN_DIRECTORY);
    const parts = this.#closed.map((part): PreparedPart => {
      const name = preparedName(part.name, checkpointId);
      attempt('rename', join(hidden, part.name), () => fs.rename(join(hidden, part.name), join(hidden, name)));
      const final = committedName(context, checkpointId, part.sequence, format.extension);
      return { prepared: name, final, bytes: part.bytes, hash: part.hash };
    });
    this.#closed = [];
    return { directory, parts } satisfies FilesCommittable;
  }

  /** What is not prepared belongs to no checkpoint. */
  close(): void {
    const { fs, directory } = this.#options;
    this.#part?.discard();
    for (const { name } of this.#closed) quietly(() => fs.unlink(join(directory, HIDDEN_DIRECTORY, name)));
    this.#part = null;
    this.#closed = [];
    this.#text = '';
  }

  #closePart(): void {
    const part = this.#part;
    if (part === null) return;
    this.#part = null;
    this.#closed.push({ name: part.name, sequence: part.sequence, bytes: part.bytes, hash: part.close() });
  }
}
