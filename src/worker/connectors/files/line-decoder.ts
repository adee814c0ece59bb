/** Records that are lines: each as its text, with path and number, or as what a function makes of the text. */
import type { JsonValue } from '../../../format/json.ts';
import type { RecordOutput } from '../../../job/source.ts';
import { EXCERPT_BYTES, type RecordDecoder, reportMalformed, tooLongReason } from './record-decoder.ts';
import type { TextFile } from './text-file.ts';

/** Why a line is no record. Thrown by a `LineParser`. */
export class MalformedLine extends Error {
  override readonly name = 'MalformedLine';
}

/**
 * Makes a record of the line in `file.recordFrom` to `file.recordTo`. Runs once per line.
 *
 * @returns the record, or `undefined` for a line that is none and no error either (an empty one)
 * @throws MalformedLine with the reason
 */
export type LineParser = (file: TextFile) => unknown;

export class LineDecoder implements RecordDecoder {
  readonly #parse: LineParser;
  readonly #maxRecordBytes: number;

  constructor(parse: LineParser, maxRecordBytes: number) {
    this.#parse = parse;
    this.#maxRecordBytes = maxRecordBytes;
  }

  begin(): void {}

  take(file: TextFile, limit: number, out: RecordOutput<unknown>): number {
    let taken = 0;
    while (taken < limit && !out.full && file.nextLine()) {
      taken++;
      const record = this.#record(file, out);
      if (record !== undefined) out.emit(record);
    }
    return taken;
  }

  state(): JsonValue {
    return null;
  }

  #record(file: TextFile, out: RecordOutput<unknown>): unknown {
    if (file.recordTo - file.recordFrom > this.#maxRecordBytes) {
      out.malformed(
        file.looseText(file.recordFrom, file.recordFrom + EXCERPT_BYTES),
        tooLongReason(this.#maxRecordBytes),
        file.where(),
      );
      return undefined;
    }
    try {
      return this.#parse(file);
    } catch (error) {
      if (!(error instanceof MalformedLine)) throw error;
      reportMalformed(file, out, error.message);
      return undefined;
    }
  }
}

export const NOT_UTF8 = 'the bytes are not valid UTF-8';

/** Text of the line. @throws MalformedLine when it is not UTF-8 */
export function lineText(file: TextFile): string {
  const text = file.text(file.recordFrom, file.recordTo);
  if (text === null) throw new MalformedLine(NOT_UTF8);
  return text;
}

export function lineWithPath(file: TextFile): unknown {
  return { path: file.path, line: file.recordLine + 1, text: lineText(file) };
}
