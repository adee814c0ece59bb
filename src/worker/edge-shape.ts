/** How the rows of an edge are encoded and keyed: the same on its producing and its consuming side. */
import type { Codec, KeyCodec, RowKey } from '../format/codec.ts';
import { createGeneralCodec } from '../format/general-codec.ts';
import { createKeyCodec } from '../format/key-codec.ts';
import { createRowCodec } from '../format/row-codec.ts';
import { createRowKey } from '../format/row-key.ts';
import type { Schema } from '../format/schema.ts';
import type { GraphNode, JobGraph } from '../job/graph.ts';
import { keySchemasOf } from '../job/keyed-states.ts';
import type { EdgeKey, EdgeShape } from './exchange.ts';
import { type LocalCombine, localCombineFor } from './operators/local-combine.ts';
import type { EdgePlan, JobPlan } from './protocol.ts';

export interface EdgeDescription {
  readonly shape: EdgeShape;
  readonly codec: Codec;
  /** Key inside the row; null when it travels in the frame or there is none. */
  readonly rowKey: RowKey | null;
  readonly keyInFrame: boolean;
  readonly keyCodec: KeyCodec | null;
  /** Set when records are combined before the edge: what then travels are partial results. */
  readonly combine: LocalCombine | null;
}

type KeyByNode = Extract<GraphNode, { kind: 'keyBy' }>;

export function describeEdge(graph: JobGraph, plan: JobPlan, edge: EdgePlan): EdgeDescription {
  const keyNode = edge.keyNode < 0 ? null : (graph.nodes[edge.keyNode] as KeyByNode);
  const input = graph.nodes[edge.schemaNode].schema;
  const combine = edge.combineNode < 0 ? null : localCombineFor(graph.nodes[edge.combineNode], input, keyNode);
  const schema = combine === null ? input : combine.partialSchema;
  const codec = schema === null ? createGeneralCodec() : createRowCodec(schema);
  const key = keyNode === null ? null : describeKey(keyNode, schema, input, combine);
  return {
    shape: { kind: edge.kind, codec, key: key?.edgeKey ?? null, maxParallelism: plan.stages[edge.to].maxParallelism },
    codec,
    rowKey: key?.edgeKey.kind === 'row' ? key.edgeKey.rowKey : null,
    keyInFrame: key?.edgeKey.kind === 'function',
    keyCodec: key?.keyCodec ?? null,
    combine,
  };
}

/** Keys by field names lie in the row where there is a schema; all others are computed and travel in the frame. */
function describeKey(
  node: KeyByNode,
  schema: Schema | null,
  input: Schema | null,
  combine: LocalCombine | null,
): { edgeKey: EdgeKey; keyCodec: KeyCodec } {
  if (node.key.kind === 'fields') {
    const { fields } = node.key;
    // The type of a key is that of the records' fields, combined or not: state must not depend on how records travelled.
    const types = keySchemasOf(node.key, input);
    const keyCodec = createKeyCodec(types);
    if (schema?.type === 'record' && types !== null)
      return { edgeKey: { kind: 'row', rowKey: createRowKey(schema, fields) }, keyCodec };
    const select = combine?.keyOf ?? selectFields(fields);
    return { edgeKey: { kind: 'function', select, codec: keyCodec }, keyCodec };
  }
  const keyCodec = createKeyCodec(keySchemasOf(node.key, input));
  const select = combine?.keyOf ?? (node.key.select as (value: unknown) => unknown);
  return { edgeKey: { kind: 'function', select, codec: keyCodec }, keyCodec };
}

/** One field is its value, several are an array. */
export function selectFields(fields: readonly string[]): (value: unknown) => unknown {
  if (fields.length === 1) {
    const [field] = fields;
    return (value) => (value as Record<string, unknown>)[field];
  }
  return (value) => fields.map((field) => (value as Record<string, unknown>)[field]);
}
