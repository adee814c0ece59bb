/** Helpers of the tests of the job API. */
import { collection, type Flow, isTidemarkError, t, type TidemarkError } from '../../src/index.ts';
import type { GraphNode, JobGraph } from '../../src/job/graph.ts';
import { schemaText } from '../../src/format/schema-text.ts';

export const Visit = t.record({ user: t.string, url: t.string, ms: t.i32, at: t.timestamp });
export const visits = (flow: Flow) => flow.from(collection([{ user: 'ann', url: '/', ms: 5, at: 1 }], Visit));

export function errorOf(action: () => unknown): TidemarkError {
  try {
    action();
  } catch (error) {
    if (isTidemarkError(error)) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

export function nodeOf<K extends GraphNode['kind']>(graph: JobGraph, kind: K): Extract<GraphNode, { kind: K }> {
  const node = graph.nodes.find((candidate) => candidate.kind === kind);
  if (node === undefined) throw new Error(`no ${kind}`);
  return node as Extract<GraphNode, { kind: K }>;
}

export const schemaOfKind = (graph: JobGraph, kind: GraphNode['kind']): string | null => {
  const { schema } = nodeOf(graph, kind);
  return schema === null ? null : schemaText(schema);
};
