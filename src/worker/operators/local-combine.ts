/**
 * Two-phase aggregation: records of one key are folded where they arise, and only partial results travel to the key's
 * owner. This file says what travels; `local-combiner.ts` folds, the aggregate operators merge.
 *
 * | aggregate | partial result                                                                       |
 * |-----------|--------------------------------------------------------------------------------------|
 * | built-in  | the key's fields, `$n` (records), `$1`…`$k` (slots of `job/accumulator-layout.ts`), each an f64  |
 * | function  | the key's fields, `$acc` (accumulator)                                               |
 * | reduce    | a value of the records' own type                                                     |
 *
 * Where there is no schema for all of it (no schema of the records or of the accumulator, a function key) partial results
 * travel in the general codec, with the key as `$key` instead of its fields.
 */
import type { FieldSchema, Schema } from '../../format/schema.ts';
import { accumulatorLayout } from '../../job/accumulator-layout.ts';
import { type AggregateSpec, allowsLocalCombine } from '../../job/aggregate.ts';
import type { GraphNode, KeySelector } from '../../job/graph.ts';

export const PARTIAL_COUNT = '$n';
export const PARTIAL_ACCUMULATOR = '$acc';
export const PARTIAL_KEY = '$key';

/** Field of the partial result of a slot. */
export function partialColumn(slot: number): string {
  return `$${slot}`;
}

type AggregateNode = Extract<GraphNode, { readonly kind: 'aggregate' }>;
type KeyByNode = Extract<GraphNode, { readonly kind: 'keyBy' }>;

/** How records are combined before an edge: what both of its sides need to know. */
export interface LocalCombine {
  readonly node: AggregateNode;
  readonly selector: KeySelector;
  /** Schema of partial results; null: the general codec. */
  readonly partialSchema: Schema | null;
  /** Key of a partial result that carries it as `$key`; undefined where it has the key as records have it. */
  readonly keyOf: ((partial: unknown) => unknown) | undefined;
}

/**
 * How the records that `node` aggregates are combined before its exchange; null when they are not. Pure: both sides of the
 * edge and the planner call it and must agree.
 *
 * @param inputSchema  schema of the records
 * @param keyNode      the `keyBy` of the edge
 */
export function localCombineFor(node: GraphNode, inputSchema: Schema | null, keyNode: KeyByNode | null): LocalCombine | null {
  if (node.kind !== 'aggregate' || keyNode === null || !allowsLocalCombine(node.aggregate)) return null;
  const selector = keyNode.key;
  if (node.aggregate.kind === 'reduce') return { node, selector, partialSchema: inputSchema, keyOf: undefined };
  const columns = partialColumns(node.aggregate);
  const keys = columns === null ? null : keyFields(selector, inputSchema);
  if (columns === null || keys === null) return { node, selector, partialSchema: null, keyOf: keyOfPartial };
  return { node, selector, partialSchema: { type: 'record', fields: [...keys, ...columns] }, keyOf: undefined };
}

function keyOfPartial(partial: unknown): unknown {
  return (partial as { readonly [PARTIAL_KEY]: unknown })[PARTIAL_KEY];
}

/** Fields of a partial result beside the key's; null when there is no schema for them. */
function partialColumns(spec: Exclude<AggregateSpec, { readonly kind: 'reduce' }>): readonly FieldSchema[] | null {
  if (spec.kind === 'built-in') {
    const names = [PARTIAL_COUNT, ...accumulatorLayout(spec.outputs).slots.map(({ index }) => partialColumn(index))];
    return names.map((name) => ({ name, schema: { type: 'f64' } }));
  }
  return spec.aggregate.schema === undefined ? null : [{ name: PARTIAL_ACCUMULATOR, schema: spec.aggregate.schema }];
}

function keyFields(selector: KeySelector, inputSchema: Schema | null): readonly FieldSchema[] | null {
  if (selector.kind !== 'fields' || inputSchema?.type !== 'record') return null;
  const fields = selector.fields.map((name) => inputSchema.fields.find((field) => field.name === name));
  return fields.every((field) => field !== undefined) ? fields.map(({ name, schema }) => ({ name, schema })) : null;
}
