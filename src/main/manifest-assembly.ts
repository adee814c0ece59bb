/** Binds the parts of a checkpoint into its manifest. Pure. */
import { StateDigest } from '../format/digest.ts';
import type { JsonValue } from '../format/json.ts';
import { keyGroupRange } from '../format/key-groups.ts';
import type { KeyedStateInfo, Manifest, OperatorInfo, StageInfo, SubtaskInfo, TableRef } from '../format/manifest.ts';
import { TIDEMARK_VERSION } from '../format/version.ts';
import type { PersistResult, StagePlan, SyncSnapshot } from '../worker/protocol.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { CheckpointingOptions } from './checkpointing-options.ts';
import type { Trigger } from './coordinator.ts';
import type { CheckpointSummary } from './handle.ts';
import type { UnfinishedSavepoint } from './savepoints.ts';
import type { ScheduledSubtask } from './scheduled-subtask.ts';
import type { StateTotals } from './state-totals.ts';

export interface Part {
  readonly subtask: ScheduledSubtask;
  readonly snapshot: SyncSnapshot;
  /** Checkpoint that the part's table is a delta to; -1 when it is a full snapshot. */
  readonly after: number;
  persisted: PersistResult | null;
  /** Its committables are among `#uncommitted`. */
  kept: boolean;
}

export interface PendingParts {
  readonly trigger: Trigger;
  /** The savepoint that the barrier is to become, if any. */
  readonly savepoint: UnfinishedSavepoint | null;
  readonly triggeredAt: Date;
  readonly startedMs: number;
  /** By index of the subtask. */
  readonly parts: Map<number, Part>;
}

export interface Committable {
  /** Barrier at which it was prepared. */
  readonly epoch: number;
  readonly subtask: number;
  readonly node: number;
  readonly value: JsonValue;
}

/** What a manifest is made of. */
export interface ManifestFacts {
  readonly checkpointId: number;
  readonly attempt: Pick<RunningAttempt, 'options' | 'scheduler'>;
  /** All parts are there and durable. */
  readonly pending: PendingParts;
  readonly options: CheckpointingOptions;
  readonly parent: Manifest['parent'];
  /** By `subtask/uid/state`. */
  readonly totals: StateTotals;
  readonly uncommitted: readonly Committable[];
  /** Tables that no manifest names yet: new in this one, like those of the parts. */
  readonly newTables: ReadonlySet<string>;
  /** Tables that hold the state of a part's subtask, newest first. */
  tablesOf(part: Part): readonly TableRef[];
}

export function assembleManifest(facts: ManifestFacts): Manifest {
  const { checkpointId, attempt, pending, options } = facts;
  const { graph, plan, jobId } = attempt.options;
  const parts = [...pending.parts.values()];
  const stages = plan.stages.map(
    (stage): StageInfo => ({
      operators: stage.nodes.map((node) => graph.nodes[node].uid),
      parallelism: stage.parallelism,
      maxParallelism: stage.maxParallelism,
      subtasks: Array.from({ length: stage.parallelism }, (_, i) =>
        subtaskInfo(facts, pending.parts.get(stage.firstSubtask + i) as Part),
      ),
    }),
  );
  return {
    format: 1,
    kind: 'checkpoint',
    savepointFormat: null,
    jobId,
    jobName: graph.name,
    checkpointId,
    parent: facts.parent,
    triggeredAt: pending.triggeredAt.toISOString(),
    completedAt: new Date().toISOString(),
    trigger: pending.trigger,
    incremental: options.incremental,
    tidemarkVersion: TIDEMARK_VERSION,
    operators: plan.stages.flatMap((stage) => stage.nodes.map((node) => operatorInfo(facts, stage, node))),
    stages,
    counters: countersOf(facts, parts),
    sizes: sizesOf(facts, stages, parts),
    durationMs: performance.now() - pending.startedMs,
    config: options.config,
  };
}

function sizesOf({ newTables }: ManifestFacts, stages: readonly StageInfo[], parts: readonly Part[]): Manifest['sizes'] {
  const tables = new Map(
    stages.flatMap((stage) => stage.subtasks.flatMap((subtask) => subtask.tables)).map((table) => [table.hash, table]),
  );
  const fresh = new Set([...newTables, ...parts.flatMap((part) => part.persisted?.table?.hash ?? [])]);
  let newBytes = 0;
  let referencedBytes = 0;
  for (const table of tables.values()) {
    if (fresh.has(table.hash)) newBytes += table.sizeBytes;
    else referencedBytes += table.sizeBytes;
  }
  return {
    newBytes,
    referencedBytes,
    liveBytes: parts.reduce((sum, part) => sum + part.snapshot.liveBytes, 0),
    files: tables.size,
  };
}

function subtaskInfo(facts: ManifestFacts, part: Part): SubtaskInfo {
  const { subtask, snapshot } = part;
  const { stage, indexInStage } = subtask;
  const persisted = part.persisted as PersistResult;
  return {
    subtask: indexInStage,
    keyGroups: keyGroupRange(indexInStage, stage.maxParallelism, stage.parallelism),
    finished: snapshot.finished,
    tables: facts.tablesOf(part),
    operatorState: snapshot.operatorState,
    committables: committablesOf(facts, subtask.index),
    statistics: {
      syncMs: snapshot.syncMs,
      asyncMs: persisted.asyncMs,
      alignmentMs: snapshot.alignmentMs,
      startDelayMs: snapshot.startDelayMs,
      newBytes: persisted.table?.sizeBytes ?? 0,
      liveBytes: snapshot.liveBytes,
      changedEntries: persisted.changedEntries,
    },
  };
}

function committablesOf({ attempt, uncommitted }: ManifestFacts, subtask: number): Record<string, JsonValue[]> {
  const byUid: Record<string, JsonValue[]> = {};
  for (const { node, value, subtask: owner } of uncommitted) {
    if (owner === subtask) (byUid[attempt.options.graph.nodes[node].uid] ??= []).push(value);
  }
  return byUid;
}

function operatorInfo({ attempt, totals }: ManifestFacts, stage: StagePlan, nodeId: number): OperatorInfo {
  const node = attempt.options.graph.nodes[nodeId];
  const states = attempt.scheduler.subtasks[stage.firstSubtask].states.filter((state) => state.uid === node.uid);
  return {
    uid: node.uid,
    name: node.name,
    kind: node.kind,
    maxParallelism: stage.maxParallelism,
    keyedStates: states.map((state): KeyedStateInfo => {
      const digest = new StateDigest();
      let entries = 0;
      for (let i = 0; i < stage.parallelism; i++) {
        const total = totals.get(`${stage.firstSubtask + i}/${state.uid}/${state.name}`);
        if (total === undefined) continue;
        digest.plus(total.digest);
        entries += total.entries;
      }
      const { name, kind, keyType, keySchema, schema } = state;
      return { name, kind, keyType, keySchema, schema, digest: digest.toHex(), entries };
    }),
  };
}

/** Counted at the barriers: what was read after them is not in the checkpoint. */
function countersOf({ options }: ManifestFacts, parts: readonly Part[]): Record<string, number> {
  let records = options.countersBefore['records'] ?? 0;
  let malformed = options.countersBefore['malformed'] ?? 0;
  for (const { subtask, snapshot } of parts) {
    if (subtask.source) records += snapshot.recordsIn;
    malformed += snapshot.malformed;
  }
  return { records, malformed };
}

/** What the handle and the command line tell of a checkpoint or savepoint. */
export function summaryOf(
  kind: CheckpointSummary['kind'],
  path: string,
  sizes: Manifest['sizes'],
  { checkpointId }: Manifest,
  pending: PendingParts,
): CheckpointSummary {
  return {
    checkpointId,
    path,
    kind,
    trigger: pending.trigger,
    durationMs: performance.now() - pending.startedMs,
    newBytes: sizes.newBytes,
    referencedBytes: sizes.referencedBytes,
    liveBytes: sizes.liveBytes,
    files: sizes.files,
    syncMs: Math.max(0, ...[...pending.parts.values()].map((part) => part.snapshot.syncMs)),
  };
}
