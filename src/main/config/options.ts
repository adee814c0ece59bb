/**
 * Every option: key, older spellings, kind, default, meaning. The single list: the typed `Config`, the check of unknown
 * keys, `--print-config` and `docs/configuration.md` derive from it. Keys, defaults and rules are Flink's wherever Flink
 * has them; `aliases` are Flink's older spellings.
 */
import { bool, choice, decimal, duration, integer, memory, optional, text, type ValueKind } from './value-kinds.ts';

export interface Option<T> {
  readonly kind: ValueKind<T>;
  readonly defaultValue: T;
  readonly meaning: string;
  readonly aliases: readonly string[];
}

function option<T>(kind: ValueKind<T>, defaultValue: NoInfer<T>, meaning: string, aliases: readonly string[] = []): Option<T> {
  return { kind, defaultValue, meaning, aliases };
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const KIB = 1024;
/** Bound of key-group arithmetic, as in Flink. */
const MAX_PARALLELISM = 32_768;

export const OPTIONS = {
  'parallelism.default': option(
    optional(integer(1, MAX_PARALLELISM)),
    null,
    'Subtasks of each operator that does not say otherwise. `none`: as many as threads.',
  ),
  'pipeline.max-parallelism': option(
    optional(integer(1, MAX_PARALLELISM)),
    null,
    'Number of key groups: the largest parallelism that the job can ever be resumed with. Fixed at its first start. `none`: derived from the parallelism, at least 128; on restore, taken from the checkpoint.',
  ),
  'task.threads': option(optional(integer(1, 1024)), null, 'Threads of the pool. `none`: as many as the process may use.'),
  'task.timeout': option(
    optional(duration(1)),
    10 * MINUTE,
    'A turn that does not return for so long is taken as hung, and so is a `persist` or `commit` of a sink: its thread is ended and the job restarts from the last checkpoint. `none`: wait for ever.',
  ),

  'execution.checkpointing.interval': option(
    optional(duration(1)),
    null,
    'Time between the starts of two checkpoints. `none`: no checkpoints.',
  ),
  'execution.checkpointing.interval-during-backlog': option(
    optional(duration(0)),
    null,
    'The interval while a source says that it reads a backlog: `0` for no periodic checkpoints meanwhile, otherwise no shorter than `interval`. `none`: the same interval.',
  ),
  'execution.checkpointing.mode': option(
    choice(['EXACTLY_ONCE'], {
      refused: { AT_LEAST_ONCE: 'alignment never blocks a thread here, so there is no latency to win by giving up exactly-once' },
    }),
    'EXACTLY_ONCE',
    'Barriers are always aligned.',
  ),
  'execution.checkpointing.timeout': option(
    duration(10),
    10 * MINUTE,
    'A checkpoint that is not complete after so long is aborted.',
  ),
  'execution.checkpointing.min-pause': option(
    duration(0),
    0,
    'The next checkpoint starts no sooner than this after the last one completed. Needs `max-concurrent-checkpoints` 1.',
  ),
  'execution.checkpointing.max-concurrent-checkpoints': option(
    integer(1, 64),
    1,
    'How many checkpoints may be under way at once.',
  ),
  'execution.checkpointing.tolerable-failed-checkpoints': option(
    integer(0),
    0,
    'How many checkpoints may fail in a row before the job fails.',
  ),
  'execution.checkpointing.externalized-checkpoint-retention': option(
    choice(['NO_EXTERNALIZED_CHECKPOINTS', 'DELETE_ON_CANCELLATION', 'RETAIN_ON_CANCELLATION', 'RETAIN_ALWAYS'], {
      aliases: {
        never: 'NO_EXTERNALIZED_CHECKPOINTS',
        'on-failure': 'DELETE_ON_CANCELLATION',
        'on-cancellation': 'RETAIN_ON_CANCELLATION',
        always: 'RETAIN_ALWAYS',
      },
    }),
    'NO_EXTERNALIZED_CHECKPOINTS',
    'What happens to checkpoints when the job ends: deleted always; kept when it failed; kept when it failed or was cancelled; kept always. In short: `never`, `on-failure`, `on-cancellation`, `always`. A process that is killed deletes nothing, so `--resume` works with each of them.',
  ),
  'execution.checkpointing.num-retained': option(integer(1), 1, 'Completed checkpoints that are kept.', [
    'state.checkpoints.num-retained',
  ]),
  'execution.checkpointing.dir': option(
    optional(text),
    null,
    'Directory of the checkpoints; each job makes its own `<job-id>` in it. Needed with an interval.',
    ['state.checkpoints.dir'],
  ),
  'execution.checkpointing.savepoint-dir': option(optional(text), null, 'Where savepoints go when none is named.', [
    'state.savepoints.dir',
  ]),
  'execution.checkpointing.incremental': option(
    bool,
    true,
    'Write only what changed since the last checkpoint, unless half or more did. `false`: all state each time.',
    ['state.backend.incremental'],
  ),
  'execution.checkpointing.snapshot-compression': option(
    choice(['none', 'auto', 'zstd', 'brotli'], { aliases: { false: 'none', true: 'auto' } }),
    'none',
    'Compression of tables, recorded in each file. `auto` (or `true`): zstd where this Node has it, else brotli.',
  ),

  'execution.state-recovery.path': option(optional(text), null, 'Checkpoint or savepoint to start from; the same as `-s`.', [
    'execution.savepoint.path',
  ]),
  'execution.state-recovery.ignore-unclaimed-state': option(
    bool,
    false,
    'Start although the checkpoint holds state of an operator that the job does not have; the same as `-n`.',
    ['execution.savepoint.ignore-unclaimed-state'],
  ),
  'execution.state-recovery.claim-mode': option(
    choice(['NO_CLAIM', 'CLAIM'], { refused: { LEGACY: 'it leaves checkpoints that nobody owns; use NO_CLAIM' } }),
    'NO_CLAIM',
    "Whether the checkpoint that is restored becomes the job's own (and is deleted when it is subsumed) or is never touched.",
    ['execution.savepoint-restore-mode'],
  ),

  'state.memory.limit': option(
    optional(memory(1024 * KIB)),
    null,
    'Shared memory that keyed state may take, over all subtasks; the job fails beyond. `none`: what the machine gives.',
  ),

  'restart-strategy.type': option(
    choice(['auto', 'none', 'fixed-delay', 'failure-rate', 'exponential-delay'], {
      aliases: { off: 'none', disable: 'none', false: 'none' },
    }),
    'auto',
    'What follows a failure. `auto`: `exponential-delay` with checkpointing, `none` without.',
    ['restart-strategy'],
  ),
  'restart-strategy.fixed-delay.attempts': option(integer(1), 1, 'Restarts before the job fails.'),
  'restart-strategy.fixed-delay.delay': option(duration(0), SECOND, 'Delay before each restart.'),
  'restart-strategy.failure-rate.max-failures-per-interval': option(
    integer(1),
    1,
    'Failures in the interval that are tolerated; one more and the job fails.',
  ),
  'restart-strategy.failure-rate.failure-rate-interval': option(
    duration(1),
    MINUTE,
    'Length of the interval in which failures count.',
  ),
  'restart-strategy.failure-rate.delay': option(duration(0), SECOND, 'Delay before each restart.'),
  'restart-strategy.exponential-delay.initial-backoff': option(duration(1), SECOND, 'First delay.'),
  'restart-strategy.exponential-delay.max-backoff': option(duration(1), MINUTE, 'Longest delay.'),
  'restart-strategy.exponential-delay.backoff-multiplier': option(
    decimal(1, 1_000),
    1.5,
    'Each delay is so many times the one before.',
  ),
  'restart-strategy.exponential-delay.reset-backoff-threshold': option(
    duration(1),
    HOUR,
    'After running so long without a failure the delay starts over.',
  ),
  'restart-strategy.exponential-delay.jitter-factor': option(
    decimal(0, 1),
    0.1,
    'Each delay is moved at random by up to this share of it, either way.',
  ),
  'restart-strategy.exponential-delay.attempts-before-reset-backoff': option(
    optional(integer(1)),
    null,
    'Restarts before the job fails, counted from the last reset. `none`: no bound.',
  ),

  'jobmanager.execution.failover-strategy': option(
    choice(['full'], {
      refused: {
        region:
          'parts of a job share its threads and its checkpoints, so a failure takes all of them back to the last checkpoint together',
      },
    }),
    'full',
    'What a failure restarts: the whole job, from its last checkpoint.',
  ),

  // To hand a turn over costs 70 to 300 microseconds where all cores are busy, caches included. Word count, 2 threads, CPU time a word:
  // 243 ns at 4 ms, 225 at 8, 218 at 16.
  'runtime.turn.budget': option(
    duration(0.1),
    8,
    'Time that one turn of a subtask aims at. Longer turns cost less overhead, shorter ones let barriers pass sooner.',
  ),
  // A turn cannot write more than the rings hold: at 32 kb turns lasted 0.8 ms, and a fifth of the time went into handing them over.
  // Keyed count of 1,000 keys, 2 threads: 12.8 M records/s at 32 kb, 17.5 at 128, 18.8 at 256, 19.3 at 512.
  'runtime.batch.bytes': option(
    memory(8 * KIB),
    256 * KIB,
    'Most bytes of a batch of records that travels from one subtask to another. A channel holds four; with very many channels they get smaller.',
  ),
  'runtime.channel.time': option(
    duration(1),
    20,
    'Bound of the data in flight between two subtasks, as time that the receiver needs for it.',
  ),
} as const;

export type OptionKey = keyof typeof OPTIONS;
export type OptionValue<K extends OptionKey> = (typeof OPTIONS)[K] extends Option<infer T> ? T : never;

export const OPTION_KEYS = Object.keys(OPTIONS) as readonly OptionKey[];

const NO_CHANNEL_STATE = 'barriers are aligned, so no checkpoint has data in flight';
const NO_SMALL_FILES = 'each subtask writes one table per checkpoint, so there are no small files to put elsewhere';
const FIXED_BLOCKS = 'tables are written in blocks whose size belongs to their format';
const OWN_DIRECTORY = 'each job has a directory of its own, which it locks and clears away';
const ON_THIS_HOST = 'checkpoints lie on this host: there is no other place to keep a nearer copy of';

/** Options of Flink that are deliberately not here: the key, or what it begins with, and why. The first that fits counts. */
export const REFUSED: readonly (readonly [key: string, reason: string])[] = [
  [
    'execution.checkpointing.unaligned',
    'unaligned checkpoints are not built, on purpose: queues are short and bounded by time, so an aligned barrier passes quickly and no data in flight needs to be stored',
  ],
  [
    'execution.checkpointing.aligned-checkpoint-timeout',
    'it switches to unaligned checkpoints, which are not built, on purpose: queues are short and bounded by time, so an aligned barrier passes quickly',
  ],
  ['execution.checkpointing.alignment-timeout', 'it switches to unaligned checkpoints, which are not built, on purpose'],
  ['execution.state-recovery.without-channel-state', NO_CHANNEL_STATE],
  ['execution.checkpointing.recover-without-channel-state', NO_CHANNEL_STATE],
  ['execution.checkpointing.storage', 'checkpoints are always files; set execution.checkpointing.dir'],
  ['state.checkpoint-storage', 'checkpoints are always files; set execution.checkpointing.dir'],
  [
    'execution.checkpointing.file-merging',
    'each subtask writes one table per checkpoint and merges tables in the background, so there are no small files to merge',
  ],
  ['execution.checkpointing.data-inline-threshold', NO_SMALL_FILES],
  ['state.storage.fs.memory-threshold', NO_SMALL_FILES],
  ['state.backend.fs.memory-threshold', NO_SMALL_FILES],
  ['execution.checkpointing.write-buffer-size', FIXED_BLOCKS],
  ['state.storage.fs.write-buffer-size', FIXED_BLOCKS],
  ['state.backend.fs.write-buffer-size', FIXED_BLOCKS],
  ['execution.checkpointing.create-subdir', OWN_DIRECTORY],
  ['state.checkpoints.create-subdir', OWN_DIRECTORY],
  ['execution.checkpointing.cleaner', 'old checkpoints are deleted one after another, in the background'],
  ['execution.checkpointing.local-backup', ON_THIS_HOST],
  ['execution.state-recovery.from-local', ON_THIS_HOST],
  ['state.backend.local-recovery', ON_THIS_HOST],
  [
    'execution.checkpointing.checkpoints-after-tasks-finish',
    'checkpoints always go on when parts of the job have finished, and the last one is taken at its end',
  ],
  ['execution.checkpointing.region', 'every checkpoint is of the whole job'],
  ['state.backend.async', 'checkpoints are always written in the background'],
  ['state.backend', 'there is one state backend, in shared memory'],
  ['taskmanager.numberOfTaskSlots', 'a job runs in one process; set task.threads'],
  ['taskmanager', 'a job runs in one process on one host'],
  ['jobmanager', 'a job runs in one process on one host'],
  ['high-availability', 'a job runs in one process on one host; it is resumed with --resume'],
];

/** Why a key of Flink's is not offered, or `undefined`. */
export function refusalOf(key: string): string | undefined {
  return REFUSED.find(([prefix]) => key === prefix || key.startsWith(`${prefix}.`))?.[1];
}

const SPELLINGS: ReadonlyMap<string, OptionKey> = new Map(
  OPTION_KEYS.flatMap((key) => [key, ...OPTIONS[key].aliases].map((spelling) => [spelling, key] as const)),
);

/** The option that a key, in its new or old spelling, means. */
export function optionKeyOf(spelling: string): OptionKey | undefined {
  return SPELLINGS.get(spelling);
}

/** Do keys of options begin with this one and a dot? It may stand in a file with nothing below it. */
export function isGroup(key: string): boolean {
  return [...SPELLINGS.keys()].some((spelling) => spelling.startsWith(`${key}.`));
}

/** All keys and old spellings. */
export function allSpellings(): Iterable<string> {
  return SPELLINGS.keys();
}
