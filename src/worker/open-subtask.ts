/** Builds a subtask on the worker that will run it: opens its states, its chain, its input and its outputs. */
import type { Codec } from '../format/codec.ts';
import { hashRangeOf, keyGroupRange } from '../format/key-groups.ts';
import type { Memory } from '../format/memory.ts';
import { createRowCodec } from '../format/row-codec.ts';
import type { Schema } from '../format/schema.ts';
import { deadLetterOf, type GraphNode, type JobGraph, sinkOf } from '../job/graph.ts';
import type { SinkContext, SinkSpec, SinkWriter } from '../job/sink.ts';
import { realFs } from '../snapshot/fs-port.ts';
import { ChannelReader, ChannelWriter } from './channel.ts';
import { createMalformedHandler, type MalformedHandler } from './connectors/malformed.ts';
import { createSink } from './connectors/sink-runtime.ts';
import { createSource } from './connectors/source-runtime.ts';
import { describeEdge, type EdgeDescription } from './edge-shape.ts';
import { BroadcastOutput, ExchangeOutput } from './exchange.ts';
import type { StageInput } from './input.ts';
import { InputGate } from './input-gate.ts';
import type { OperatorContext, Output } from './operator.ts';
import { OperatorCounterRow } from './operator-counters.ts';
import { buildChain, type Chain, type ChainInput } from './operators/chain.ts';
import type { LocalCombine } from './operators/local-combine.ts';
import { LocalCombiner } from './operators/local-combiner.ts';
import type { FailureSite, RecordPlace, RecordSender } from './operators/operator-failure.ts';
import { RowCombiner } from './operators/row-combiner.ts';
import { StringCombiner } from './operators/string-combiner.ts';
import {
  CONTROL_ROW_DOUBLES,
  CONTROL_ROW_WORDS,
  ControlDouble,
  ControlWord,
  channelIndex,
  type Deployment,
  type EdgePlan,
  type JobPlan,
  type OpenState,
  type OversizeRow,
  type QueuedSplit,
  type RestoredTotal,
  type StagePlan,
  type SubtaskRestore,
} from './protocol.ts';
import { openRestored } from './restore-state.ts';
import { sinkFailure } from './sink-failure.ts';
import { SinkOutput } from './sink-output.ts';
import { SourceInput } from './source-input.ts';
import type { StateMap } from './state/state-map.ts';
import { Subtask } from './subtask.ts';

/** What the subtasks of one worker share. */
export interface WorkerEnvironment {
  readonly deployment: Deployment;
  readonly graph: JobGraph;
  readonly control: { readonly i32: Int32Array; readonly f64: Float64Array };
  /** By edge id. */
  readonly channels: readonly Memory[];
}

export interface OpenedSubtask {
  readonly subtask: Subtask;
  readonly restored: readonly RestoredTotal[];
}

type NodeOf<K extends GraphNode['kind']> = Extract<GraphNode, { readonly kind: K }>;

/**
 * @param splits  queue of the source that the stage begins with, else null
 * @throws TidemarkError of states that cannot be restored, and what the user's `onOpen` and `Sink.open` throw
 */
export async function openSubtask(
  environment: WorkerEnvironment,
  index: number,
  restore: SubtaskRestore,
  splits: readonly QueuedSplit[] | null,
  fixedSplits: boolean,
): Promise<OpenedSubtask> {
  const { deployment, graph } = environment;
  const { plan } = deployment;
  const stage = plan.stages.find(
    (candidate) => index >= candidate.firstSubtask && index < candidate.firstSubtask + candidate.parallelism,
  ) as StagePlan;
  const subtask = index - stage.firstSubtask;
  const nodes = stage.nodes.map((id) => graph.nodes[id]);
  const source = nodes[0].kind === 'source' ? nodes[0] : null;
  const oversize: OversizeRow[] = [];
  const states: { info: Omit<OpenState, 'handles'>; map: StateMap }[] = [];
  const counters = { malformed: 0 };
  let migrated = restore.rewrite;
  const restored: RestoredTotal[] = [];
  const position: { of: (() => RecordPlace | undefined) | null } = { of: null };
  const where = (): RecordPlace | undefined => position.of?.();
  const context = (node: GraphNode): OperatorContext => operatorContext(environment, stage, index, node);

  const input = chainInput(environment, stage, source);
  const outputs = await openOutputs(environment, stage, subtask, nodes, input?.codec ?? null, oversize, context, where);
  const chain = buildChain({
    nodes: nodes.filter((node) => node.kind !== 'source' && node.kind !== 'sink'),
    tail: outputs.tail,
    input,
    partialInput: stage.inputs.length === 0 ? null : describeEdge(graph, plan, plan.edges[stage.inputs[0]]).combine,
    combiners: outputs.combiners,
    context,
    where,
    range: hashRangeOf(keyGroupRange(subtask, stage.maxParallelism, stage.parallelism), stage.maxParallelism),
    restored: (uid) => restore.operatorState[uid],
    openState: (info) => {
      const opened = openRestored(realFs, info, restore, {
        limitBytes: deployment.settings.stateLimitBytes,
        label: `state '${info.name}' of operator '${info.uid}', subtask ${subtask}`,
      });
      migrated ||= opened.digest === null;
      if (restore.tables.length > 0)
        restored.push({ uid: info.uid, name: info.name, entries: opened.entries, digest: opened.digest });
      states.push({ info: opened.info, map: opened.map });
      return opened.map;
    },
  });

  let stageInput: StageInput;
  let gate: InputGate | null = null;
  if (source === null) {
    const opened = new InputGate(openReaders(environment, stage, subtask), chain, restore.epoch);
    position.of = () => senderOf(opened.current, plan);
    gate = opened;
    stageInput = gate;
  } else {
    const deadLetter = deadLetterOf(source) === null ? null : await openSink(environment, source, stage, subtask);
    if (deadLetter !== null) outputs.sinks.push(deadLetter);
    const malformed = createMalformedHandler({
      sourceName: source.name,
      onError: 'onError' in source.source ? source.source.onError : 'fail',
      count: () => void counters.malformed++,
      deadLetter: deadLetter === null ? undefined : (record) => deadLetter.emit(record, -Infinity),
    });
    const sourceInput = openSource(environment, source, stage, index, chain, restore, splits ?? [], fixedSplits, malformed);
    position.of = () => sourceInput.where();
    stageInput = sourceInput;
  }
  const parts = {
    deployment,
    graph,
    stage,
    index,
    input: stageInput,
    gate,
    sourceUid: source?.uid ?? null,
    chain,
    exchanges: outputs.exchanges,
    sinks: outputs.sinks,
    states,
    migrated,
    oversize,
    control: environment.control,
    counters,
    operatorCounters: new OperatorCounterRow(
      { nodes, input: stageInput, chain, sinks: outputs.sinks },
      plan,
      index,
      deployment.operatorCounters,
    ),
  };
  return { subtask: new Subtask(parts, restore.epoch), restored };
}

export function sinkContext(deployment: Deployment, node: GraphNode, subtask: number, parallelism: number): SinkContext {
  return {
    jobId: deployment.jobId,
    jobName: deployment.jobName,
    uid: node.uid,
    subtask,
    parallelism,
    attempt: deployment.attempt,
  };
}

function operatorContext(
  { deployment, control }: WorkerEnvironment,
  stage: StagePlan,
  index: number,
  node: GraphNode,
): OperatorContext {
  return {
    uid: node.uid,
    name: node.name,
    subtask: index - stage.firstSubtask,
    parallelism: stage.parallelism,
    maxParallelism: stage.maxParallelism,
    jobId: deployment.jobId,
    jobName: deployment.jobName,
    attempt: deployment.attempt,
    args: deployment.jobArgs,
    watermarkMs: () => control.f64[index * CONTROL_ROW_DOUBLES + ControlDouble.watermarkMs],
  };
}

/** How what enters the chain is encoded: rows of the input edges (all alike), or those that a source makes in binary. */
function chainInput(
  { deployment, graph }: WorkerEnvironment,
  stage: StagePlan,
  source: NodeOf<'source'> | null,
): ChainInput | null {
  if (source !== null) {
    if (source.schema === null) return null;
    return { codec: createRowCodec(source.schema), rowKey: null, keyInFrame: false, keyCodec: null, selector: null };
  }
  const { plan } = deployment;
  const edge = plan.edges[stage.inputs[0]];
  const { codec, rowKey, keyInFrame, keyCodec } = describeEdge(graph, plan, edge);
  const keyNode = edge.keyNode < 0 ? null : (graph.nodes[edge.keyNode] as NodeOf<'keyBy'>);
  return { codec, rowKey, keyInFrame, keyCodec, selector: keyNode?.key ?? null };
}

interface Outputs {
  readonly tail: Output;
  readonly exchanges: readonly ExchangeOutput[];
  readonly combiners: readonly Combiner[];
  readonly sinks: SinkOutput[];
}

async function openOutputs(
  environment: WorkerEnvironment,
  stage: StagePlan,
  subtask: number,
  nodes: readonly GraphNode[],
  inputCodec: Codec | null,
  oversize: OversizeRow[],
  context: (node: GraphNode) => OperatorContext,
  where: () => RecordPlace | undefined,
): Promise<Outputs> {
  const { deployment, graph, channels } = environment;
  const { plan } = deployment;
  const exchanges: ExchangeOutput[] = [];
  const combiners: Combiner[] = [];
  const sinks: SinkOutput[] = [];
  const outputs: Output[] = [];
  for (const id of stage.outputs) {
    const edge = plan.edges[id];
    const description = describeEdge(graph, plan, edge);
    const writers = channelsOf(edge, plan.stages[edge.to].parallelism, subtask, 'producer', plan).map(
      (channel) => new ChannelWriter(channels[id], id, channel, edge.layout, oversize),
    );
    const exchange = new ExchangeOutput(description.shape, writers, subtask);
    exchanges.push(exchange);
    if (description.combine !== null) {
      const { node } = description.combine;
      const combiner = createCombiner(description, description.combine, exchange, { node, context: context(node), where });
      combiners.push(combiner);
      outputs.push(combiner);
    } else {
      const passesRows = !description.keyInFrame && sameRows(inputCodec, description.codec);
      outputs.push(passesRows ? exchange : new ValuesOnly(exchange));
    }
  }
  const last = nodes[nodes.length - 1];
  if (last.kind === 'sink') {
    const sink = await openSink(environment, last, stage, subtask);
    sinks.push(sink);
    outputs.push(sink);
  }
  return { tail: outputs.length === 1 ? outputs[0] : new BroadcastOutput(outputs), exchanges, combiners, sinks };
}

type Combiner = LocalCombiner | RowCombiner | StringCombiner;

/** Rows where partial results have a schema and their key lies in it, else JavaScript values. */
function createCombiner(
  { codec, rowKey }: EdgeDescription,
  combine: LocalCombine,
  exchange: ExchangeOutput,
  site: FailureSite,
): Combiner {
  const { node, selector, partialSchema } = combine;
  if (rowKey === null || partialSchema === null || selector.kind !== 'fields' || node.aggregate.kind !== 'built-in')
    return new LocalCombiner(combine, exchange, site);
  const { outputs } = node.aggregate;
  const [keyField] = selector.fields;
  if (selector.fields.length === 1 && fieldType(partialSchema, keyField) === 'string')
    return new StringCombiner({ outputs, keyField, codec }, exchange, site);
  return new RowCombiner({ outputs, keyFields: selector.fields, schema: partialSchema, codec, rowKey }, exchange, site);
}

function fieldType(schema: Schema, name: string): string | undefined {
  return schema.type === 'record' ? schema.fields.find((field) => field.name === name)?.schema.type : undefined;
}

/** May rows be handed on as they are? Codecs are shared by schema, so that the same rows have the same codec. */
function sameRows(input: Codec | null, output: Codec): boolean {
  return input !== null && (input === output || (input.schema === null && output.schema === null));
}

async function openSink(
  { deployment, control }: WorkerEnvironment,
  node: GraphNode,
  stage: StagePlan,
  subtask: number,
): Promise<SinkOutput> {
  const printed: string[] = [];
  const context = sinkContext(deployment, node, subtask, stage.parallelism);
  const sink = createSink(sinkOf(node) as SinkSpec, { print: (line) => void printed.push(line) });
  let writer: SinkWriter<unknown>;
  try {
    writer = await sink.open(context);
  } catch (error) {
    throw sinkFailure(context, 'open', error);
  }
  const callWord = (stage.firstSubtask + subtask) * CONTROL_ROW_WORDS + ControlWord.sinkCall;
  return new SinkOutput(node.id, writer, context, () => printed.splice(0).join(''), control.i32, callWord);
}

/** Indices of the channels of one subtask at one end of an edge. */
function channelsOf(edge: EdgePlan, others: number, subtask: number, end: 'producer' | 'consumer', plan: JobPlan): number[] {
  const consumers = plan.stages[edge.to].parallelism;
  if (edge.kind === 'forward') return [subtask];
  return Array.from({ length: others }, (_, other) =>
    end === 'producer' ? channelIndex(false, subtask, other, consumers) : channelIndex(false, other, subtask, consumers),
  );
}

function openReaders({ deployment, channels }: WorkerEnvironment, stage: StagePlan, subtask: number): ChannelReader[] {
  const { plan } = deployment;
  return stage.inputs.flatMap((id) => {
    const edge = plan.edges[id];
    return channelsOf(edge, plan.stages[edge.from].parallelism, subtask, 'consumer', plan).map(
      (channel) => new ChannelReader(channels[id], id, channel, edge.layout),
    );
  });
}

function senderOf(reader: ChannelReader | null, plan: JobPlan): RecordSender | undefined {
  if (reader === null) return undefined;
  const { from, to, kind } = plan.edges[reader.edge];
  const subtask = kind === 'forward' ? reader.channel : Math.floor(reader.channel / plan.stages[to].parallelism);
  return { stage: from, stageName: plan.stages[from].name, subtask, afterBarrier: reader.epoch - 1 };
}

function openSource(
  { deployment, control }: WorkerEnvironment,
  node: NodeOf<'source'>,
  stage: StagePlan,
  index: number,
  chain: Chain,
  restore: SubtaskRestore,
  queue: readonly QueuedSplit[],
  fixedSplits: boolean,
  malformed: MalformedHandler,
): SourceInput {
  return new SourceInput({
    source: createSource(node.source),
    context: { parallelism: stage.parallelism, subtask: index - stage.firstSubtask, args: deployment.jobArgs },
    head: chain,
    queue,
    cursor: new Int32Array(deployment.splitCursors[stage.id] as SharedArrayBuffer),
    fixedSplits,
    done: (restore.operatorState[node.uid]?.['$done'] ?? []) as string[],
    control,
    row: index,
    epoch: restore.epoch,
    malformed,
  });
}

/** Hides that an output takes rows, where they would not be its own. */
class ValuesOnly implements Output {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  get full(): boolean {
    return this.#output.full;
  }

  emit(value: unknown, timestampMs: number): void {
    this.#output.emit(value, timestampMs);
  }
}
