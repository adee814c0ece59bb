/** How the bytes of a text file become records. One implementation for each format. */
import type { JsonValue } from '../../../format/json.ts';
import type { RecordOutput } from '../../../job/source.ts';
import type { TextFile } from './text-file.ts';

export interface RecordDecoder {
  /**
   * A file begins, or goes on where a decoder in `state` had come.
   *
   * @param state  what `state()` returned, or null at the start of a file
   */
  begin(state: JsonValue): void;

  /**
   * Takes records from the file's window: emits each or reports it as malformed.
   *
   * @returns how many it took: `limit`, or fewer when `out` is full, the window holds no further whole record, or the rest of
   *          a line has to be left out (`file.skipping`)
   */
  take(file: TextFile, limit: number, out: RecordOutput<unknown>): number;

  /** What a position must remember beside the place in the file. */
  state(): JsonValue;
}

/** Longest excerpt of a record that is too long to be read, in bytes. */
export const EXCERPT_BYTES = 1024;

/** Reports the record that `file` found last as malformed. */
export function reportMalformed(file: TextFile, out: RecordOutput<unknown>, reason: string): void {
  out.malformed(file.looseText(file.recordFrom, file.recordTo), reason, file.where());
}

/** Reports a record that began at `file.at` as too long, and leaves out the rest of its line. */
export function skipTooLong(file: TextFile, out: RecordOutput<unknown>, maxRecordBytes: number): void {
  file.recordLine = file.line;
  out.malformed(
    file.looseText(file.at, Math.min(file.end, file.at + EXCERPT_BYTES)),
    tooLongReason(maxRecordBytes),
    file.where(),
  );
  file.skipping = true;
}

export function tooLongReason(maxRecordBytes: number): string {
  return `the record is longer than ${maxRecordBytes} bytes (maxRecordBytes)`;
}
