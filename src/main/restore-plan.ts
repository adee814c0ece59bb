/**
 * From the manifest of a checkpoint and a physical plan to what each subtask starts from. Pure.
 *
 * Keyed state goes by key hash: a subtask names the tables of every former subtask whose range overlaps its own, clipped to the
 * overlap, so that rescaling copies nothing. How operators are chained does not matter: state belongs to (uid, name).
 *
 * Operator state is dealt out: `split` evenly, `union` all of it to every subtask (and so the states of the runtime itself,
 * whose names begin with `$`), `broadcast` what the first former subtask had to every subtask.
 */
import { TidemarkError } from '../format/errors.ts';
import type { JsonValue } from '../format/json.ts';
import { hashRangeOf, keyGroupRange } from '../format/key-groups.ts';
import type { KeyedStateInfo, Manifest, StageInfo, SubtaskInfo, TableRef } from '../format/manifest.ts';
import { fitState } from '../format/state-fit.ts';
import type { GraphNode, JobGraph } from '../job/graph.ts';
import { type DeclaredState, declaredStates } from '../job/keyed-states.ts';
import type { JobPlan, StagePlan } from '../worker/protocol.ts';
import type { SourceState } from './splits.ts';

export interface RestoredSubtask {
  /** Newest first within one range of key hashes; clipped. */
  readonly tables: readonly TableRef[];
  readonly operatorState: Readonly<Record<string, Readonly<Record<string, readonly JsonValue[]>>>>;
  /**
   * The tables hold state that the job does not have any more. Its first checkpoint must not name them: a state of that name
   * that is added later would find in them what was dropped.
   */
  readonly rewrite: boolean;
}

export interface RestorePlan {
  readonly checkpointId: number;
  /** By subtask index of the plan. */
  readonly subtasks: readonly RestoredSubtask[];
  /** By uid of the sink. */
  readonly committables: ReadonlyMap<string, readonly JsonValue[]>;
  /** By uid of the source: the states of its former subtasks. */
  readonly sources: ReadonlyMap<string, readonly SourceState[]>;
  /** By `uid/state`: digest and number of entries at the checkpoint. */
  readonly states: ReadonlyMap<string, KeyedStateInfo>;
}

export interface RestoreOptions {
  readonly allowNonRestoredState: boolean;
  /** Maximum parallelism that the job configures for all operators, if it does. */
  readonly maxParallelism: number | undefined;
  /** For messages. */
  readonly path: string;
}

/** Maximum parallelism by uid, as the checkpoint recorded it. */
export function recordedMaxParallelism(manifest: Manifest): Map<string, number> {
  return new Map(manifest.operators.map((operator) => [operator.uid, operator.maxParallelism]));
}

/**
 * @throws TidemarkError ERR_STATE_UNMATCHED, ERR_MAX_PARALLELISM, ERR_STATE_INCOMPATIBLE
 */
export function planRestore(graph: JobGraph, plan: JobPlan, manifest: Manifest, options: RestoreOptions): RestorePlan {
  const uids = new Set(graph.nodes.map((node) => node.uid));
  checkUids(manifest, uids, options);
  const dropped = findDropped(graph, plan, manifest);
  checkDropped(dropped, options);
  checkMaxParallelism(graph, manifest, options);
  checkStates(graph, plan, manifest, options);
  const states = new Map<string, KeyedStateInfo>();
  for (const operator of manifest.operators) {
    if (!uids.has(operator.uid)) continue;
    for (const state of operator.keyedStates) states.set(`${operator.uid}/${state.name}`, state);
  }
  for (const { uid, name } of dropped) states.delete(`${uid}/${name}`);
  const droppedFrom = new Set(dropped.map(({ uid }) => uid));
  return {
    checkpointId: manifest.checkpointId,
    subtasks: plan.stages.flatMap((stage) =>
      Array.from({ length: stage.parallelism }, (_, i) => restoreSubtask(graph, stage, i, manifest, states, droppedFrom)),
    ),
    committables: collectCommittables(manifest, uids),
    sources: new Map(
      graph.nodes
        .filter((node) => node.kind === 'source')
        .map((node) => [node.uid, statesOf(manifest, node.uid) as SourceState[]]),
    ),
    states,
  };
}

function checkUids(manifest: Manifest, uids: ReadonlySet<string>, options: RestoreOptions): void {
  if (options.allowNonRestoredState) return;
  const stateful = new Set(
    manifest.operators.filter((operator) => operator.keyedStates.length > 0).map((operator) => operator.uid),
  );
  for (const subtask of manifest.stages.flatMap((stage) => stage.subtasks)) {
    for (const uid of [...Object.keys(subtask.operatorState), ...Object.keys(subtask.committables)]) stateful.add(uid);
  }
  const unmatched = [...stateful].filter((uid) => !uids.has(uid));
  if (unmatched.length === 0) return;
  const names = unmatched.map((uid) => {
    const operator = manifest.operators.find((candidate) => candidate.uid === uid);
    return operator === undefined ? `'${uid}'` : `'${uid}' (${operator.name})`;
  });
  throw new TidemarkError(
    'ERR_STATE_UNMATCHED',
    `${options.path} holds state of ${names.join(', ')}, which the job does not have. Its uids are ${[...uids].map((uid) => `'${uid}'`).join(', ')}. Give the operator its former uid with .uid(), or drop that state with -n (--allow-non-restored-state).`,
    { facts: { path: options.path, unmatched: unmatched.join(',') } },
  );
}

interface DroppedState {
  readonly uid: string;
  readonly name: string;
}

/** States of operators that the job still has, but that do not have the state any more. */
function findDropped(graph: JobGraph, plan: JobPlan, manifest: Manifest): DroppedState[] {
  return plan.stages.flatMap((stage) =>
    stage.nodes.flatMap((id): DroppedState[] => {
      const node = graph.nodes[id];
      const { uid } = node;
      const declared = new Set(statesOfNode(graph, plan, stage, node).map(({ name }) => name));
      const keyed = manifest.operators.find((operator) => operator.uid === uid)?.keyedStates ?? [];
      const lists = new Set(statesOf(manifest, uid).flatMap((state) => Object.keys(state)));
      const declaredLists = node.kind === 'process' && !node.keyed ? node.process.operatorState : {};
      return [
        ...keyed.filter(({ name }) => !declared.has(name)).map(({ name }) => ({ uid, name })),
        ...[...lists].filter((name) => !name.startsWith('$') && !(name in declaredLists)).map((name) => ({ uid, name })),
      ];
    }),
  );
}

function checkDropped(dropped: readonly DroppedState[], options: RestoreOptions): void {
  if (dropped.length === 0 || options.allowNonRestoredState) return;
  const names = dropped.map(({ uid, name }) => `'${name}' of operator '${uid}'`).join(', ');
  throw new TidemarkError(
    'ERR_STATE_UNMATCHED',
    `${options.path} holds state ${names}, which the operator does not have any more. Declare it under its former name, or drop it with -n (--allow-non-restored-state).`,
    { facts: { path: options.path, unmatched: dropped.map(({ uid, name }) => `${uid}/${name}`).join(',') } },
  );
}

function checkMaxParallelism(graph: JobGraph, manifest: Manifest, options: RestoreOptions): void {
  const recorded = recordedMaxParallelism(manifest);
  for (const node of graph.nodes) {
    const configured = node.maxParallelism ?? options.maxParallelism;
    const before = recorded.get(node.uid);
    if (configured === undefined || before === undefined || configured === before) continue;
    throw new TidemarkError(
      'ERR_MAX_PARALLELISM',
      `Operator '${node.name}' (uid '${node.uid}') has maximum parallelism ${configured}, but ${before} in ${options.path}. Leave it unset to take over ${before}, or start without the checkpoint.`,
      { facts: { uid: node.uid, configured, recorded: before } },
    );
  }
}

/** Before any worker runs: sinks that recover commit and discard, which is not to happen for a job that cannot go on. */
function checkStates(graph: JobGraph, plan: JobPlan, manifest: Manifest, options: RestoreOptions): void {
  for (const stage of plan.stages) {
    const node = graph.nodes[stage.nodes[0]];
    const recorded = manifest.operators.find(({ uid }) => uid === node.uid)?.keyedStates ?? [];
    for (const declared of statesOfNode(graph, plan, stage, node)) {
      const found = recorded.find(({ name }) => name === declared.name);
      if (found !== undefined) fitState(found, declared, node.uid, options.path);
    }
  }
}

/** Keyed states that the operator will open: only the first of a stage is keyed. */
export function statesOfNode(graph: JobGraph, plan: JobPlan, stage: StagePlan, node: GraphNode): DeclaredState[] {
  const edge = plan.edges.find(({ to, keyNode }) => to === stage.id && keyNode >= 0);
  const keyNode = edge === undefined ? undefined : graph.nodes[edge.keyNode];
  if (edge === undefined || keyNode?.kind !== 'keyBy' || node.id !== stage.nodes[0]) return [];
  return declaredStates(node, keyNode.key, graph.nodes[edge.schemaNode].schema);
}

/**
 * @param states       by `uid/state`: what is restored
 * @param droppedFrom  uids of operators that have lost a state
 */
function restoreSubtask(
  graph: JobGraph,
  stage: StagePlan,
  index: number,
  manifest: Manifest,
  states: ReadonlyMap<string, KeyedStateInfo>,
  droppedFrom: ReadonlySet<string>,
): RestoredSubtask {
  const nodes = stage.nodes.map((id) => graph.nodes[id]);
  const own = hashRangeOf(keyGroupRange(index, stage.maxParallelism, stage.parallelism), stage.maxParallelism);
  // Keyed state is that of the first operator: the others of the chain may have been anywhere.
  const [{ uid: head }] = nodes;
  const hasState = [...states.keys()].some((key) => key.startsWith(`${head}/`));
  const tables: TableRef[] = [];
  for (const former of manifest.stages) {
    if (!hasState || !former.operators.includes(head)) continue;
    for (const subtask of former.subtasks) tables.push(...clipTables(former, subtask, own));
  }
  const operatorState: Record<string, Record<string, readonly JsonValue[]>> = {};
  for (const node of nodes) {
    const dealt = dealOperatorState(node, statesOf(manifest, node.uid), index, stage.parallelism);
    if (Object.keys(dealt).length > 0) operatorState[node.uid] = dealt;
  }
  return { tables, operatorState, rewrite: droppedFrom.has(head) };
}

function clipTables(former: StageInfo, subtask: SubtaskInfo, own: { first: number; last: number }): TableRef[] {
  if (subtask.keyGroups === null) return [];
  const range = hashRangeOf(subtask.keyGroups, former.maxParallelism);
  return subtask.tables.flatMap((table) => {
    const first = Math.max(own.first, range.first, table.clip?.[0] ?? 0);
    const last = Math.min(own.last, range.last, table.clip?.[1] ?? 0xffffffff);
    return first > last ? [] : [{ ...table, clip: [first, last] as const }];
  });
}

/** Operator state of all former subtasks that had the operator, in their order. */
function statesOf(manifest: Manifest, uid: string): Readonly<Record<string, readonly JsonValue[]>>[] {
  return manifest.stages.flatMap((stage) =>
    stage.subtasks.map((subtask) => subtask.operatorState[uid]).filter((state) => state !== undefined),
  );
}

function dealOperatorState(
  node: GraphNode,
  states: readonly Readonly<Record<string, readonly JsonValue[]>>[],
  index: number,
  parallelism: number,
): Record<string, readonly JsonValue[]> {
  if (node.kind === 'source') return {};
  const names = new Set(states.flatMap((state) => Object.keys(state)));
  const dealt: Record<string, readonly JsonValue[]> = {};
  for (const name of names) {
    const lists = states.map((state) => state[name] ?? []);
    const declared = node.kind === 'process' ? node.process.operatorState[name]?.redistribute : undefined;
    dealt[name] = deal(name.startsWith('$') ? 'union' : (declared ?? 'split'), lists, index, parallelism);
  }
  return dealt;
}

/** @param lists  one state of the former subtasks, in their order */
function deal(
  how: 'split' | 'union' | 'broadcast',
  lists: readonly (readonly JsonValue[])[],
  index: number,
  parallelism: number,
): readonly JsonValue[] {
  if (how === 'broadcast') return lists[0] ?? [];
  const all = lists.flat();
  if (how === 'union') return all;
  return all.slice(Math.floor((index * all.length) / parallelism), Math.floor(((index + 1) * all.length) / parallelism));
}

function collectCommittables(manifest: Manifest, uids: ReadonlySet<string>): Map<string, JsonValue[]> {
  const all = new Map<string, JsonValue[]>();
  for (const subtask of manifest.stages.flatMap((stage) => stage.subtasks)) {
    for (const [uid, values] of Object.entries(subtask.committables)) {
      if (uids.has(uid)) all.set(uid, [...(all.get(uid) ?? []), ...values]);
    }
  }
  return all;
}
