/**
 * The manifest of a checkpoint: canonical JSON, one object, then a last line with a checksum. Types here; encoding below.
 */
import type { JsonValue } from './json.ts';
import type { Schema } from './schema.ts';
import type { KeyGroupRange } from './key-groups.ts';

/** A sorted table as a manifest names it. Inherited tables stand here exactly like new ones. */
export interface TableRef {
  /** Content hash; the file is `shared/<hash>.sst` (checkpoints) or `<hash>.sst` beside `_metadata` (savepoints). */
  readonly hash: string;
  readonly sizeBytes: number;
  readonly entries: number;
  readonly tombstones: number;
  /** Checkpoint that wrote it. */
  readonly createdBy: number;
  /**
   * Only entries whose key hash lies in this range (first and last, inclusive, unsigned 32 bits) count; absent: all. After
   * rescaling, several subtasks name one table, each for its own part; and a part that one of them has merged or deleted from
   * must not come back through the table as another names it.
   */
  readonly clip?: readonly [number, number];
}

/** One keyed state of one operator. */
export interface KeyedStateInfo {
  readonly name: string;
  readonly kind: string;
  readonly keyType: string;
  readonly keySchema: Schema | null;
  readonly schema: Schema | null;
  /** 32 hex characters; see `digest.ts`. Sum over all subtasks. */
  readonly digest: string;
  readonly entries: number;
}

export interface SubtaskInfo {
  readonly subtask: number;
  readonly keyGroups: KeyGroupRange | null;
  readonly finished: boolean;
  /** Newest first: an entry in an earlier table shadows those in later ones. Read only within `keyGroups`. */
  readonly tables: readonly TableRef[];
  /** Operator state: uid -> state name -> list of values. */
  readonly operatorState: Readonly<Record<string, Readonly<Record<string, readonly JsonValue[]>>>>;
  /** Committables of sinks: uid -> list. Committed once the manifest is durable. */
  readonly committables: Readonly<Record<string, readonly JsonValue[]>>;
  readonly statistics: SubtaskStatistics;
}

export interface SubtaskStatistics {
  readonly syncMs: number;
  readonly asyncMs: number;
  readonly alignmentMs: number;
  readonly startDelayMs: number;
  readonly newBytes: number;
  readonly liveBytes: number;
  /** Entries of the delta that this checkpoint wrote. */
  readonly changedEntries: number;
}

export interface StageInfo {
  /** uids of the chained operators. */
  readonly operators: readonly string[];
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly subtasks: readonly SubtaskInfo[];
}

export interface OperatorInfo {
  readonly uid: string;
  readonly name: string;
  readonly kind: string;
  readonly maxParallelism: number;
  /** Section number of each keyed state inside the tables of this operator's stage is the tables' own: by (uid, name). */
  readonly keyedStates: readonly KeyedStateInfo[];
}

export interface Manifest {
  readonly format: 1;
  readonly kind: 'checkpoint' | 'savepoint';
  readonly savepointFormat: 'canonical' | 'native' | null;
  readonly jobId: string;
  readonly jobName: string;
  readonly checkpointId: number;
  /** Path-independent reference to the parent: job id and number of the checkpoint before, or null. */
  readonly parent: { readonly jobId: string; readonly checkpointId: number } | null;
  /** Wall clock, for people only: ISO 8601. */
  readonly triggeredAt: string;
  readonly completedAt: string;
  readonly trigger: 'periodic' | 'manual' | 'savepoint' | 'stop' | 'final';
  readonly incremental: boolean;
  readonly tidemarkVersion: string;
  readonly operators: readonly OperatorInfo[];
  readonly stages: readonly StageInfo[];
  readonly counters: Readonly<Record<string, number>>;
  readonly sizes: { readonly newBytes: number; readonly referencedBytes: number; readonly liveBytes: number; readonly files: number };
  readonly durationMs: number;
  readonly config: Readonly<Record<string, JsonValue>>;
}
