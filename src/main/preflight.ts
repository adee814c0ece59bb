/**
 * What would happen if a job were started from a checkpoint: asked before the old job is stopped. Pure.
 *
 * The answer comes from the manifest and the graph alone. Rules are those of `planRestore` and `fitState`, which hold when the job
 * really starts.
 */
import { type ErrorCode, TidemarkError } from '../format/errors.ts';
import type { KeyedStateInfo, Manifest, OperatorInfo, TableRef } from '../format/manifest.ts';
import { fitState, schemaName } from '../format/state-fit.ts';
import type { JobGraph } from '../job/graph.ts';
import type { DeclaredState } from '../job/keyed-states.ts';
import type { JobPlan } from '../worker/protocol.ts';
import { planRestore, type RestoreOptions, statesOfNode } from './restore-plan.ts';

export type StateOutcome = 'same' | 'migrated' | 'incompatible' | 'new' | 'dropped';

export interface StatePreflight {
  readonly name: string;
  readonly outcome: StateOutcome;
  /** Entries in the checkpoint. */
  readonly entries: number;
  /** Schemas of the values as text, of maps with that of their keys in front: "i32 => string"; null: there is none on this side. */
  readonly from: string | null;
  readonly to: string | null;
}

export interface OperatorPreflight {
  readonly uid: string;
  readonly name: string;
  readonly outcome: 'matched' | 'new' | 'dropped';
  /** Was the uid derived from the graph? It changes with the graph, and the state is then not found. */
  readonly derivedUid: boolean;
  /** Subtasks in the checkpoint and in the job. */
  readonly parallelism: readonly [number | null, number | null];
  readonly maxParallelism: readonly [number | null, number | null];
  readonly states: readonly StatePreflight[];
  /** Operator state, and the positions of sources, by name. */
  readonly operatorStates: readonly string[];
  /** Prepared by a sink and not known to be committed: committed when the job starts. */
  readonly committables: number;
}

export interface Preflight {
  readonly ok: boolean;
  readonly problems: readonly { readonly code: ErrorCode; readonly message: string }[];
  readonly operators: readonly OperatorPreflight[];
  /** What starting would read. */
  readonly restore: { readonly tables: number; readonly bytes: number; readonly entries: number };
}

export function preflight(graph: JobGraph, plan: JobPlan, manifest: Manifest, options: RestoreOptions): Preflight {
  const problems: { code: ErrorCode; message: string }[] = [];
  const attempt = <T>(check: () => T): T | null => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      const { code, message } = error;
      // What `planRestore` refuses of a state is found again when the states are compared.
      if (!problems.some((problem) => problem.message === message)) problems.push({ code, message });
      return null;
    }
  };
  const restore = attempt(() => planRestore(graph, plan, manifest, options));
  const operators = [
    ...plan.stages.flatMap((stage) =>
      stage.nodes.map((id): OperatorPreflight => {
        const node = graph.nodes[id];
        const former = manifest.operators.find(({ uid }) => uid === node.uid);
        return {
          ...describe(manifest, node.uid, former === undefined ? 'new' : 'matched', node.name),
          derivedUid: !node.explicitUid,
          parallelism: [parallelismOf(manifest, node.uid), stage.parallelism],
          maxParallelism: [former?.maxParallelism ?? null, stage.maxParallelism],
          states: compareStates(former, statesOfNode(graph, plan, stage, node), (found, declared) =>
            attempt(() => fitState(found, declared, node.uid, options.path)),
          ),
        };
      }),
    ),
    ...manifest.operators
      .filter(({ uid }) => !graph.nodes.some((node) => node.uid === uid))
      .map(
        (former): OperatorPreflight => ({
          ...describe(manifest, former.uid, 'dropped', former.name),
          derivedUid: false,
          parallelism: [parallelismOf(manifest, former.uid), null],
          maxParallelism: [former.maxParallelism, null],
          states: compareStates(former, [], () => null),
        }),
      ),
  ];
  const tables = new Map<string, TableRef>(
    (restore?.subtasks ?? []).flatMap((subtask) => subtask.tables).map((table) => [table.hash, table]),
  );
  return {
    ok: problems.length === 0,
    problems,
    operators,
    restore: {
      tables: tables.size,
      bytes: [...tables.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      entries: [...(restore?.states.values() ?? [])].reduce((sum, { entries }) => sum + entries, 0),
    },
  };
}

function describe(
  manifest: Manifest,
  uid: string,
  outcome: OperatorPreflight['outcome'],
  name: string,
): Pick<OperatorPreflight, 'uid' | 'name' | 'outcome' | 'operatorStates' | 'committables'> {
  const subtasks = manifest.stages.flatMap((stage) => stage.subtasks);
  const names = subtasks.flatMap((subtask) => Object.keys(subtask.operatorState[uid] ?? {}));
  return {
    uid,
    name,
    outcome,
    operatorStates: [...new Set(names)],
    committables: subtasks.reduce((sum, subtask) => sum + (subtask.committables[uid]?.length ?? 0), 0),
  };
}

function parallelismOf(manifest: Manifest, uid: string): number | null {
  return manifest.stages.find((stage) => stage.operators.includes(uid))?.parallelism ?? null;
}

function compareStates(
  former: OperatorInfo | undefined,
  declared: readonly DeclaredState[],
  fit: (found: KeyedStateInfo, declared: DeclaredState) => 'same' | 'migrated' | null,
): StatePreflight[] {
  const found = former?.keyedStates ?? [];
  return [
    ...declared.map((state): StatePreflight => {
      const before = found.find(({ name }) => name === state.name);
      return {
        name: state.name,
        outcome: before === undefined ? 'new' : (fit(before, state) ?? 'incompatible'),
        entries: before?.entries ?? 0,
        from: before === undefined ? null : contentName(before),
        to: contentName(state),
      };
    }),
    ...found
      .filter(({ name }) => !declared.some((state) => state.name === name))
      .map(
        (state): StatePreflight => ({
          name: state.name,
          outcome: 'dropped',
          entries: state.entries,
          from: contentName(state),
          to: null,
        }),
      ),
  ];
}

function contentName({ kind, keySchema, schema }: Pick<KeyedStateInfo, 'kind' | 'keySchema' | 'schema'>): string {
  return kind === 'map' ? `${schemaName(keySchema)} => ${schemaName(schema)}` : schemaName(schema);
}
