/** What the built-in aggregates of a keyed stream emit: its TypeScript type, its schema, and the checks of the fields used. */
import type { FieldSchema, Schema } from '../format/schema.ts';
import { schemaText } from '../format/schema-text.ts';
import type { BuiltInAggregate } from './aggregate.ts';
import { invalidArgument } from './arguments.ts';
import {
  type CountAggregate,
  type DistinctAggregate,
  type NumberAggregate,
  requireBuiltIn,
  type TopAggregate,
} from './built-ins.ts';
import type { KeySelector } from './graph.ts';
import { invalidJob, type NodeDraft } from './graph-draft.ts';

/** Names of the fields of `T` that are numbers. */
export type NumberField<T> = { [K in keyof T & string]-?: T[K] extends number ? K : never }[keyof T & string];

/** The outputs of `aggregate`, by name. */
export type BuiltInOutputs<T> = Readonly<
  Record<
    string,
    CountAggregate | NumberAggregate<NumberField<T>> | TopAggregate<NumberField<T>> | DistinctAggregate<keyof T & string>
  >
>;

/** The emitted record: the key's part, then each output. */
export type AggregateOutput<T, P, O> = {
  [N in keyof P | keyof O]: N extends keyof O
    ? O[N] extends { readonly kind: 'topN' }
      ? T[]
      : number
    : N extends keyof P
      ? P[N]
      : never;
};

/** @throws TidemarkError ERR_JOB_INVALID or ERR_INVALID_ARG naming the output */
export function checkBuiltIns(
  outputs: unknown,
  selector: KeySelector,
  input: NodeDraft,
): asserts outputs is Readonly<Record<string, BuiltInAggregate>> {
  if (typeof outputs !== 'object' || outputs === null || Object.keys(outputs).length === 0)
    throw invalidArgument('aggregate needs at least one output: aggregate({ visits: count() }).');
  const keyNames = keyNamesOf(selector);
  for (const [name, output] of Object.entries(outputs)) {
    requireBuiltIn(output, name);
    if (keyNames.includes(name))
      throw invalidJob(
        `The output '${name}' of aggregate after ${input.label} has the name of the key. Rename it: the key stands in the result under its own name.`,
      );
    if (output.kind !== 'count' && input.schema !== null) checkField(output, name, input.schema, input);
  }
}

function checkField(
  output: Exclude<BuiltInAggregate, { readonly kind: 'count' }>,
  name: string,
  schema: Schema,
  input: NodeDraft,
): void {
  const { kind, field } = output;
  const where = `The output '${name}' of aggregate after ${input.label}`;
  if (schema.type !== 'record')
    throw invalidJob(
      `${where} is the ${kind} of field '${field}', but the records are of type ${schemaText(schema)}, without fields.`,
    );
  const found = schema.fields.find((candidate) => candidate.name === field);
  if (found === undefined) {
    throw invalidJob(
      `${where} is the ${kind} of field '${field}', which the records do not have. They have ${schema.fields.map((candidate) => `'${candidate.name}'`).join(', ')}.`,
    );
  }
  if (kind !== 'distinct' && !isNumber(found.schema)) {
    throw invalidJob(
      `${where} is the ${kind} of field '${field}', which is of type ${schemaText(found.schema)}, not a number. Use i32, int, f64 or timestamp, or an aggregate of your own.`,
    );
  }
}

/**
 * Schema of the emitted records, or null where the input's schema or the key's is not known. Sums and means are doubles,
 * counts safe integers, extremes of the field's own type.
 */
export function builtInSchema(
  outputs: Readonly<Record<string, BuiltInAggregate>>,
  selector: KeySelector,
  input: Schema | null,
): Schema | null {
  if (input === null) return null;
  const keys = keyFields(selector, input);
  return keys === null
    ? null
    : {
        type: 'record',
        fields: [...keys, ...Object.entries(outputs).map(([name, output]) => ({ name, schema: outputSchema(output, input) }))],
      };
}

function keyFields(selector: KeySelector, input: Schema): readonly FieldSchema[] | null {
  if (selector.kind === 'function')
    return selector.schema === undefined || selector.schema === null ? null : [{ name: 'key', schema: selector.schema }];
  return selector.fields.map((name) => ({ name, schema: fieldSchema(input, name) }));
}

function outputSchema(output: BuiltInAggregate, input: Schema): Schema {
  switch (output.kind) {
    case 'count':
    case 'distinct':
      return { type: 'int' };
    case 'sum':
    case 'avg':
      return { type: 'f64' };
    case 'min':
    case 'max':
      return fieldSchema(input, output.field);
    case 'topN':
      return { type: 'list', of: input };
  }
}

/** `checkBuiltIns` and `keyByFields` have made sure that the field is there. */
function fieldSchema(input: Schema, name: string): Schema {
  const field = input.type === 'record' ? input.fields.find((candidate) => candidate.name === name) : undefined;
  if (field === undefined) throw invalidJob(`The records have no field '${name}'.`);
  return field.schema;
}

function keyNamesOf(selector: KeySelector): readonly string[] {
  return selector.kind === 'fields' ? selector.fields : ['key'];
}

function isNumber(schema: Schema): boolean {
  return schema.type === 'i32' || schema.type === 'int' || schema.type === 'f64' || schema.type === 'timestamp';
}
