/** Files as a source: what is read in which split, and by which reader. */
import { closeSync } from 'node:fs';
import { TidemarkError } from '../../../format/errors.ts';
import type { FileSourceSpec, Position, Split, SplitReader } from '../../../job/source.ts';
import type { RuntimeSource } from '../source-runtime.ts';
import { isGzip, openFile } from './byte-input.ts';
import { CsvDecoder } from './csv-decoder.ts';
import { FileReader } from './file-reader.ts';
import { type FileSplitData, type InputFile, PACK_BYTES, planFileSplits } from './file-splits.ts';
import { findFiles, type FoundFile } from './glob.ts';
import { createJsonlParser } from './jsonl-parser.ts';
import { LineDecoder, lineText, lineWithPath } from './line-decoder.ts';
import type { RecordDecoder } from './record-decoder.ts';
import { WholeReader } from './whole-reader.ts';

export function createFileSource(spec: FileSourceSpec): RuntimeSource {
  createDecoder(spec);
  return {
    name: `files ${spec.patterns.join(', ')}`,
    bounded: true,
    fixedSplits: false,
    // eslint-disable-next-line require-await -- errors must reject the promise
    enumerate: async (_context, taken = []) => {
      const files = findFiles(spec.patterns).map((file): InputFile => ({ ...file, divisible: isDivisible(spec, file) }));
      return planFileSplits(files, spec.splitBytes, taken);
    },
    open: (split, position) => openSplit(spec, split, position),
  };
}

function openSplit(spec: FileSourceSpec, split: Split, position: Position): SplitReader<unknown> {
  const data = split.data as unknown as FileSplitData;
  return spec.whole
    ? new WholeReader(data, position, spec.maxRecordBytes)
    : new FileReader(data, position, createDecoder(spec), spec.maxRecordBytes);
}

function createDecoder(spec: FileSourceSpec): RecordDecoder {
  const { format, schema, maxRecordBytes, csv, withPath } = spec;
  switch (format) {
    case 'lines':
      return new LineDecoder(withPath ? lineWithPath : lineText, maxRecordBytes);
    case 'jsonl':
      return new LineDecoder(createJsonlParser(schema), maxRecordBytes);
    case 'csv':
      if (csv === undefined) throw new TidemarkError('ERR_INTERNAL', 'The description of a CSV source has no CSV options.');
      return new CsvDecoder({ ...csv, schema, maxRecordBytes });
  }
}

/**
 * Can reading begin in the middle of the file? Not in a gzip file; not in CSV, where a line break may stand in quotes;
 * not with line numbers in the records, which must be counted from the start.
 */
function isDivisible(spec: FileSourceSpec, { path, size }: FoundFile): boolean {
  if (spec.whole || spec.format === 'csv' || spec.withPath) return false;
  // A file to be packed is not opened now: thousands of them would take longer to open than to list.
  if (size <= PACK_BYTES) return true;
  const { fd } = openFile(path);
  const gzip = isGzip(path, fd);
  closeSync(fd);
  return !gzip;
}
