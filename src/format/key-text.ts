/**
 * Keys as a person types them, and as JSON.
 *
 * | type of the key        | how it is written                                                                      |
 * |------------------------|----------------------------------------------------------------------------------------|
 * | string, enum           | as it is: `user-7`                                                                     |
 * | i32, int, f64          | a number: `42`, `-0.5`, `NaN`, `Infinity`                                              |
 * | bigint                 | digits: `90071992547409931`                                                            |
 * | boolean                | `true`, `false`                                                                        |
 * | timestamp              | milliseconds, or a date in ISO 8601                                                    |
 * | bytes                  | base64, or hex after `hex:`                                                            |
 * | several, or optional   | JSON, an array where there are several parts: `["eu", 7]`; `null` is an absent one     |
 * | any (a key function)   | JSON: `7`, `"7"`, `{"a":1}`; digits and an `n` are a bigint; what is no JSON is a string |
 */
import { TidemarkError } from './errors.ts';
import type { JsonValue } from './json.ts';
import { keyTypeText } from './key-codec.ts';
import { plainToJson } from './plain-json.ts';
import type { Schema } from './schema.ts';
import { JsonMismatch, valueFromJson, valueToJson } from './schema-json.ts';

/**
 * @param schemas  types of the key's parts; null: untyped
 * @throws TidemarkError ERR_USAGE when the text does not stand for a key of the type
 */
export function parseKeyText(text: string, schemas: readonly Schema[] | null): unknown {
  if (schemas === null) return parseUntyped(text);
  const [only] = schemas;
  if (schemas.length === 1 && only.type !== 'optional') return parseScalar(text, only);
  const json = parseJson(text);
  if (json === undefined) throw notAKey(text, schemas, 'it is not JSON');
  if (schemas.length === 1) return part(only, json.value, text, schemas);
  if (!Array.isArray(json.value) || json.value.length !== schemas.length)
    throw notAKey(text, schemas, `it is not an array of ${schemas.length} values`);
  const values: readonly unknown[] = json.value;
  return schemas.map((schema, i) => part(schema, values[i], text, schemas));
}

/** A decoded key as JSON; what `parseKeyText` reads back for keys that are no bare strings. */
export function keyToJson(key: unknown, schemas: readonly Schema[] | null): JsonValue {
  if (schemas === null) return plainToJson(key);
  if (schemas.length === 1) return valueToJson(schemas[0], key);
  return schemas.map((schema, i) => valueToJson(schema, (key as readonly unknown[])[i]));
}

function parseUntyped(text: string): unknown {
  if (/^-?\d+n$/.test(text)) return BigInt(text.slice(0, -1));
  const json = parseJson(text);
  return json === undefined ? text : json.value;
}

function parseScalar(text: string, schema: Schema): unknown {
  switch (schema.type) {
    case 'string':
    case 'enum':
      return part(schema, text, text, [schema]);
    case 'i32':
    case 'int':
    case 'f64':
      return part(schema, numberOf(text), text, [schema]);
    case 'timestamp':
      return part(schema, /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text, text, [schema]);
    case 'boolean':
      return part(schema, text === 'true' ? true : text === 'false' ? false : text, text, [schema]);
    case 'bytes':
      return part(schema, text.startsWith('hex:') ? fromHex(text.slice(4)) : text, text, [schema]);
    default:
      return part(schema, text.replace(/^(-?\d+)n$/, '$1'), text, [schema]);
  }
}

/** A number as JavaScript writes it; anything else stays text and is refused by the schema. */
function numberOf(text: string): unknown {
  if (text === 'NaN' || text === 'Infinity' || text === '-Infinity') return Number(text);
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function fromHex(hex: string): string {
  return /^([0-9a-fA-F]{2})*$/.test(hex) ? Buffer.from(hex, 'hex').toString('base64') : 'hex:';
}

function part(schema: Schema, json: unknown, text: string, schemas: readonly Schema[]): unknown {
  // NaN and the infinities are numbers here, and strings in JSON.
  const given = schema.type === 'f64' && typeof json === 'number' && !Number.isFinite(json) ? String(json) : json;
  const value = valueFromJson(schema, given);
  if (value instanceof JsonMismatch) throw notAKey(text, schemas, `expected ${value.expected}`);
  return value;
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function notAKey(text: string, schemas: readonly Schema[], why: string): TidemarkError {
  const type = keyTypeText(schemas);
  const form = schemas.length > 1 || schemas[0].type === 'optional' ? ' Write it as JSON, in single quotes for the shell.' : '';
  return new TidemarkError('ERR_USAGE', `${JSON.stringify(text)} is not a key of type ${type}: ${why}.${form}`, {
    facts: { key: text, type },
  });
}
