/**
 * The manifest of a checkpoint, format 1. UTF-8 text of two lines, each ended by one line feed:
 *
 * ```
 * {"checkpointId":7,...}                  canonical JSON (json.ts): keys sorted by code unit, no white space
 * sha256 <64 lower-case hex digits>       of the first line with its line feed
 * ```
 *
 * So it can be checked without our program: `head -n 1 _metadata | sha256sum`. In every future format the first line is
 * an object with a number `format`, and the last line is as above. A manifest holds no paths: it names tables by
 * content hash, and `snapshot/paths.ts` alone makes file names of them.
 *
 * Reading is strict: a missing, an unknown or an ill-typed field is ERR_MANIFEST_CORRUPT with its place. Dictionaries
 * come without prototype. Types here; what may stand where is in `manifest-fields.ts`. Golden:
 * test/golden/manifest.v1.txt
 */
import { createHash } from 'node:crypto';
import { assert } from './assert.ts';
import { TidemarkError } from './errors.ts';
import { canonicalJson, type JsonValue } from './json.ts';
import { manifestOf } from './manifest-fields.ts';
import { Validator } from './validate.ts';
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
   * Only entries whose key hash lies in this range (first and last, inclusive, unsigned 32 bits) count; absent: all.
   * After rescaling, several subtasks name one table, each for its own part; and a part that one of them has merged or
   * deleted from must not come back through the table as another names it.
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
  /**
   * Section number of each keyed state inside the tables of this operator's stage is the tables' own: by (uid, name).
   */
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
  readonly sizes: {
    readonly newBytes: number;
    readonly referencedBytes: number;
    readonly liveBytes: number;
    readonly files: number;
  };
  readonly durationMs: number;
  readonly config: Readonly<Record<string, JsonValue>>;
}

export const MANIFEST_FORMAT = 1;
/** Larger files are not read: a manifest of a thousand subtasks has about 2 MiB. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

const LINE_FEED = 0x0a;
const CHECKSUM_PREFIX = 'sha256 ';
const CHECKSUM_LINE_BYTES = CHECKSUM_PREFIX.length + 64 + 1;

/** Encodes, and proves that what is published can be read. */
export function encodeManifest(manifest: Manifest): Buffer {
  const line = Buffer.from(`${canonicalJson(manifest as unknown as JsonValue)}\n`, 'utf8');
  const bytes = Buffer.concat([line, Buffer.from(checksumLine(line), 'latin1')]);
  assert(bytes.length <= MAX_MANIFEST_BYTES, () => `a manifest of ${bytes.length} bytes is larger than ${MAX_MANIFEST_BYTES}`);
  decodeManifest(bytes, 'about to be written');
  return bytes;
}

/**
 * Decodes the bytes of a manifest.
 *
 * @param path  for messages
 * @throws TidemarkError ERR_MANIFEST_CORRUPT or ERR_FORMAT_UNSUPPORTED
 */
export function decodeManifest(bytes: Uint8Array, path: string): Manifest {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lineLength = buffer.length - CHECKSUM_LINE_BYTES;
  if (lineLength < 3 || buffer[lineLength - 1] !== LINE_FEED)
    throw manifestCorrupt(
      path,
      Math.max(0, lineLength - 1),
      `${buffer.length} bytes are not a line of JSON and a line with its checksum`,
    );
  const line = buffer.subarray(0, lineLength);
  if (buffer.toString('latin1', lineLength) !== checksumLine(line))
    throw manifestCorrupt(path, lineLength, 'the checksum in the last line does not match the first');
  const check = new Validator((where, detail) => {
    throw manifestCorrupt(path, 0, `${where === '' ? '' : `${where}: `}${detail}`);
  });
  const root = check.object(check.parse(line.toString('utf8')), '');
  const format = check.integer(root['format'], 'format', 1);
  if (format > MANIFEST_FORMAT) {
    throw new TidemarkError(
      'ERR_FORMAT_UNSUPPORTED',
      `Manifest ${path} has format ${format}; this version reads formats up to ${MANIFEST_FORMAT}. Use the version of Tidemark that wrote it, or a newer one.`,
      {
        facts: { path, format, newestRead: MANIFEST_FORMAT },
      },
    );
  }
  return manifestOf(check, root);
}

/** All tables of a checkpoint by hash. A table may stand in several places. */
export function tablesOf(manifest: Manifest): Map<string, TableRef> {
  const tables = new Map<string, TableRef>();
  for (const stage of manifest.stages)
    for (const subtask of stage.subtasks) for (const table of subtask.tables) tables.set(table.hash, table);
  return tables;
}

export function manifestCorrupt(path: string, byteOffset: number, detail: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    'ERR_MANIFEST_CORRUPT',
    `Manifest ${path} is damaged at byte ${byteOffset}: ${detail}. Restore an earlier retained checkpoint, or run \`tidemark verify\` to list what is readable.`,
    { cause, facts: { path, byteOffset, detail } },
  );
}

function checksumLine(line: Uint8Array): string {
  return `${CHECKSUM_PREFIX}${createHash('sha256').update(line).digest('hex')}\n`;
}
