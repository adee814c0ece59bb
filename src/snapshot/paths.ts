/**
 * All names on disk, in one place. The layout is a contract:
 *
 * ```
 * <base>/<job-id>/chk-<n>/_metadata       manifest of checkpoint n; a chk-<n> without one never exists
 * <base>/<job-id>/shared/<hash>.sst       sorted tables, named by content
 * <base>/<job-id>/taskowned/              what sinks own; never deleted here
 * <base>/<job-id>/.savepoint-<name>       a savepoint of that name is being written, and where (unfinished-savepoints.ts)
 * <base>/<job-id>/.claimed                what the job has claimed and not deleted yet (claim-record.ts)
 * <base>/<job-id>/catalog/                history of the checkpoints, a LevelDB; may be deleted at any time
 * <savepoint dir>/savepoint-<6 of job-id>-<random>/_metadata and <hash>.sst beside it: self-contained
 * ```
 *
 * Names that begin with a dot are temporary: readers pass over them, and the owner deletes them when nothing writes
 * (`.tmp-...` files, `.new-...` directories being published, `.old-...` directories being deleted).
 *
 * Names from a manifest are hashes that were checked by pattern; only this file makes paths of them.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { assert } from '../format/assert.ts';
import { isContentHash } from '../format/content-hash.ts';

export const METADATA_NAME = '_metadata';
export const SHARED_NAME = 'shared';
export const TASK_OWNED_NAME = 'taskowned';
export const CATALOG_NAME = 'catalog';
export const CLAIM_NAME = '.claimed';
const TABLE_SUFFIX = '.sst';
const TEMPORARY_FILE = '.tmp-';
const DIRECTORY_IN_PUBLICATION = '.new-';
const DIRECTORY_IN_DELETION = '.old-';

const SAVEPOINT_NOTE = '.';

const JOB_ID_PATTERN = /^[0-9a-f]{32}$/;
/** No leading zero, so that a number has one name. */
const CHECKPOINT_PATTERN = /^chk-([1-9][0-9]{0,15})$/;
const SAVEPOINT_PATTERN = /^savepoint-[0-9a-f]{6}-[0-9a-f]{12}$/;

export function jobDirectory(base: string, jobId: string): string {
  assert(isJobId(jobId), 'a job id is 32 hex digits');
  return join(base, jobId);
}

export function checkpointName(checkpointId: number): string {
  return `chk-${checkpointId}`;
}

export function checkpointDirectory(jobDir: string, checkpointId: number): string {
  return join(jobDir, checkpointName(checkpointId));
}

export function sharedDirectory(jobDir: string): string {
  return join(jobDir, SHARED_NAME);
}

export function taskOwnedDirectory(jobDir: string): string {
  return join(jobDir, TASK_OWNED_NAME);
}

export function catalogDirectory(jobDir: string): string {
  return join(jobDir, CATALOG_NAME);
}

export function manifestPath(directory: string): string {
  return join(directory, METADATA_NAME);
}

export function tableName(hash: string): string {
  assert(isContentHash(hash), 'a table is named by a content hash');
  return hash + TABLE_SUFFIX;
}

/** @param directory  `shared/` of a job, or a savepoint's directory */
export function tablePath(directory: string, hash: string): string {
  return join(directory, tableName(hash));
}

/** A new name for a savepoint of a job; try another one when it exists. */
export function savepointName(jobId: string): string {
  return `savepoint-${jobId.slice(0, 6)}-${random()}`;
}

/** Name of the note that a savepoint is being written. */
export function savepointNoteName(name: string): string {
  return SAVEPOINT_NOTE + name;
}

/** Name of the savepoint that a note is about, or null. */
export function parseSavepointNote(entry: string): string | null {
  const name = entry.slice(SAVEPOINT_NOTE.length);
  return entry.startsWith(SAVEPOINT_NOTE) && isSavepointName(name) ? name : null;
}

export function temporaryFileName(): string {
  return TEMPORARY_FILE + random();
}

export function publicationName(finalName: string): string {
  return publicationPrefix(finalName) + random();
}

/** How the names of unfinished publications under a final name begin. */
export function publicationPrefix(finalName: string): string {
  return `${DIRECTORY_IN_PUBLICATION}${finalName}-`;
}

export function deletionName(name: string): string {
  return `${DIRECTORY_IN_DELETION}${name}-${random()}`;
}

export function isJobId(name: string): boolean {
  return JOB_ID_PATTERN.test(name);
}

/** Number of the checkpoint that a directory name stands for, or null. */
export function parseCheckpointName(name: string): number | null {
  const match = CHECKPOINT_PATTERN.exec(name);
  const checkpointId = match === null ? 0 : Number(match[1]);
  return Number.isSafeInteger(checkpointId) && checkpointId > 0 ? checkpointId : null;
}

export function isSavepointName(name: string): boolean {
  return SAVEPOINT_PATTERN.test(name);
}

/** Hash of the table that a file name stands for, or null. */
export function parseTableName(name: string): string | null {
  if (!name.endsWith(TABLE_SUFFIX)) return null;
  const hash = name.slice(0, -TABLE_SUFFIX.length);
  return isContentHash(hash) ? hash : null;
}

export function isTemporaryFileName(name: string): boolean {
  return name.startsWith(TEMPORARY_FILE);
}

/** A checkpoint whose deletion has begun. */
export function isRetiredDirectoryName(name: string): boolean {
  return name.startsWith(DIRECTORY_IN_DELETION);
}

export function isTemporaryDirectoryName(name: string): boolean {
  return name.startsWith(DIRECTORY_IN_PUBLICATION) || name.startsWith(DIRECTORY_IN_DELETION);
}

function random(): string {
  return randomBytes(6).toString('hex');
}
