/** From the configuration of a job, and the checkpoint that it starts from, to the options of one attempt. */
import { assert } from '../format/assert.ts';
import type { JsonValue } from '../format/json.ts';
import type { JobGraph } from '../job/graph.ts';
import { type AttemptOptions, defaultThreads } from './attempt.ts';
import type { CheckpointStore, RestorePoint } from './checkpoint-store.ts';
import type { CheckpointingOptions } from './checkpointing-options.ts';
import type { Config } from './config.ts';
import { planJob } from './plan.ts';
import { planRestore, recordedMaxParallelism } from './restore-plan.ts';

export interface AttemptFacts {
  readonly graph: JobGraph;
  readonly moduleUrl: string;
  readonly args: readonly string[];
  readonly config: Config;
  readonly store: CheckpointStore;
  /** null: the job starts empty. */
  readonly point: RestorePoint | null;
  readonly attempt: number;
  /** Least number of the first epoch. */
  readonly nextEpoch: number;
}

/** @throws TidemarkError of a plan that cannot be made, and of a checkpoint that does not fit the job */
export function attemptOptionsOf(facts: AttemptFacts): AttemptOptions {
  const { graph, config, store, point } = facts;
  const threads = config.threads ?? defaultThreads();
  const maxParallelism = config.maxParallelism ?? undefined;
  const plan = planJob(graph, {
    parallelism: config.parallelism ?? threads,
    maxParallelism,
    ...(point !== null && { recordedMaxParallelism: recordedMaxParallelism(point.manifest) }),
    slotBytes: config.runtime.batchBytes,
  });
  const { allowNonRestoredState } = config.recovery;
  const restore =
    point === null ? null : planRestore(graph, plan, point.manifest, { allowNonRestoredState, maxParallelism, path: point.path });
  return {
    graph,
    jobFile: facts.moduleUrl,
    jobArgs: facts.args,
    jobId: store.jobId,
    attempt: facts.attempt,
    plan,
    threads: Math.min(threads, Math.max(1, ...plan.stages.map((stage) => stage.parallelism))),
    settings: {
      batchBudgetMs: config.runtime.channelTimeMs,
      stateLimitBytes: config.stateMemoryLimitBytes ?? defaultStateLimitBytes(),
      compression: config.checkpointing.compression === 'none' ? 'none' : 'auto',
      // Without a directory no table is written but for savepoints, so there is none that a delta could be taken to.
      incremental: config.checkpointing.incremental && store.hasDirectory,
    },
    turnBudgetMs: config.runtime.turnBudgetMs,
    taskTimeoutMs: config.taskTimeoutMs ?? Infinity,
    firstEpoch: store.firstEpoch(facts.nextEpoch, restore?.checkpointId ?? null),
    restore,
    tablePath: (hash) => {
      assert(point !== null, 'tables are restored from a checkpoint');
      return point.tablePath(hash);
    },
  };
}

export function checkpointingOptionsOf({ config, store, point }: AttemptFacts): CheckpointingOptions {
  const { intervalMs, timeoutMs, minPauseMs, maxConcurrent, tolerableFailures, incremental, retained } = config.checkpointing;
  const duringBacklogMs = config.checkpointing.intervalDuringBacklogMs ?? intervalMs;
  return {
    coordinator: {
      intervalMs,
      backlogIntervalMs: duringBacklogMs === 0 ? null : duringBacklogMs,
      timeoutMs,
      minPauseMs,
      maxConcurrent,
      tolerableFailures,
    },
    fs: store.host.fs,
    incremental,
    jobDirectory: store.jobDirectory,
    retained,
    config: Object.fromEntries(
      [...config.values].filter(([, { origin }]) => origin !== 'default').map(([key, { value }]) => [key, value as JsonValue]),
    ),
    parent: point === null ? null : { jobId: point.manifest.jobId, checkpointId: point.manifest.checkpointId },
    retainedBefore: store.ownCheckpoints(),
    known: store.known,
    countersBefore: point?.manifest.counters ?? {},
  };
}

/** Without a limit of its own, a map may take up to 8 GiB; the machine's memory is then the limit. */
function defaultStateLimitBytes(): number {
  return 8 * 2 ** 30 - 8;
}
