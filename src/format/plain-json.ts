/**
 * Any plain data as JSON, for people and for files: what JSON cannot carry is shown as near as it can be, so this has no inverse.
 *
 * | value                    | JSON                                        |
 * |--------------------------|---------------------------------------------|
 * | undefined                | null; left out as a property                |
 * | NaN, infinities, bigint  | a string: "NaN", "-Infinity", "12"          |
 * | -0                       | 0                                           |
 * | Date                     | ISO 8601; null when it is invalid           |
 * | Map, Set                 | an array of [key, value]; an array          |
 * | binary views             | base64 of their bytes                       |
 */
import type { JsonValue } from './json.ts';

export function plainToJson(value: unknown): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return String(value);
    case 'object':
      return value === null ? null : objectToJson(value);
    default:
      return null;
  }
}

function objectToJson(value: object): JsonValue {
  if (Array.isArray(value)) return value.map(plainToJson);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Map) return [...value].map(([key, of]) => [plainToJson(key), plainToJson(of)]);
  if (value instanceof Set) return [...value].map(plainToJson);
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString('base64');
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, of]) => of !== undefined)
      .map(([name, of]) => [name, plainToJson(of)]),
  );
}
