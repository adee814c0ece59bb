/**
 * Logical graph to physical plan. Pure.
 *
 * Consecutive operators are chained into one stage when records pass between them without an exchange, the parallelism is
 * the same, and the first has no other consumer. `keyBy` and `rebalance` become exchanges, `union` becomes several
 * input edges; the rest are operators of stages.
 */
import { TidemarkError } from '../format/errors.ts';
import { defaultMaxParallelism, MAX_PARALLELISM_LIMIT } from '../format/key-groups.ts';
import { allowsLocalCombine } from '../job/aggregate.ts';
import type { GraphNode, JobGraph } from '../job/graph.ts';
import {
  type ChannelLayout,
  type EdgePlan,
  type ExchangeKind,
  type JobPlan,
  SLOT_HEADER_BYTES,
  type StagePlan,
} from '../worker/protocol.ts';

export interface PlanOptions {
  readonly parallelism: number;
  /** Configured maximum parallelism, or undefined for the default rule. */
  readonly maxParallelism: number | undefined;
  /** Maximum parallelism recorded in the checkpoint that the job starts from, by uid. */
  readonly recordedMaxParallelism?: ReadonlyMap<string, number>;
  /** Most bytes of one slot. */
  readonly slotBytes: number;
}

const SLOTS_PER_CHANNEL = 4;
const MIN_SLOT_BYTES = 8 * 1024;
/** Upper bound of the memory of one edge's channels; with many channels their slots get smaller. */
const EDGE_BYTES = 64 * 1024 * 1024;

/** An edge of operators after `keyBy`, `rebalance` and `union` were folded into it. */
interface OperatorEdge {
  readonly from: number;
  readonly to: number;
  /** Direct input of `to` through which the edge comes. */
  readonly input: number;
  readonly kind: ExchangeKind | 'none';
  readonly keyNode: number;
}

export function planJob(graph: JobGraph, options: PlanOptions): JobPlan {
  const operators = graph.nodes.filter(isOperator);
  const edges = operators.flatMap((node) =>
    node.inputs.flatMap((input) => operatorEdges(graph, input, { to: node.id, input, kind: 'none', keyNode: -1 })),
  );
  const parallelismOf = (id: number): number => resolveParallelism(graph.nodes[id], options);

  const stageOf = new Map<number, number>();
  const chains: number[][] = [];
  for (const node of operators) {
    const inputs = edges.filter((edge) => edge.to === node.id);
    const only = inputs.length === 1 ? inputs[0] : undefined;
    const chained =
      only !== undefined &&
      only.kind === 'none' &&
      parallelismOf(only.from) === parallelismOf(node.id) &&
      edges.filter((edge) => edge.from === only.from).length === 1;
    if (chained) {
      const stage = stageOf.get(only.from) as number;
      chains[stage].push(node.id);
      stageOf.set(node.id, stage);
    } else {
      stageOf.set(node.id, chains.length);
      chains.push([node.id]);
    }
  }

  const crossing = edges.filter((edge) => stageOf.get(edge.from) !== stageOf.get(edge.to) || edge.kind !== 'none');
  const edgePlans = crossing.map((edge, id) => planEdge(graph, edge, id, stageOf, parallelismOf, options));
  let firstSubtask = 0;
  const stages = chains.map((nodes, id): StagePlan => {
    const parallelism = parallelismOf(nodes[0]);
    const stage: StagePlan = {
      id,
      nodes,
      name: nodes.map((node) => graph.nodes[node].name).join(' -> '),
      parallelism,
      maxParallelism: maxParallelismOf(graph, nodes, parallelism, options),
      inputs: edgePlans.filter((edge) => edge.to === id).map((edge) => edge.id),
      outputs: edgePlans.filter((edge) => edge.from === id).map((edge) => edge.id),
      firstSubtask,
    };
    firstSubtask += parallelism;
    return stage;
  });
  return { stages, edges: edgePlans, subtaskCount: firstSubtask };
}

function isOperator(node: GraphNode): boolean {
  return node.kind !== 'keyBy' && node.kind !== 'rebalance' && node.kind !== 'union';
}

/** Follows inputs through the nodes that are not operators. The exchange nearest to the consumer decides. */
function operatorEdges(graph: JobGraph, from: number, edge: Omit<OperatorEdge, 'from'>): OperatorEdge[] {
  const node = graph.nodes[from];
  switch (node.kind) {
    case 'keyBy':
      return node.inputs.flatMap((next) =>
        operatorEdges(graph, next, edge.kind === 'none' ? { ...edge, kind: 'hash', keyNode: node.id } : edge),
      );
    case 'rebalance':
      return node.inputs.flatMap((next) =>
        operatorEdges(graph, next, edge.kind === 'none' ? { ...edge, kind: 'rebalance' } : edge),
      );
    case 'union':
      return node.inputs.flatMap((next) => operatorEdges(graph, next, edge));
    default:
      return [{ ...edge, from }];
  }
}

function planEdge(
  graph: JobGraph,
  edge: OperatorEdge,
  id: number,
  stageOf: ReadonlyMap<number, number>,
  parallelismOf: (id: number) => number,
  options: PlanOptions,
): EdgePlan {
  const producers = parallelismOf(edge.from);
  const consumers = parallelismOf(edge.to);
  const kind: ExchangeKind = edge.kind !== 'none' ? edge.kind : producers === consumers ? 'forward' : 'rebalance';
  const consumer = graph.nodes[edge.to];
  const combines =
    kind === 'hash' &&
    consumer.kind === 'aggregate' &&
    allowsLocalCombine(consumer.aggregate) &&
    !emitsRows(graph.nodes[edge.from]);
  return {
    id,
    from: stageOf.get(edge.from) as number,
    to: stageOf.get(edge.to) as number,
    kind,
    schemaNode: edge.input,
    keyNode: edge.keyNode,
    combineNode: combines ? edge.to : -1,
    layout: channelLayout(kind === 'forward' ? producers : producers * consumers, options.slotBytes),
  };
}

/** Does the node emit rows in binary, which local combining would have to decode? */
function emitsRows(node: GraphNode): boolean {
  return node.kind === 'source' && node.source.kind === 'generate' && node.source.fields !== undefined;
}

function channelLayout(channels: number, wantedSlotBytes: number): ChannelLayout {
  const affordable = Math.floor(EDGE_BYTES / channels / SLOTS_PER_CHANNEL);
  const slotBytes = Math.max(MIN_SLOT_BYTES, Math.min(wantedSlotBytes, affordable));
  return { slots: SLOTS_PER_CHANNEL, slotBytes: Math.ceil((slotBytes + SLOT_HEADER_BYTES) / 64) * 64 };
}

function resolveParallelism(node: GraphNode, options: PlanOptions): number {
  const parallelism = node.parallelism ?? options.parallelism;
  if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > MAX_PARALLELISM_LIMIT) {
    throw new TidemarkError(
      'ERR_JOB_INVALID',
      `Operator '${node.name}' (${node.location ?? node.uid}) has parallelism ${parallelism}; it must be an integer from 1 to ${MAX_PARALLELISM_LIMIT}.`,
    );
  }
  return parallelism;
}

function maxParallelismOf(graph: JobGraph, nodes: readonly number[], parallelism: number, options: PlanOptions): number {
  const configured =
    nodes.map((id) => graph.nodes[id].maxParallelism).find((value) => value !== undefined) ?? options.maxParallelism;
  const recorded = nodes
    .map((id) => options.recordedMaxParallelism?.get(graph.nodes[id].uid))
    .find((value) => value !== undefined);
  const maximum = configured ?? recorded ?? defaultMaxParallelism(parallelism);
  if (maximum < parallelism) {
    const { name } = graph.nodes[nodes[0]];
    throw new TidemarkError(
      'ERR_JOB_INVALID',
      `Operator '${name}' has parallelism ${parallelism}, above its maximum parallelism ${maximum}. Lower the parallelism, or raise pipeline.max-parallelism (only possible before there is state).`,
      {
        facts: { parallelism, maxParallelism: maximum },
      },
    );
  }
  return maximum;
}
