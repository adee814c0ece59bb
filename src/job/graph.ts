/**
 * The logical graph: what a job module describes, read by the planner on the main thread and by every worker.
 * Functions stay in the module; each thread loads it and finds them again by node id, so building the graph must be
 * deterministic.
 */
import type { Schema } from '../format/schema.ts';
import type { AggregateSpec } from './aggregate.ts';
import type { ProcessSpec } from './process.ts';
import type { SinkSpec } from './sink.ts';
import type { SourceSpec } from './source.ts';

/** Marker of a job description; `Symbol.for`, so that a second copy of the package still recognises it. */
export const JOB_BRAND: unique symbol = Symbol.for('tidemark.job') as never;

/** Version of the graph's shape, the value under `JOB_BRAND`: a job made by another version of the package is refused, not misread. */
export const GRAPH_VERSION = 1;

export interface JobGraph {
  readonly [JOB_BRAND]: number;
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  /** Options given in code: flat configuration keys, as in `tidemark.config.yaml`. */
  readonly config: Readonly<Record<string, string | number | boolean>>;
}

export type KeySelector =
  | { readonly kind: 'fields'; readonly fields: readonly string[] }
  /** `schema`: type of the keys, where the user gave one; they are then encoded like those of fields. */
  | { readonly kind: 'function'; readonly select: (value: never) => unknown; readonly schema?: Schema | null };

export interface NodeBase {
  /** Position in `nodes`; inputs have smaller ids. */
  readonly id: number;
  /** Stable id of the operator: given with `.uid()`, else derived from the graph. State belongs to (uid, state name). */
  readonly uid: string;
  readonly explicitUid: boolean;
  readonly name: string;
  readonly inputs: readonly number[];
  /** Wanted number of subtasks; `undefined` is the job's parallelism. */
  readonly parallelism: number | undefined;
  readonly maxParallelism: number | undefined;
  /** Schema of the records that leave the node; `null` when unknown: they then travel in the general codec. */
  readonly schema: Schema | null;
  /** Where the user wrote it (`file:line`), for error messages. */
  readonly location: string | undefined;
  /** A user function gets a reused view of a row instead of an object of its own. */
  readonly objectReuse: boolean;
}

export type GraphNode =
  | (NodeBase & { readonly kind: 'source'; readonly source: SourceSpec })
  | (NodeBase & { readonly kind: 'map'; readonly fn: (value: never) => unknown })
  | (NodeBase & { readonly kind: 'filter'; readonly fn: (value: never) => boolean })
  | (NodeBase & { readonly kind: 'flatMap'; readonly fn: (value: never) => Iterable<unknown> | undefined | void })
  /** Partitions by key; what follows (`aggregate`, `reduce`, `process`) is keyed by it. */
  | (NodeBase & { readonly kind: 'keyBy'; readonly key: KeySelector })
  | (NodeBase & { readonly kind: 'rebalance' })
  | (NodeBase & { readonly kind: 'union' })
  | (NodeBase & { readonly kind: 'aggregate'; readonly aggregate: AggregateSpec })
  | (NodeBase & { readonly kind: 'process'; readonly process: ProcessSpec; readonly keyed: boolean })
  | (NodeBase & { readonly kind: 'sink'; readonly sink: SinkSpec });

/** What a node is, without what all nodes have. */
export type NodePayload<N = GraphNode> = N extends GraphNode ? Omit<N, keyof NodeBase> : never;

/** Where malformed records of a source go, if they go to a sink. */
export function deadLetterOf(node: GraphNode): SinkSpec | null {
  if (node.kind !== 'source' || !('onError' in node.source)) return null;
  const { onError } = node.source;
  return typeof onError === 'object' ? onError.deadLetter : null;
}

/** The sink that a node writes to: its own, or the dead-letter sink of a source. */
export function sinkOf(node: GraphNode): SinkSpec | null {
  return node.kind === 'sink' ? node.sink : deadLetterOf(node);
}
