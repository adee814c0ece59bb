/**
 * Deletion of checkpoints: mark and sweep from the manifests, never reference counts. Only the process that owns the
 * job's directory may do it.
 *
 * ```
 * 1   every manifest in the directory is read. If one cannot be read, nothing is deleted
 * 2   chk-<n> is renamed to .old-chk-<n>-<random> and the directory synced: the checkpoint is gone for readers, also after a crash.
    Synced too when a .old- is only found: who renamed it may have been killed before
 * 3   its tables that no other manifest names are deleted
 * 4   when all of them are, the .old- directory is removed; until then it says what is still to be deleted
 * ```
 *
 * A table may also be an orphan: written for a checkpoint that was aborted. The running job knows those of its own
 * (`abandoned`). Others, and temporary files, are swept only when the caller says that nothing is being written
 * (`sweep`), since a table that was just finished looks like one. A
 * table that is written again, with the same content, just while an old checkpoint that had it is deleted, can be lost;
 * publication notices (`publish.ts`, step 1) and fails. So it must not begin before such a collection has ended
 * (`main/checkpointing.ts`): what goes after it has looked, it does not notice.
 */
import { join } from 'node:path';
import type { TidemarkError } from '../format/errors.ts';
import { tablesOf } from '../format/manifest.ts';
import { abandonClaim } from './claim-record.ts';
import {
  attempt,
  errnoOf,
  fileError,
  isMissing,
  listDirectory,
  quietly,
  removeDirectoryOfFiles,
  syncDirectory,
} from './files.ts';
import type { FsPort } from './fs-port.ts';
import {
  catalogDirectory,
  checkpointDirectory,
  checkpointName,
  deletionName,
  isRetiredDirectoryName,
  isTemporaryDirectoryName,
  isTemporaryFileName,
  parseCheckpointName,
  parseTableName,
  sharedDirectory,
  tablePath,
  taskOwnedDirectory,
} from './paths.ts';
import { readCheckpoint } from './restore.ts';
import { findUnfinishedSavepoints, removeUnfinishedSavepoint, type UnfinishedSavepoint } from './unfinished-savepoints.ts';

export interface CollectionFacts {
  /** Complete checkpoints in the directory, and the tables that each names. */
  readonly checkpoints: readonly { readonly checkpointId: number; readonly tables: ReadonlySet<string> }[];
  /** `.old-` directories with the tables that each names; null when it has no readable manifest. */
  readonly retired: readonly { readonly name: string; readonly tables: ReadonlySet<string> | null }[];
  /** Names in the job's directory and in `shared/`. */
  readonly jobNames: readonly string[];
  readonly sharedNames: readonly string[];
  /** That the job had begun to write, in whatever directory. None when something is being written. */
  readonly savepoints: readonly UnfinishedSavepoint[];
}

export interface CollectionRequest {
  /**
   * Numbers of the checkpoints to keep. Checkpoints above the highest are left alone: they may have been published
   * since. Empty: none is kept.
   */
  readonly retain: readonly number[];
  /** Numbers to delete although they are above the highest that is kept. */
  readonly retire?: readonly number[];
  /** Hashes of tables that are written and that no manifest names yet. */
  readonly inFlight: ReadonlySet<string>;
  /** Hashes of tables that were written for what did not come to be: they go, unless a manifest names them. */
  readonly abandoned?: ReadonlySet<string>;
  /** Nothing is being written: orphans, temporary files and unfinished publications are garbage too. */
  readonly sweep: boolean;
}

export interface CollectionPlan {
  /** Numbers of checkpoints to delete. */
  readonly retire: readonly number[];
  /** Hashes of tables to delete. */
  readonly tables: readonly string[];
  /** Names in `shared/`: temporary files. */
  readonly temporaryFiles: readonly string[];
  /** Names in the job's directory: directories left by an earlier run. */
  readonly directories: readonly string[];
  readonly savepoints: readonly UnfinishedSavepoint[];
}

/** What may go. Pure. */
export function planCollection(facts: CollectionFacts, request: CollectionRequest): CollectionPlan {
  const retain = new Set(request.retain);
  const newestRetained = request.retain.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...request.retain);
  const named = new Set(request.retire);
  const isRetired = (checkpointId: number) =>
    (checkpointId < newestRetained && !retain.has(checkpointId)) || named.has(checkpointId);

  const live = new Set(request.inFlight);
  const candidates = new Set<string>(request.abandoned);
  const retire: number[] = [];
  for (const { checkpointId, tables } of facts.checkpoints) {
    if (isRetired(checkpointId)) retire.push(checkpointId);
    const side = isRetired(checkpointId) ? candidates : live;
    for (const table of tables) side.add(table);
  }
  for (const { tables } of facts.retired) for (const table of tables ?? []) candidates.add(table);

  const present = facts.sharedNames.flatMap((name) => parseTableName(name) ?? []);
  return {
    retire,
    tables: present.filter((table) => !live.has(table) && (request.sweep || candidates.has(table))),
    temporaryFiles: request.sweep ? facts.sharedNames.filter(isTemporaryFileName) : [],
    directories: [
      ...facts.retired.map(({ name }) => name),
      ...(request.sweep ? facts.jobNames.filter((name) => isTemporaryDirectoryName(name) && !isRetiredDirectoryName(name)) : []),
    ],
    savepoints: facts.savepoints,
  };
}

export interface CollectionReport {
  readonly retired: readonly number[];
  readonly deletedTables: number;
  /** What could not be deleted and is tried again by the next collection. */
  readonly failures: readonly { readonly path: string; readonly code: string; readonly message: string }[];
}

/**
 * Collects the garbage of a job's directory.
 *
 * @throws TidemarkError when a manifest or the directory cannot be read: nothing was deleted then
 */
export function collectGarbage(
  fs: FsPort,
  jobDir: string,
  request: CollectionRequest,
  options: { readonly dryRun?: boolean } = {},
): CollectionReport & { readonly plan: CollectionPlan } {
  const plan = decideCollection(fs, jobDir, request);
  if (options.dryRun === true) return { plan, retired: [], deletedTables: 0, failures: [] };
  return { plan, ...carryOutCollection(fs, jobDir, request, plan) };
}

/** What may go, of what is there now. Throws as `collectGarbage`. */
export function decideCollection(fs: FsPort, jobDir: string, request: CollectionRequest): CollectionPlan {
  return planCollection(readFacts(fs, jobDir, request.sweep), request);
}

/** Deletes. What cannot be deleted is reported, and the rest goes all the same as far as it may. */
export function carryOutCollection(
  fs: FsPort,
  jobDir: string,
  request: CollectionRequest,
  plan: CollectionPlan,
): CollectionReport {
  const shared = sharedDirectory(jobDir);
  const failures: { path: string; code: string; message: string }[] = [];
  const remove = (path: string, operation: () => void): boolean => {
    try {
      operation();
      return true;
    } catch (error) {
      if (isMissing(error)) return true;
      const failure: TidemarkError = fileError('remove', path, error);
      failures.push({ path, code: failure.code, message: failure.message });
      return false;
    }
  };

  const retired: number[] = [];
  const directories = [...plan.directories];
  for (const checkpointId of plan.retire) {
    const path = checkpointDirectory(jobDir, checkpointId);
    const away = deletionName(checkpointName(checkpointId));
    if (!remove(path, () => fs.rename(path, join(jobDir, away)))) continue;
    retired.push(checkpointId);
    directories.push(away);
  }
  // A checkpoint that is still addressable after a crash must find its tables. So also one that an earlier collection renamed: it may have
  // been killed before it synced.
  if (directories.length > 0) syncDirectory(fs, jobDir);
  const allRetired = retired.length === plan.retire.length;

  let deletedTables = 0;
  if (allRetired)
    for (const hash of plan.tables)
      if (remove(tablePath(shared, hash), () => fs.unlink(tablePath(shared, hash)))) deletedTables++;
  for (const name of plan.temporaryFiles) remove(join(shared, name), () => fs.unlink(join(shared, name)));
  // As long as a table is left, the .old- directories remember it.
  if (deletedTables === plan.tables.length)
    for (const name of directories) remove(join(jobDir, name), () => removeDirectoryOfFiles(fs, join(jobDir, name)));
  for (const savepoint of plan.savepoints) remove(savepoint.note, () => removeUnfinishedSavepoint(fs, savepoint));
  if (request.retain.length === 0 && request.sweep && failures.length === 0) removeEmptyDirectories(fs, jobDir);
  return { retired, deletedTables, failures };
}

function readFacts(fs: FsPort, jobDir: string, sweep: boolean): CollectionFacts {
  const jobNames = listDirectory(fs, jobDir);
  return {
    checkpoints: jobNames.flatMap((name) => {
      const checkpointId = parseCheckpointName(name);
      return checkpointId === null ? [] : [{ checkpointId, tables: namedTables(fs, join(jobDir, name)) }];
    }),
    retired: jobNames
      .filter(isRetiredDirectoryName)
      .map((name) => ({ name, tables: namedTablesIfReadable(fs, join(jobDir, name)) })),
    jobNames,
    sharedNames: listDirectory(fs, sharedDirectory(jobDir)),
    // While the job runs, a savepoint that is noted is being written.
    savepoints: sweep ? findUnfinishedSavepoints(fs, jobDir) : [],
  };
}

function namedTables(fs: FsPort, directory: string): ReadonlySet<string> {
  return new Set(tablesOf(readCheckpoint(fs, directory).manifest).keys());
}

/** A checkpoint in deletion may have lost its manifest already, and nobody restores from it. */
function namedTablesIfReadable(fs: FsPort, directory: string): ReadonlySet<string> | null {
  try {
    return namedTables(fs, directory);
  } catch {
    return null;
  }
}

/** When no checkpoint is kept, the job leaves nothing behind but what sinks own. */
function removeEmptyDirectories(fs: FsPort, jobDir: string): void {
  // The history of checkpoints that are gone. What is open in there, or cannot be removed, keeps the job's directory.
  quietly(() => removeDirectoryOfFiles(fs, catalogDirectory(jobDir)));
  abandonClaim(fs, jobDir);
  for (const path of [sharedDirectory(jobDir), taskOwnedDirectory(jobDir), jobDir]) {
    try {
      attempt('remove directory', path, () => fs.removeDirectory(path));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST' && errno !== 'ENOENT') throw error;
    }
  }
}
