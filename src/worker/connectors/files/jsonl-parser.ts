/** Lines of JSON as records: parsed, and brought into the schema if there is one. */
import { describeValue } from '../../../format/describe-value.ts';
import type { Schema } from '../../../format/schema.ts';
import { JsonMismatch, valueFromJson } from '../../../format/schema-json.ts';
import { JsonScanner, UNSURE } from './json-scanner.ts';
import { type LineParser, lineText, MalformedLine } from './line-decoder.ts';

/** Parser of the lines of a file; empty ones are no records. */
export function createJsonlParser(schema: Schema | null): LineParser {
  if (schema === null) return (file) => parseJson(lineText(file));
  const slow = schemaParser(schema);
  if (schema.type !== 'record') return slow;
  const scanner = new JsonScanner(schema.fields);
  return (file) => {
    const record = scanner.scan(file);
    return record === UNSURE ? slow(file) : record;
  };
}

function schemaParser(schema: Schema): LineParser {
  return (file) => {
    const json = parseJson(lineText(file));
    if (json === undefined) return undefined;
    const value = valueFromJson(schema, json);
    if (value instanceof JsonMismatch) throw new MalformedLine(mismatchText(value));
    return value;
  };
}

/** The parsed line; `undefined` for one of white space only, which JSON cannot give. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (text.trim() === '') return undefined;
    throw new MalformedLine(`the line is not JSON: ${(cause as Error).message}`);
  }
}

/** What does not match a schema, in words that go behind "file:line: ". */
function mismatchText({ path, expected, received }: JsonMismatch): string {
  const subject = path === '' ? 'the record' : `field '${path}'`;
  return received === undefined
    ? `${subject} is missing; it must be ${expected}`
    : `${subject} must be ${expected}, but it is ${describeValue(received)}`;
}
