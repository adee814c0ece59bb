/** The keyed states that an operator will open, as checkpoints record them: known from the graph, before anything runs. */
import { keyTypeText } from '../format/key-codec.ts';
import type { Schema } from '../format/schema.ts';
import { accumulatorLayout } from './accumulator-layout.ts';
import type { GraphNode, KeySelector } from './graph.ts';

export interface DeclaredState {
  readonly name: string;
  readonly kind: string;
  readonly keyType: string;
  readonly keySchema: Schema | null;
  readonly schema: Schema | null;
}

/**
 * Types of the parts of a key; null: untyped.
 *
 * @param input  schema of the records that are keyed, before any local combining
 */
export function keySchemasOf(selector: KeySelector, input: Schema | null): readonly Schema[] | null {
  if (selector.kind === 'fields')
    return input?.type === 'record' ? selector.fields.map((name) => fieldSchema(input, name) ?? input.fields[0].schema) : null;
  return selector.schema === undefined || selector.schema === null ? null : [selector.schema];
}

/** @param input  schema of the records that reach the operator */
export function declaredStates(node: GraphNode, selector: KeySelector, input: Schema | null): DeclaredState[] {
  const keyType = keyTypeText(keySchemasOf(selector, input));
  const state = (name: string, kind: string, schema: Schema | null, keySchema: Schema | null = null): DeclaredState => ({
    name,
    kind,
    keyType,
    keySchema,
    schema,
  });
  if (node.kind === 'process') {
    return Object.entries(node.process.state).map(([name, spec]) =>
      state(name, spec.kind, spec.schema, spec.kind === 'map' ? spec.keySchema : null),
    );
  }
  if (node.kind !== 'aggregate') return [];
  const { aggregate } = node;
  if (aggregate.kind === 'reduce') return [state('accumulator', 'reducing', input)];
  if (aggregate.kind === 'function') return [state('accumulator', 'aggregating', aggregate.aggregate.schema ?? null)];
  const { schema, slots, topN } = accumulatorLayout(aggregate.outputs);
  return [
    state('accumulator', 'value', schema),
    ...slots
      .filter(({ kind }) => kind === 'distinct')
      .map(({ field }) => state(`distinct(${field})`, 'distinct', fieldSchema(input, field))),
    ...topN.map(({ name }) => state(`topN(${name})`, 'topN', input)),
  ];
}

/** null for records without a schema. */
function fieldSchema(schema: Schema | null, field: string): Schema | null {
  return schema?.type === 'record' ? (schema.fields.find(({ name }) => name === field)?.schema ?? null) : null;
}
