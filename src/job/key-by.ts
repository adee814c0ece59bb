/** What `keyBy` takes, checked against the schema of the stream, and the types of the keys. */
import { TidemarkError } from '../format/errors.ts';
import { createRowKey } from '../format/row-key.ts';
import { requireFunction, requireOptions, invalidArgument } from './arguments.ts';
import { describeValue } from '../format/describe-value.ts';
import type { KeySelector } from './graph.ts';
import type { NodeDraft } from './graph-draft.ts';
import { schemaOf, type Type } from './types.ts';

/** Field names that can be keys. */
export type KeyField<T> = keyof T & string;

/** The part of a record that its key is, as it stands in the results of aggregates. */
export type FieldKey<T, F extends keyof T> = { [K in F]: T[K] };

/** The key of several fields: an array of their values. One field in an array is as if it stood alone. */
export type FieldsKey<T, F extends readonly (keyof T)[]> = F extends readonly [infer Only extends keyof T]
  ? T[Only]
  : { -readonly [I in keyof F]: T[F[I]] };

/** @throws TidemarkError ERR_JOB_INVALID for a field that the schema does not have, or whose type cannot be a key */
export function keyByFields(fields: readonly string[], input: NodeDraft): KeySelector {
  if (!Array.isArray(fields) || fields.length === 0)
    throw invalidArgument(`keyBy takes a field name, an array of them, or a function, but got ${describeValue(fields)}.`);
  const odd = (fields as readonly unknown[]).find((field) => typeof field !== 'string' || field === '');
  if (odd !== undefined) throw invalidArgument(`The fields of keyBy are names, but one is ${describeValue(odd)}.`);
  const twice = fields.find((field, i) => fields.indexOf(field) !== i);
  if (twice !== undefined) throw invalidArgument(`keyBy names the field '${twice}' twice.`);
  if (input.schema !== null) {
    try {
      createRowKey(input.schema, fields);
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      throw new TidemarkError('ERR_JOB_INVALID', `keyBy after ${input.label}: ${error.message}`, {
        cause: error,
        facts: error.facts,
      });
    }
  }
  return { kind: 'fields', fields: [...fields] };
}

export function keyByFunction(
  select: (value: never) => unknown,
  options: { readonly schema?: Type<unknown> } | undefined,
): KeySelector {
  requireFunction(select, 'The key of keyBy');
  requireOptions(options, ['schema'], 'keyBy');
  const schema = options?.schema === undefined ? null : schemaOf(options.schema, 'The schema of keyBy');
  return { kind: 'function', select, schema };
}
