/** The largest key, and the errors of keys that cannot be. */
import { describeValue } from './describe-value.ts';
import { TidemarkError } from './errors.ts';
import type { Schema } from './schema.ts';
import { findMismatch } from './schema-check.ts';
import { schemaText } from './schema-text.ts';

export const MAX_KEY_BYTES = 64 * 1024;

export function keyTooLarge(bytes?: number): TidemarkError {
  return new TidemarkError(
    'ERR_RECORD_TOO_LARGE',
    `A key has ${bytes === undefined ? `more than ${MAX_KEY_BYTES}` : bytes} bytes; the limit is ${MAX_KEY_BYTES}. Use a shorter key, such as a hash of the long part.`,
    { facts: { ...(bytes !== undefined && { bytes }), limitBytes: MAX_KEY_BYTES } },
  );
}

/** ERR_INVALID_ARG for a key that is not of its type. */
export function keyMismatch(schema: Schema, key: unknown): TidemarkError {
  const found = findMismatch(schema, key);
  return new TidemarkError(
    'ERR_INVALID_ARG',
    `A key must be ${found?.expected ?? `a ${schemaText(schema)}`}, but it is ${describeValue(key)}. Correct the key function, or its type.`,
    {
      facts: { expected: schemaText(schema), received: describeValue(key) },
    },
  );
}
