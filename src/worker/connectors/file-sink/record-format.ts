/** Records as text of an output file. */
import { describeValue } from '../../../format/describe-value.ts';
import { TidemarkError } from '../../../format/errors.ts';
import type { Schema } from '../../../format/schema.ts';
import { valueToJson } from '../../../format/schema-json.ts';
import type { FileSinkSpec } from '../../../job/sink.ts';
import { createJsonWriter } from '../json-writer.ts';

export interface RecordFormat {
  readonly extension: string;
  /** What every part begins with; asked when the first record is at hand. */
  header(first: unknown): string;
  /** Text of a record with its line ending. Runs once per record. */
  text(value: unknown): string;
}

export function createRecordFormat({ format, schema, csv }: FileSinkSpec): RecordFormat {
  switch (format) {
    case 'lines':
      return { extension: 'txt', header: () => '', text: lineText };
    case 'jsonl': {
      const json = createJsonWriter(schema);
      return { extension: 'jsonl', header: () => '', text: (value) => `${json(value)}\n` };
    }
    case 'csv':
      if (csv === undefined) throw new TidemarkError('ERR_INTERNAL', 'The description of a CSV sink has no CSV options.');
      return new CsvFormat(schema, csv.delimiter, csv.header);
  }
}

function lineText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `${value}\n`;
    case 'number':
    case 'bigint':
    case 'boolean':
      return `${String(value)}\n`;
    default:
      throw refused(
        `a sink of lines takes strings, numbers and booleans, but the record is ${describeValue(value)}. Map it to a string first, or use files.jsonl`,
      );
  }
}

type Columns = readonly { readonly name: string; readonly schema: Schema | null }[];

/** Writes what `csv-decoder.ts` reads: RFC 4180 with quotes where needed, lines ended by a newline alone. */
class CsvFormat implements RecordFormat {
  readonly extension = 'csv';
  readonly #delimiter: string;
  readonly #header: boolean;
  readonly #schema: Schema | null;
  readonly #quoted: RegExp;
  /** Columns; null while there is neither a schema nor a record that names them, and for arrays. */
  #columns: Columns | null;

  constructor(schema: Schema | null, delimiter: string, header: boolean) {
    this.#delimiter = delimiter;
    this.#header = header;
    this.#schema = schema;
    this.#quoted = new RegExp(`["\\r\\n${delimiter.replace(/[\\\]^-]/g, '\\$&')}]`);
    this.#columns = schema?.type === 'record' ? schema.fields.map((field) => ({ name: field.name, schema: field.schema })) : null;
  }

  header(first: unknown): string {
    const columns = this.#columnsFor(first);
    return this.#header && columns !== null ? this.#line(columns.map(({ name }) => name)) : '';
  }

  text(value: unknown): string {
    if (Array.isArray(value) && this.#schema === null) return this.#line(value.map((field) => fieldText(null, field)));
    if (typeof value !== 'object' || value === null)
      throw refused(`a CSV sink takes records with fields, but the record is ${describeValue(value)}`);
    const columns = this.#columnsFor(value) ?? [];
    const record = value as Readonly<Record<string, unknown>>;
    if (this.#schema === null)
      refuseOtherFields(
        record,
        columns.map(({ name }) => name),
      );
    return this.#line(columns.map(({ name, schema }) => fieldText(schema, record[name])));
  }

  #columnsFor(value: unknown): Columns | null {
    if (this.#columns === null && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      this.#columns = Object.keys(value).map((name) => ({ name, schema: null }));
    }
    return this.#columns;
  }

  #line(fields: readonly string[]): string {
    // One empty field would be an empty line, which readers skip.
    if (fields.length === 1 && fields[0] === '') return '""\n';
    let line = '';
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i];
      if (i > 0) line += this.#delimiter;
      line += this.#quoted.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
    }
    return `${line}\n`;
  }
}

/** Without a schema the first record gives the columns; a field that it does not have would be lost in silence. */
function refuseOtherFields(record: Readonly<Record<string, unknown>>, columns: readonly string[]): void {
  const other = Object.keys(record).find((name) => !columns.includes(name));
  if (other === undefined) return;
  throw refused(
    `the record has a field '${other}' that the first record of this CSV sink did not have (${columns.join(', ')}). Give the stream a schema`,
  );
}

function fieldText(schema: Schema | null, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  const json = schema === null ? value : valueToJson(schema, value);
  if (typeof json === 'string') return json;
  if (Object.is(json, -0)) return '-0';
  return typeof json === 'number' || typeof json === 'bigint' ? String(json) : createJsonWriter(null)(json);
}

function refused(detail: string): TidemarkError {
  return new TidemarkError('ERR_SINK_FAILED', `A record cannot be written: ${detail}.`);
}
