/**
 * Configuration of a job: one typed object, in milliseconds and bytes, and the origin of every value.
 * Precedence: defaults < `tidemark.config.yaml` < `TIDEMARK_...` environment < job code < `-D` and run options.
 */
import { configInvalid, mergeLayers, type LayerEntry, type ResolvedValue } from './config/layers.ts';
import { readEnvironment } from './config/environment.ts';
import { OPTION_KEYS, OPTIONS, type OptionKey, type OptionValue } from './config/options.ts';
import type { RawValue } from './config/value-kinds.ts';
import type { RestartStrategy } from './restart-strategy.ts';

export { CONFIG_FILE_NAME, readConfigFile } from './config/file.ts';
export type { OptionKey, OptionValue } from './config/options.ts';

export interface ConfigSources {
  /** From `readConfigFile`. */
  readonly file?: readonly LayerEntry[];
  /** Usually `process.env`; absent: none. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `JobGraph.config`. */
  readonly code?: Readonly<Record<string, RawValue>>;
  /** `-D` or `RunOptions.config`. */
  readonly overrides?: Readonly<Record<string, RawValue>>;
  /** What messages call the overrides; default `-D`. */
  readonly overridesOrigin?: string;
}

export type Retention = OptionValue<'execution.checkpointing.externalized-checkpoint-retention'>;
export type CompressionChoice = OptionValue<'execution.checkpointing.snapshot-compression'>;

/** What the engine reads. `null` is "not set", with the meaning that `docs/configuration.md` gives. */
export interface Config {
  readonly threads: number | null;
  readonly parallelism: number | null;
  readonly maxParallelism: number | null;
  readonly taskTimeoutMs: number | null;
  readonly stateMemoryLimitBytes: number | null;
  readonly checkpointing: {
    readonly intervalMs: number | null;
    /** null: the same; 0: no periodic checkpoints meanwhile. */
    readonly intervalDuringBacklogMs: number | null;
    readonly timeoutMs: number;
    readonly minPauseMs: number;
    readonly maxConcurrent: number;
    readonly tolerableFailures: number;
    readonly retention: Retention;
    readonly retained: number;
    readonly directory: string | null;
    readonly savepointDirectory: string | null;
    readonly incremental: boolean;
    readonly compression: CompressionChoice;
  };
  readonly recovery: {
    readonly from: string | null;
    readonly allowNonRestoredState: boolean;
    readonly claimMode: 'no-claim' | 'claim';
  };
  readonly restart: RestartStrategy;
  readonly runtime: {
    readonly turnBudgetMs: number;
    readonly batchBytes: number;
    readonly channelTimeMs: number;
  };
  /** Every option with its value and where it comes from, in the order of the reference. */
  readonly values: ReadonlyMap<OptionKey, ResolvedValue>;
}

/**
 * @throws TidemarkError ERR_CONFIG_INVALID: unknown keys (with the nearest known one), refused values, options that
 * contradict each other; all of them in one error
 */
export function resolveConfig(sources: ConfigSources = {}): Config {
  const origin = sources.overridesOrigin ?? '-D';
  const given = mergeLayers([
    sources.file ?? [],
    readEnvironment(sources.env ?? {}),
    layerOf(sources.code, 'job code'),
    layerOf(sources.overrides, origin),
  ]);
  const values = new Map<OptionKey, ResolvedValue>(
    OPTION_KEYS.map((key) => [key, given.get(key) ?? { value: OPTIONS[key].defaultValue, origin: 'default' }]),
  );
  const get = <K extends OptionKey>(key: K): OptionValue<K> => values.get(key)?.value as OptionValue<K>;

  const config: Config = {
    threads: get('task.threads'),
    parallelism: get('parallelism.default'),
    maxParallelism: get('pipeline.max-parallelism'),
    taskTimeoutMs: get('task.timeout'),
    stateMemoryLimitBytes: get('state.memory.limit'),
    checkpointing: {
      intervalMs: get('execution.checkpointing.interval'),
      intervalDuringBacklogMs: get('execution.checkpointing.interval-during-backlog'),
      timeoutMs: get('execution.checkpointing.timeout'),
      minPauseMs: get('execution.checkpointing.min-pause'),
      maxConcurrent: get('execution.checkpointing.max-concurrent-checkpoints'),
      tolerableFailures: get('execution.checkpointing.tolerable-failed-checkpoints'),
      retention: get('execution.checkpointing.externalized-checkpoint-retention'),
      retained: get('execution.checkpointing.num-retained'),
      directory: get('execution.checkpointing.dir'),
      savepointDirectory: get('execution.checkpointing.savepoint-dir'),
      incremental: get('execution.checkpointing.incremental'),
      compression: get('execution.checkpointing.snapshot-compression'),
    },
    recovery: {
      from: get('execution.state-recovery.path'),
      allowNonRestoredState: get('execution.state-recovery.ignore-unclaimed-state'),
      claimMode: get('execution.state-recovery.claim-mode') === 'CLAIM' ? 'claim' : 'no-claim',
    },
    restart: restartStrategyOf(get),
    runtime: {
      turnBudgetMs: get('runtime.turn.budget'),
      batchBytes: get('runtime.batch.bytes'),
      channelTimeMs: get('runtime.channel.time'),
    },
    values,
  };
  const problems = contradictions(config, values);
  if (problems.length > 0) throw configInvalid(problems);
  return config;
}

/** For `--print-config`: a line per option, `key: value  # origin`, itself a valid configuration file. */
export function describeConfig(config: Config): string {
  const rows = [...config.values].map(
    ([key, { value, origin }]) => [`${key}: ${formatOption(key, value)}`, `# ${origin}`] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`).join('\n');
}

/** For `--print-config --json`. */
export function describeConfigAsJson(config: Config): Record<string, { value: string; origin: string }> {
  return Object.fromEntries(
    [...config.values].map(([key, { value, origin }]) => [key, { value: formatOption(key, value), origin }]),
  );
}

function formatOption(key: OptionKey, value: unknown): string {
  return (OPTIONS[key].kind.format as (value: unknown) => string)(value);
}

function layerOf(values: Readonly<Record<string, RawValue>> | undefined, origin: string): LayerEntry[] {
  return Object.entries(values ?? {}).map(([key, raw]) => ({ key, raw, origin }));
}

function restartStrategyOf(get: <K extends OptionKey>(key: K) => OptionValue<K>): RestartStrategy {
  const type = get('restart-strategy.type');
  switch (type) {
    case 'auto':
      if (get('execution.checkpointing.interval') === null) return { type: 'none' };
      break;
    case 'none':
      return { type };
    case 'fixed-delay':
      return { type, attempts: get('restart-strategy.fixed-delay.attempts'), delayMs: get('restart-strategy.fixed-delay.delay') };
    case 'failure-rate':
      return {
        type,
        maxFailures: get('restart-strategy.failure-rate.max-failures-per-interval'),
        intervalMs: get('restart-strategy.failure-rate.failure-rate-interval'),
        delayMs: get('restart-strategy.failure-rate.delay'),
      };
    case 'exponential-delay':
      break;
  }
  return {
    type: 'exponential-delay',
    initialBackoffMs: get('restart-strategy.exponential-delay.initial-backoff'),
    maxBackoffMs: get('restart-strategy.exponential-delay.max-backoff'),
    multiplier: get('restart-strategy.exponential-delay.backoff-multiplier'),
    resetThresholdMs: get('restart-strategy.exponential-delay.reset-backoff-threshold'),
    jitter: get('restart-strategy.exponential-delay.jitter-factor'),
    attempts: get('restart-strategy.exponential-delay.attempts-before-reset-backoff'),
  };
}

/** Options that are each valid and together are not. */
function contradictions(config: Config, values: ReadonlyMap<OptionKey, ResolvedValue>): string[] {
  const origin = (key: OptionKey): string => values.get(key)?.origin ?? '';
  const problems: string[] = [];
  const { checkpointing, restart } = config;
  if (checkpointing.intervalMs !== null && checkpointing.directory === null) {
    problems.push(
      `execution.checkpointing.interval is set (${origin('execution.checkpointing.interval')}) but not execution.checkpointing.dir: say where checkpoints go`,
    );
  }
  const { intervalMs, intervalDuringBacklogMs } = checkpointing;
  if (intervalDuringBacklogMs !== null && intervalDuringBacklogMs > 0 && intervalDuringBacklogMs < (intervalMs ?? Infinity)) {
    const interval =
      intervalMs === null
        ? 'execution.checkpointing.interval is not set: without it there are no periodic checkpoints at any time'
        : `execution.checkpointing.interval is ${formatOption('execution.checkpointing.interval', intervalMs)} (${origin('execution.checkpointing.interval')}): checkpoints come no more often during a backlog than otherwise, or not at all (0)`;
    problems.push(
      `execution.checkpointing.interval-during-backlog is ${formatOption('execution.checkpointing.interval-during-backlog', intervalDuringBacklogMs)} (${origin('execution.checkpointing.interval-during-backlog')}), but ${interval}`,
    );
  }
  if (checkpointing.minPauseMs > 0 && checkpointing.maxConcurrent > 1) {
    problems.push(
      `execution.checkpointing.min-pause (${origin('execution.checkpointing.min-pause')}) and execution.checkpointing.max-concurrent-checkpoints ${checkpointing.maxConcurrent} ` +
        `(${origin('execution.checkpointing.max-concurrent-checkpoints')}) exclude each other: with a pause between two checkpoints they cannot overlap`,
    );
  }
  if (restart.type === 'exponential-delay' && restart.initialBackoffMs > restart.maxBackoffMs) {
    problems.push(
      `restart-strategy.exponential-delay.initial-backoff (${origin('restart-strategy.exponential-delay.initial-backoff')}) is longer than ` +
        `restart-strategy.exponential-delay.max-backoff (${origin('restart-strategy.exponential-delay.max-backoff')})`,
    );
  }
  return problems;
}
