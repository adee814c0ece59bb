/**
 * The subtasks as the scheduler knows them, and the channels between them, built from the deployment. Also what their shared memory says: whether
 * a channel has room, what comes next in it.
 */
import type { CheckpointOutcome } from '../job/checkpoint-outcome.ts';
import { type GraphNode, type JobGraph, sinkOf } from '../job/graph.ts';
import {
  CHANNEL_HEADER_BYTES,
  ChannelWord,
  channelBytes,
  channelIndex,
  type Deployment,
  type EdgePlan,
  type OpenState,
  type OversizeRow,
  type RestoredTotal,
  type StagePlan,
} from '../worker/protocol.ts';

export interface Channel {
  /** Of the plan, and the number among the channels of that edge. */
  readonly edge: number;
  readonly index: number;
  readonly i32: Int32Array;
  /** First word of the channel's header. */
  readonly word: number;
  readonly slots: number;
  readonly slotBytes: number;
}

export interface ScheduledSubtask {
  readonly index: number;
  readonly stage: StagePlan;
  readonly indexInStage: number;
  readonly source: boolean;
  readonly worker: number;
  readonly inputs: readonly Channel[];
  readonly outputs: readonly Channel[];
  states: readonly OpenState[];
  restored: readonly RestoredTotal[];
  oversize: OversizeRow[];
  /** Turns that were given and have not returned, all to its worker: it runs one at a time. */
  turns: number;
  /** Has it an operator or a sink that is told how checkpoints end? */
  readonly listens: boolean;
  /** What they have not been told yet. */
  outcomes: CheckpointOutcome[];
  /** A source must look again at what it waits for: `wakeSources`. */
  woken: boolean;
  /** Its state may have memory to give back that it had not at its last turn. */
  untidy: boolean;
}

/**
 * All subtasks of a deployment, in order of their numbers. A subtask's home is the worker of its number in its stage, modulo
 * `workers`. The producer and the consumer of a channel have the same object for it.
 */
export function scheduledSubtasks(deployment: Deployment, graph: JobGraph, workers: number): readonly ScheduledSubtask[] {
  const { plan } = deployment;
  const channels = new Map<string, Channel>();
  return plan.stages.flatMap((stage) =>
    Array.from({ length: stage.parallelism }, (_, indexInStage) => {
      const inputs = stage.inputs.flatMap((id) => {
        const edge = plan.edges[id];
        const producers = endsOf(edge, indexInStage, plan.stages[edge.from].parallelism);
        return producers.map((producer) => channelOf(deployment, channels, edge, producer, indexInStage));
      });
      const outputs = stage.outputs.flatMap((id) => {
        const edge = plan.edges[id];
        const consumers = endsOf(edge, indexInStage, plan.stages[edge.to].parallelism);
        return consumers.map((consumer) => channelOf(deployment, channels, edge, indexInStage, consumer));
      });
      return {
        index: stage.firstSubtask + indexInStage,
        stage,
        indexInStage,
        source: stage.inputs.length === 0,
        worker: indexInStage % workers,
        inputs,
        outputs,
        states: [],
        restored: [],
        oversize: [],
        turns: 0,
        woken: false,
        untidy: false,
        listens: stage.nodes.some((node) => listensToCheckpoints(graph.nodes[node])),
        outcomes: [],
      };
    }),
  );
}

/** Subtasks at the other end of an edge, of `parallelism`, that one is connected with. */
function endsOf(edge: EdgePlan, indexInStage: number, parallelism: number): number[] {
  return edge.kind === 'forward' ? [indexInStage] : Array.from({ length: parallelism }, (_, i) => i);
}

function channelOf(
  { plan, channels: memories }: Deployment,
  channels: Map<string, Channel>,
  edge: EdgePlan,
  producer: number,
  consumer: number,
): Channel {
  const index = channelIndex(edge.kind === 'forward', producer, consumer, plan.stages[edge.to].parallelism);
  const key = `${edge.id}/${index}`;
  const known = channels.get(key);
  if (known !== undefined) return known;
  const channel: Channel = {
    edge: edge.id,
    index,
    i32: new Int32Array(memories[edge.id]),
    word: (index * channelBytes(edge.layout)) / 4,
    slots: edge.layout.slots,
    slotBytes: edge.layout.slotBytes,
  };
  channels.set(key, channel);
  return channel;
}

function listensToCheckpoints(node: GraphNode): boolean {
  return (node.kind === 'process' && node.process.onCheckpoint !== undefined) || sinkOf(node)?.kind === 'custom';
}

/** Does one of them consume what the other one produces? */
export function areNeighbours(a: ScheduledSubtask, b: ScheduledSubtask): boolean {
  return a.outputs.some((channel) => b.inputs.includes(channel)) || b.outputs.some((channel) => a.inputs.includes(channel));
}

export function hasRoom(channel: Channel): boolean {
  const { i32, word } = channel;
  return ((Atomics.load(i32, word + ChannelWord.head) - Atomics.load(i32, word + ChannelWord.tail)) | 0) < channel.slots;
}

export function nextSlotKind(channel: Channel): number {
  const tail = channel.i32[channel.word + ChannelWord.tail] >>> 0;
  const slot = channel.word * 4 + CHANNEL_HEADER_BYTES + (tail % channel.slots) * channel.slotBytes;
  return channel.i32[slot >>> 2];
}
