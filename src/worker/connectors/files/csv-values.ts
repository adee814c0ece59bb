/**
 * Values of a schema as the text of one CSV field, both ways:
 *
 * | type      | text                                                        | written as                   |
 * |-----------|-------------------------------------------------------------|------------------------------|
 * | number    | decimal, with an exponent too; f64: NaN, Infinity           | shortest decimal             |
 * | boolean   | true, false, 1, 0, in any case                              | true, false                  |
 * | timestamp | ms since 1970, or ISO 8601                                  | ms since 1970                |
 * | bytes     | base64                                                      | base64                       |
 * | optional  | nothing                                                     | nothing                      |
 * | list,     | JSON                                                        | JSON                         |
 * | record    |                                                             |                              |
 *
 * Text around numbers, as in " 42", is refused. An empty field of type string is the empty string.
 */
import type { FieldSchema, Schema } from '../../../format/schema.ts';
import { JsonMismatch, valueFromJson } from '../../../format/schema-json.ts';

/** What `CsvField.read` returns for text that is no value of the type. Never a legal value. */
export const NOT_A_VALUE: unique symbol = Symbol('not a value');

/** Reads the fields of one column. */
export interface CsvField {
  /** In words, for messages. */
  readonly expected: string;
  /** Runs once per field of a record. */
  read(text: string): unknown;
}

export const CSV_STRING: CsvField = { expected: 'a string', read: (text) => text };

/** Reader of the fields of a type. */
export function csvField(schema: Schema): CsvField {
  switch (schema.type) {
    case 'string':
      return CSV_STRING;
    case 'optional': {
      const field = csvField(schema.of);
      return { expected: `${field.expected}, or nothing`, read: (text) => (text === '' ? undefined : field.read(text)) };
    }
    case 'boolean':
      return { expected: 'true or false (boolean)', read: (text) => BOOLEANS.get(text.toLowerCase()) ?? NOT_A_VALUE };
    case 'i32':
    case 'int':
    case 'f64':
    case 'timestamp':
      return numberField(schema.type);
    case 'list':
    case 'record':
      return fromJson(schema, `JSON of type ${schema.type}`, parseJson);
    case 'bigint':
      return fromJson(schema, 'an integer (bigint)', (text) => text);
    case 'bytes':
      return fromJson(schema, 'base64 (bytes)', (text) => text);
    case 'enum':
      return fromJson(schema, `one of ${schema.values.map((value) => JSON.stringify(value)).join(', ')}`, (text) => text);
  }
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** `Number()` alone would take "" and " " for 0, and hexadecimal. */
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const NUMBERS = {
  i32: 'an integer of 32 bits (i32)',
  int: 'a safe integer (int)',
  f64: 'a number (f64)',
  timestamp: 'ms since 1970 or an ISO 8601 date (timestamp)',
} as const;

function numberField(type: keyof typeof NUMBERS): CsvField {
  const schema: Schema = { type };
  const expected = NUMBERS[type];
  const other = fromJson(schema, expected, (text) => text);
  const integer = type === 'i32' || type === 'int';
  return {
    expected,
    read(text) {
      if (!DECIMAL.test(text)) return integer || text === '' ? NOT_A_VALUE : other.read(text);
      const value = valueFromJson(schema, Number(text));
      return value instanceof JsonMismatch ? NOT_A_VALUE : value;
    },
  };
}

function fromJson(schema: Schema, expected: string, parse: (text: string) => unknown): CsvField {
  return {
    expected,
    read(text) {
      const value = valueFromJson(schema, parse(text));
      return value instanceof JsonMismatch ? NOT_A_VALUE : value;
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Value of a field whose column does not exist: its default; `undefined` without one. */
export function missingCsvValue({ schema, default: json }: FieldSchema): unknown {
  return json === undefined ? undefined : valueFromJson(schema, json);
}
