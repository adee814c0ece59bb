/**
 * Files, as sources and as sinks: `files.jsonl('visits/*.jsonl', Visit)` given to `flow.from` reads files, `files.jsonl('out')`
 * given to `.to` writes into a directory. One description serves both; what does not fit the use is refused there.
 */
import type { Schema } from '../format/schema.ts';
import { describeValue } from '../format/describe-value.ts';
import { invalidArgument, requireInteger, requireOptions } from './arguments.ts';
import { requireOnError, type SinkOf, type SourceOf } from './connectors.ts';
import type { FileSinkSpec, SinkSpec } from './sink.ts';
import type { FileSourceSpec, OnError, SourceSpec } from './source.ts';
import { type AnyType, isType, schemaOf, type Type } from './types.ts';

/** A path or glob, or several. Relative to the working directory. */
export type Patterns = string | readonly string[];

/** Options of reading; `maxPartBytes` alone is one of writing. */
export interface FileOptions {
  /** What becomes of an input record that cannot be decoded: `fail` (default), `skip`, or `deadLetter(sink)`. */
  readonly onError?: OnError;
  /** Bytes of the ranges into which big files are cut to be read in parallel. Default 16 MiB. */
  readonly splitBytes?: number;
  /** Longer input records are malformed. Default 16 MiB. */
  readonly maxRecordBytes?: number;
  /** A part file is closed when it is larger. Default 128 MiB. */
  readonly maxPartBytes?: number;
}

export interface LineOptions extends FileOptions {
  /** Emit `{ path, line, text }` instead of the text. Files are then not cut into ranges: lines must be counted. */
  readonly withPath?: boolean;
}

export interface CsvOptions extends FileOptions {
  /** One ASCII character. Default a comma. */
  readonly delimiter?: string;
  /** Does the first line name the columns? Default true. */
  readonly header?: boolean;
}

/** A line of a file, with its place. Lines are counted from 1. */
export interface PlacedLine {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/** A file as one record. */
export interface WholeFile {
  readonly path: string;
  readonly text: string;
}

const MIB = 1024 * 1024;
const DEFAULT_SPLIT_BYTES = 16 * MIB;
const DEFAULT_RECORD_BYTES = 16 * MIB;
const DEFAULT_PART_BYTES = 128 * MIB;
/** A record must fit into a row (`format/row-codec.ts`), whose strings take up to two bytes a character. */
const LARGEST_RECORD_BYTES = 32 * MIB;

const SOURCE_OPTIONS = ['onError', 'splitBytes', 'maxRecordBytes', 'withPath'] as const;
const SINK_OPTIONS = ['maxPartBytes'] as const;
const BOTH_OPTIONS = ['delimiter', 'header'] as const;
const FORMAT_OPTIONS: Readonly<Record<FileSourceSpec['format'], readonly string[]>> = {
  lines: ['withPath'],
  jsonl: [],
  csv: BOTH_OPTIONS,
};

const LINE: Schema = { type: 'string' };
const WHOLE: Schema = record({ path: 'string', text: 'string' });
const PLACED_LINE: Schema = record({ path: 'string', line: 'int', text: 'string' });

/** Lines of text. As a source: strings, without the line break; as a sink: a line for each string. */
function lines(patterns: Patterns, options: LineOptions & { readonly withPath: true }): SourceOf<PlacedLine>;
function lines(patterns: Patterns, options?: LineOptions): SourceOf<string> & SinkOf<string | number | bigint | boolean>;
function lines(patterns: Patterns, options: LineOptions = {}): FileConnector {
  return new FileConnector('lines', patterns, options.withPath === true ? PLACED_LINE : LINE, options);
}

/**
 * JSON, a value a line. As a source with a type, records are checked against it and become compact rows; without one
 * they are of type unknown. bigint, bytes and timestamp have the JSON forms of `format/schema-json.ts`.
 */
function jsonl<T>(patterns: Patterns, type: Type<T> | AnyType<T>, options?: FileOptions): SourceOf<T> & SinkOf<T>;
function jsonl(patterns: Patterns, options?: FileOptions): SourceOf<unknown> & SinkOf<unknown>;
function jsonl(
  patterns: Patterns,
  typeOrOptions?: Type<unknown> | AnyType<unknown> | FileOptions,
  options?: FileOptions,
): FileConnector {
  return typed('jsonl', patterns, typeOrOptions, options);
}

/**
 * CSV (RFC 4180). As a source with a record type, columns are parsed by it; without one records are objects of strings by
 * the header, or arrays of strings where there is none. As a sink, columns are those of the type or of the first record.
 */
function csv<T>(patterns: Patterns, type: Type<T>, options?: CsvOptions): SourceOf<T> & SinkOf<T>;
function csv(patterns: Patterns, options: CsvOptions & { readonly header: false }): SourceOf<readonly string[]> & SinkOf<unknown>;
function csv(patterns: Patterns, options?: CsvOptions): SourceOf<Readonly<Record<string, string>>> & SinkOf<unknown>;
function csv(patterns: Patterns, typeOrOptions?: Type<unknown> | CsvOptions, options?: CsvOptions): FileConnector {
  return typed('csv', patterns, typeOrOptions, options);
}

/** Whole files, each one record `{ path, text }`. Only a source. */
function whole(patterns: Patterns, options: Omit<FileOptions, 'splitBytes' | 'maxPartBytes'> = {}): SourceOf<WholeFile> {
  requireOptions(options, ['onError', 'maxRecordBytes'], 'files.whole');
  return new FileConnector('lines', patterns, WHOLE, options, true);
}

/**
 * @example flow.from(files.lines('logs/**' + '/*.log')).to(files.lines('out'))
 * @example flow.from(files.csv('prices.csv', Price, { delimiter: ';', onError: 'skip' }))
 */
export const files = { lines, jsonl, csv, whole } as const;

function typed(
  format: 'jsonl' | 'csv',
  patterns: Patterns,
  typeOrOptions: unknown,
  options: FileOptions | undefined,
): FileConnector {
  const hasType =
    isType(typeOrOptions) || (typeof typeOrOptions === 'object' && typeOrOptions !== null && 'schema' in typeOrOptions);
  const schema = hasType ? schemaOf(typeOrOptions as Type<unknown>, `The type of files.${format}`) : null;
  return new FileConnector(format, patterns, schema, (hasType ? options : typeOrOptions) ?? {});
}

type AllOptions = LineOptions & CsvOptions;

class FileConnector implements SourceOf<never>, SinkOf<unknown> {
  readonly sourceName: string;
  readonly sinkName: string;
  readonly #format: FileSourceSpec['format'];
  readonly #patterns: readonly string[];
  readonly #schema: Schema | null;
  readonly #options: AllOptions;
  readonly #whole: boolean;

  constructor(format: FileSourceSpec['format'], patterns: Patterns, schema: Schema | null, options: AllOptions, isWhole = false) {
    const name = `files.${isWhole ? 'whole' : format}`;
    this.#patterns = typeof patterns === 'string' ? [patterns] : [...patterns];
    const odd = (this.#patterns as readonly unknown[]).find((pattern) => typeof pattern !== 'string' || pattern === '');
    if (odd !== undefined || this.#patterns.length === 0)
      throw invalidArgument(`${name} takes a path or pattern, or an array of them, but got ${describeValue(odd ?? patterns)}.`);
    requireOptions(options, ['onError', 'splitBytes', 'maxRecordBytes', 'maxPartBytes', ...FORMAT_OPTIONS[format]], name);
    if (options.splitBytes !== undefined)
      requireInteger(options.splitBytes, { min: 1, max: Number.MAX_SAFE_INTEGER }, `splitBytes of ${name}`);
    if (options.maxRecordBytes !== undefined)
      requireInteger(options.maxRecordBytes, { min: 1, max: LARGEST_RECORD_BYTES }, `maxRecordBytes of ${name}`);
    if (options.maxPartBytes !== undefined)
      requireInteger(options.maxPartBytes, { min: 1, max: Number.MAX_SAFE_INTEGER }, `maxPartBytes of ${name}`);
    this.sourceName = `${name}(${this.#patterns.join(', ')})`;
    this.sinkName = this.sourceName;
    this.#format = format;
    this.#schema = schema;
    this.#options = options;
    this.#whole = isWhole;
  }

  toSource(): { readonly spec: SourceSpec; readonly schema: Schema | null } {
    const {
      onError = 'fail',
      splitBytes = DEFAULT_SPLIT_BYTES,
      maxRecordBytes = DEFAULT_RECORD_BYTES,
      withPath = false,
    } = this.#options;
    this.#refuse(SINK_OPTIONS, 'source', 'sinks');
    const spec: FileSourceSpec = {
      kind: 'files',
      format: this.#format,
      patterns: this.#patterns,
      schema: this.#schema,
      onError: requireOnError(onError, this.sourceName),
      splitBytes,
      csv: this.#csv(),
      withPath,
      whole: this.#whole,
      maxRecordBytes,
    };
    return { spec, schema: this.#schema };
  }

  toSink(schema: Schema | null): SinkSpec {
    if (this.#whole)
      throw invalidArgument(`${this.sinkName} can only be a source. Write with files.lines, files.jsonl or files.csv.`);
    this.#refuse(SOURCE_OPTIONS, 'sink', 'sources');
    const [directory] = this.#patterns;
    if (this.#patterns.length > 1)
      throw invalidArgument(
        `${this.sinkName} as a sink writes to one directory, but got ${this.#patterns.length}. Use .to(...) once for each.`,
      );
    if (/[*?{}[\]]/.test(directory))
      throw invalidArgument(
        `${this.sinkName} as a sink writes part files into a directory, but '${directory}' is a pattern. Name a directory.`,
      );
    const spec: FileSinkSpec = {
      kind: 'files',
      format: this.#format,
      directory,
      // A line is a string, whatever it is made from; JSON and CSV follow the type given here, else that of the stream.
      schema: this.#format === 'lines' ? null : (this.#schema ?? schema),
      csv: this.#csv(),
      maxPartBytes: this.#options.maxPartBytes ?? DEFAULT_PART_BYTES,
    };
    return spec;
  }

  #csv(): FileSourceSpec['csv'] {
    return this.#format === 'csv'
      ? { delimiter: this.#options.delimiter ?? ',', header: this.#options.header ?? true }
      : undefined;
  }

  #refuse(names: readonly (keyof AllOptions)[], use: string, others: string): void {
    const given = names.find((name) => this.#options[name] !== undefined);
    if (given !== undefined)
      throw invalidArgument(`${this.sourceName} is used as a ${use}, but its option '${given}' is one of ${others}.`, {
        option: given,
      });
  }
}

function record(fields: Readonly<Record<string, 'string' | 'int'>>): Schema {
  return { type: 'record', fields: Object.entries(fields).map(([name, type]) => ({ name, schema: { type } })) };
}
