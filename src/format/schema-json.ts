/**
 * Values of a schema as JSON and back: for defaults in schemas, and for input and output files.
 *
 * | type      | JSON                                     | also read                       |
 * |-----------|------------------------------------------|---------------------------------|
 * | f64       | number; "NaN", "Infinity", "-Infinity"   |                                 |
 * | bigint    | string of decimal digits                 | an integer number               |
 * | bytes     | base64 string                            |                                 |
 * | timestamp | number of ms                             | ISO 8601 string                 |
 * | optional  | null, or the field is not there          |                                 |
 * | others    | as themselves; records lose other fields |                                 |
 */
import type { JsonValue } from './json.ts';
import type { Schema } from './schema.ts';
import { findMismatch, MAX_TIMESTAMP_MS, type Mismatch, mismatchError } from './schema-check.ts';
import { fieldPath } from './schema-text.ts';

/** A value of `schema` as JSON. @throws TidemarkError ERR_INVALID_ARG when it does not match the schema */
export function valueToJson(schema: Schema, value: unknown): JsonValue {
  if (findMismatch(schema, value) !== null) throw mismatchError(schema, value);
  return toJson(schema, value);
}

function toJson(schema: Schema, value: unknown): JsonValue {
  switch (schema.type) {
    case 'optional':
      return value === undefined || value === null ? null : toJson(schema.of, value);
    case 'f64':
      return Number.isFinite(value) ? (value as number) : String(value);
    case 'bigint':
      return String(value);
    case 'bytes': {
      const { buffer, byteOffset, byteLength } = value as Uint8Array;
      return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64');
    }
    case 'list':
      return (value as readonly unknown[]).map((item) => toJson(schema.of, item));
    case 'record': {
      const fields = schema.fields
        .map(({ name, schema: fieldSchema }) => [name, toJson(fieldSchema, (value as Record<string, unknown>)[name])] as const)
        .filter(([name, json]) => json !== null || (value as Record<string, unknown>)[name] === null);
      return Object.fromEntries(fields);
    }
    default:
      return value as JsonValue;
  }
}

/** What `valueFromJson` returns where the JSON does not match the schema. Never a legal value. */
export class JsonMismatch implements Mismatch {
  readonly path: string;
  readonly expected: string;
  readonly received: unknown;

  constructor({ path, expected, received }: Mismatch) {
    this.path = path;
    this.expected = expected;
    this.received = received;
  }
}

/**
 * The value of `schema` that `json` (as JSON.parse gives it) stands for, or where it does not match. Runs once per record
 * of an input file, so it does not throw: a malformed record is for the source's `onError` to judge. Records and lists are
 * new objects; missing fields take their default.
 */
export function valueFromJson(schema: Schema, json: unknown, path = ''): unknown {
  switch (schema.type) {
    case 'optional':
      return json === undefined || json === null ? undefined : valueFromJson(schema.of, json, path);
    case 'f64':
      return json === 'NaN' || json === 'Infinity' || json === '-Infinity' ? Number(json) : checked(schema, json, path);
    case 'bigint':
      if (typeof json === 'string' && /^-?\d+$/.test(json)) return BigInt(json);
      if (typeof json === 'bigint') return json;
      return Number.isSafeInteger(json)
        ? BigInt(json as number)
        : new JsonMismatch({ path, expected: 'a string of decimal digits (bigint)', received: json });
    case 'bytes':
      return typeof json === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(json) && json.length % 4 === 0
        ? new Uint8Array(Buffer.from(json, 'base64'))
        : new JsonMismatch({ path, expected: 'a base64 string (bytes)', received: json });
    case 'timestamp': {
      const ms = typeof json === 'string' ? Date.parse(json) : json;
      return typeof ms === 'number' && Math.abs(ms) <= MAX_TIMESTAMP_MS
        ? ms
        : new JsonMismatch({
            path,
            expected: 'a number of milliseconds since 1970 or an ISO 8601 date (timestamp)',
            received: json,
          });
    }
    case 'list':
      return listFromJson(schema.of, json, path);
    case 'record':
      return recordFromJson(schema, json, path);
    default:
      return checked(schema, json, path);
  }
}

function listFromJson(of: Schema, json: unknown, path: string): unknown {
  if (!Array.isArray(json)) return new JsonMismatch({ path, expected: 'an array', received: json });
  const list: unknown[] = [];
  for (let i = 0; i < json.length; i++) {
    const item = valueFromJson(of, json[i], `${path}[${i}]`);
    if (item instanceof JsonMismatch) return item;
    list.push(item);
  }
  return list;
}

function recordFromJson(schema: Schema & { readonly type: 'record' }, json: unknown, path: string): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return new JsonMismatch({ path, expected: 'an object', received: json });
  const record: Record<string, unknown> = {};
  for (const field of schema.fields) {
    // Object.hasOwn: a field called `constructor` that is not in the file must not be found in the prototype.
    const given = Object.hasOwn(json, field.name) ? (json as Record<string, unknown>)[field.name] : field.default;
    const value = valueFromJson(field.schema, given, fieldPath(path, field.name));
    if (value instanceof JsonMismatch) return value;
    record[field.name] = value;
  }
  return record;
}

function checked(schema: Schema, json: unknown, path: string): unknown {
  const found = findMismatch(schema, json, path);
  return found === null ? json : new JsonMismatch(found);
}
