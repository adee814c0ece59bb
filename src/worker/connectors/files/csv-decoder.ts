/**
 * CSV records: with a header, its names choose the fields; without one, their order does.
 *
 * | schema | header | record                                                             |
 * |--------|--------|--------------------------------------------------------------------|
 * | yes    | yes    | the schema's fields, from the columns of these names, in any order |
 * | yes    | no     | the schema's fields, from the columns in their order               |
 * | no     | yes    | an object of strings with the header's names                       |
 * | no     | no     | an array of strings                                                |
 */
import { TidemarkError } from '../../../format/errors.ts';
import type { JsonValue } from '../../../format/json.ts';
import type { FieldSchema, Schema } from '../../../format/schema.ts';
import type { RecordOutput } from '../../../job/source.ts';
import { compileRecordBuilder, type RecordBuilder } from '../record-builder.ts';
import { CsvScanner } from './csv-scanner.ts';
import { CSV_STRING, type CsvField, csvField, missingCsvValue, NOT_A_VALUE } from './csv-values.ts';
import { NOT_UTF8 } from './line-decoder.ts';
import { type RecordDecoder, reportMalformed, tooLongReason } from './record-decoder.ts';
import type { TextFile } from './text-file.ts';

export interface CsvOptions {
  readonly delimiter: string;
  readonly header: boolean;
  readonly schema: Schema | null;
  readonly maxRecordBytes: number;
}

/** Columns of the file that is read, and how each becomes a value. */
interface Columns {
  /** Names by the header, or null without one. */
  readonly names: readonly string[] | null;
  readonly count: number;
  /** For each field of the record: its column, or -1 where it always has `missing`. */
  readonly fields: readonly { readonly column: number; readonly value: CsvField; readonly missing: unknown }[];
  /** Null for arrays of strings. */
  readonly build: RecordBuilder | null;
}

export class CsvDecoder implements RecordDecoder {
  readonly #options: CsvOptions;
  readonly #schemaFields: readonly FieldSchema[] | null;
  readonly #scanner: CsvScanner;
  #columns: Columns | null = null;

  /** @throws TidemarkError ERR_INVALID_ARG for a delimiter that is not one ASCII character, a schema that is no record */
  constructor(options: CsvOptions) {
    const { delimiter, schema } = options;
    if (!/^[^\u0080-\uffff"\r\n]$/.test(delimiter)) {
      throw new TidemarkError(
        'ERR_INVALID_ARG',
        `The option 'delimiter' of a CSV source must be one ASCII character other than a quote or a line break, but it is ${JSON.stringify(delimiter)}.`,
      );
    }
    if (schema !== null && schema.type !== 'record') {
      throw new TidemarkError(
        'ERR_INVALID_ARG',
        `The schema of a CSV source must be a record, since a line has several fields, but it is of type ${schema.type}.`,
      );
    }
    this.#options = options;
    this.#schemaFields = schema === null ? null : schema.fields;
    this.#scanner = new CsvScanner(delimiter);
  }

  begin(state: JsonValue): void {
    this.#columns = null;
    if (!this.#options.header && this.#schemaFields !== null) this.#columns = columnsInOrder(this.#schemaFields);
    else if (state !== null) this.#columns = this.#columnsOf(state as readonly string[], 'the checkpoint');
  }

  /** The header's names: reading may go on far from the header. */
  state(): JsonValue {
    return this.#columns?.names ?? null;
  }

  take(file: TextFile, limit: number, out: RecordOutput<unknown>): number {
    const scanner = this.#scanner;
    let taken = 0;
    while (taken < limit && !out.full && file.hasRecord()) {
      const found = scanner.scan(file);
      if (found === 'incomplete') return taken;
      taken++;
      if (found === 'malformed') {
        reportMalformed(file, out, scanner.problem);
        return taken;
      }
      if (!scanner.isEmptyLine) this.#record(file, out);
    }
    return taken;
  }

  #record(file: TextFile, out: RecordOutput<unknown>): void {
    const { header, maxRecordBytes } = this.#options;
    if (file.recordTo - file.recordFrom > maxRecordBytes) {
      reportMalformed(file, out, tooLongReason(maxRecordBytes));
    } else if (header && this.#columns === null) {
      this.#columns = this.#columnsOf(this.#header(file), `'${file.path}'`);
    } else {
      const problem = this.#columns === null ? this.#emitStrings(file, out) : this.#emitRecord(file, out, this.#columns);
      if (problem !== null) reportMalformed(file, out, problem);
    }
  }

  #header(file: TextFile): readonly string[] {
    const names: string[] = [];
    for (let i = 0; i < this.#scanner.count; i++) {
      const name = this.#scanner.field(file, i);
      if (name === null) throw headerError(`'${file.path}'`, `the name of column ${i + 1} is not valid UTF-8`);
      if (names.includes(name)) throw headerError(`'${file.path}'`, `two columns are called '${name}'`);
      names.push(name);
    }
    return names;
  }

  #columnsOf(names: readonly string[], where: string): Columns {
    const fields = this.#schemaFields;
    if (fields === null) {
      return {
        names,
        count: names.length,
        fields: names.map((_, column) => ({ column, value: CSV_STRING, missing: undefined })),
        build: compileRecordBuilder(names),
      };
    }
    return {
      names,
      count: names.length,
      fields: fields.map((field) => {
        const column = names.indexOf(field.name);
        const missing = column >= 0 ? undefined : missingCsvValue(field);
        if (column < 0 && missing === undefined && field.schema.type !== 'optional') {
          throw headerError(
            where,
            `there is no column '${field.name}', which the schema needs; there are ${names.map((name) => `'${name}'`).join(', ')}`,
          );
        }
        return { column, value: csvField(field.schema), missing };
      }),
      build: compileRecordBuilder(fields.map(({ name }) => name)),
    };
  }

  /** @returns why it is no record, or null */
  #emitStrings(file: TextFile, out: RecordOutput<unknown>): string | null {
    const texts: string[] = [];
    for (let i = 0; i < this.#scanner.count; i++) {
      const text = this.#scanner.field(file, i);
      if (text === null) return NOT_UTF8;
      texts.push(text);
    }
    out.emit(texts);
    return null;
  }

  #emitRecord(file: TextFile, out: RecordOutput<unknown>, columns: Columns): string | null {
    const scanner = this.#scanner;
    if (scanner.count !== columns.count)
      return `the record has ${scanner.count} fields, and ${columns.names === null ? 'the schema' : 'the header'} has ${columns.count}`;
    const { fields } = columns;
    const values: unknown[] = [];
    for (let i = 0; i < fields.length; i++) {
      const { column, value, missing } = fields[i];
      if (column < 0) {
        values.push(missing);
        continue;
      }
      const text = scanner.field(file, column);
      if (text === null) return NOT_UTF8;
      const converted = value.read(text);
      if (converted === NOT_A_VALUE)
        return `field '${(this.#schemaFields as readonly FieldSchema[])[i].name}' must be ${value.expected}, but it is ${JSON.stringify(text)}`;
      values.push(converted);
    }
    out.emit((columns.build as RecordBuilder)(values));
    return null;
  }
}

/** Columns of a file without a header: the schema's fields in their order. */
function columnsInOrder(fields: readonly FieldSchema[]): Columns {
  return {
    names: null,
    count: fields.length,
    fields: fields.map(({ schema }, column) => ({ column, value: csvField(schema), missing: undefined })),
    build: compileRecordBuilder(fields.map(({ name }) => name)),
  };
}

function headerError(where: string, detail: string): TidemarkError {
  return new TidemarkError(
    'ERR_SOURCE_FAILED',
    `The header of ${where} cannot be used: ${detail}. Correct the file or the schema, or read it with \`header: false\`.`,
  );
}
