/**
 * Does a value match a schema, and if not, where? Generated codecs only notice that something is wrong; this slow walk
 * then finds the place, so that the fast path carries no names.
 */
import { describeValue } from './describe-value.ts';
import { TidemarkError } from './errors.ts';
import type { Schema } from './schema.ts';
import { fieldPath } from './schema-text.ts';

/** Largest distance of a timestamp from 1970 in ms: the range of `Date`. */
export const MAX_TIMESTAMP_MS = 8.64e15;

export interface Mismatch {
  /** `lines[3].price`; empty for the value itself. */
  readonly path: string;
  readonly expected: string;
  readonly received: unknown;
}

/** First place where `value` does not match `schema`, or null. */
export function findMismatch(schema: Schema, value: unknown, path = ''): Mismatch | null {
  switch (schema.type) {
    case 'optional':
      return value === undefined || value === null ? null : findMismatch(schema.of, value, path);
    case 'list': {
      if (!Array.isArray(value)) return mismatch(path, 'an array', value);
      for (let i = 0; i < value.length; i++) {
        const found = findMismatch(schema.of, value[i], `${path}[${i}]`);
        if (found !== null) return found;
      }
      return null;
    }
    case 'record': {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return mismatch(path, 'an object', value);
      for (const { name, schema: fieldSchema } of schema.fields) {
        const found = findMismatch(fieldSchema, ownOrGetter(value, name), fieldPath(path, name));
        if (found !== null) return found;
      }
      return null;
    }
    default:
      return isScalar(schema, value) ? null : mismatch(path, expectedText(schema), value);
  }
}

/** ERR_INVALID_ARG for a value that does not match: names the field, what the schema says and what came. */
export function mismatchError(schema: Schema, value: unknown): TidemarkError {
  const found = findMismatch(schema, value);
  if (found === null) {
    return new TidemarkError(
      'ERR_INVALID_ARG',
      'A record changed while it was encoded: one of its getters returns different values. Pass plain data.',
    );
  }
  const { path, expected, received } = found;
  const subject = path === '' ? 'The record' : `Field '${path}'`;
  return new TidemarkError(
    'ERR_INVALID_ARG',
    `${subject} must be ${expected}, but it is ${describeValue(received)}. Correct the function or source that makes the record, or its schema.`,
    { facts: { field: path, expected, received: describeValue(received) } },
  );
}

/**
 * A field of a record. Names that every object inherits (`constructor`, `toString`) count only when they are the
 * record's own or a getter's, as in a row view.
 */
export function ownOrGetter(value: object, name: string): unknown {
  const inherited = Object.prototype as unknown as Readonly<Record<string, unknown>>;
  const found = (value as Readonly<Record<string, unknown>>)[name];
  return name in inherited && found === inherited[name] && !Object.hasOwn(value, name) ? undefined : found;
}

function isScalar(schema: Schema, value: unknown): boolean {
  switch (schema.type) {
    case 'i32':
      return typeof value === 'number' && (value | 0) === value;
    case 'int':
      return Number.isSafeInteger(value);
    case 'f64':
      return typeof value === 'number';
    case 'timestamp':
      return typeof value === 'number' && Math.abs(value) <= MAX_TIMESTAMP_MS;
    case 'bytes':
      return value instanceof Uint8Array;
    case 'enum':
      return typeof value === 'string' && schema.values.includes(value);
    default:
      return typeof value === schema.type;
  }
}

function expectedText(schema: Schema): string {
  switch (schema.type) {
    case 'i32':
      return 'an integer from -2147483648 to 2147483647 (i32)';
    case 'int':
      return 'a safe integer, at most 2^53 - 1 away from 0 (int)';
    case 'f64':
      return 'a number (f64)';
    case 'timestamp':
      return 'a number of milliseconds since 1970 (timestamp)';
    case 'bytes':
      return 'a Uint8Array (bytes)';
    case 'enum':
      return `one of ${schema.values.map((value) => JSON.stringify(value)).join(', ')}`;
    default:
      return `a ${schema.type}`;
  }
}

function mismatch(path: string, expected: string, received: unknown): Mismatch {
  return { path, expected, received };
}
