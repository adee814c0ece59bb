/**
 * What a job has claimed and not deleted yet, noted in its own directory: the process that claimed it may die before it deletes it, or while it
 * does. The next owner of the directory, or `tidemark gc`, goes on where it ended.
 *
 * ```
 * 1   <job>/.claimed is written and fsynced, and the job's directory synced: before the job has a checkpoint of its own
 * 2   when as many checkpoints of its own are complete as are retained, what was claimed is deleted (claim.ts)
 * 3   the record is removed. One that is left after that does no harm: it names what is not there any more
 * ```
 *
 * The job's directory may be deleted before step 3: by another job, which has claimed the last checkpoint in it. What step 2 had begun is then
 * finished first (`abandonClaim`), since nobody else would know of it.
 *
 * A path may come to lead to another checkpoint, when a job begins anew in its old directory. So the record says when what was claimed was
 * completed, and nothing else is deleted.
 */
import { dirname, join } from 'node:path';
import { tablesOf } from '../format/manifest.ts';
import { isTidemarkError } from '../format/errors.ts';
import type { ClaimedCheckpoint } from './claim.ts';
import { createDurably, directoryExists, isMissing, quietly, readFileBounded, syncDirectory, writeFully } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { CLAIM_NAME, tablePath } from './paths.ts';
import { type Checkpoint, readCheckpoint } from './restore.ts';

const MAX_RECORD_BYTES = 16 * 1024 * 1024;

interface ClaimRecord {
  readonly claimed: ClaimedCheckpoint;
  /** Of what was claimed, from its manifest. */
  readonly completedAt: string;
  /** Hashes of the tables of a savepoint, which lie in its directory. */
  readonly tables: readonly string[];
  /** Checkpoints that the job retains. */
  readonly retained: number;
}

/** What there is to do about a claim. */
export interface OpenClaim {
  readonly claimed: ClaimedCheckpoint;
  /** The claimed one is subsumed when so many checkpoints of the job are complete. */
  readonly retained: number;
}

/** Step 1, in place of an earlier record. @throws TidemarkError ERR_NO_SPACE, ERR_IO */
export function recordClaim(
  fs: FsPort,
  jobDirectory: string,
  claimed: ClaimedCheckpoint,
  { manifest }: Checkpoint,
  retained: number,
): void {
  const path = join(jobDirectory, CLAIM_NAME);
  const tables = manifest.kind === 'savepoint' ? [...tablesOf(manifest).keys()] : [];
  const record: ClaimRecord = { claimed, completedAt: manifest.completedAt, tables, retained };
  quietly(() => fs.unlink(path));
  createDurably(fs, path, (fd) => writeFully(fs, fd, path, Buffer.from(JSON.stringify(record))));
  syncDirectory(fs, jobDirectory);
}

/** Step 3. As far as that is possible. */
export function forgetClaim(fs: FsPort, jobDirectory: string): void {
  quietly(() => fs.unlink(join(jobDirectory, CLAIM_NAME)));
}

/**
 * The job's directory is about to be removed. What was claimed stays if it is whole, as it is when the job never had a checkpoint: it may be all
 * that there is of the job. A savepoint that was being deleted goes.
 */
export function abandonClaim(fs: FsPort, jobDirectory: string): void {
  quietly(() => findClaim(fs, jobDirectory));
  forgetClaim(fs, jobDirectory);
}

/**
 * The claim of a job whose directory the caller owns, or null when there is none, or it is fulfilled. A savepoint of which only tables are left
 * is deleted to its end.
 *
 * @param look  changes nothing
 * @throws TidemarkError when what was claimed is there and cannot be read
 */
export function findClaim(fs: FsPort, jobDirectory: string, look = false): OpenClaim | null {
  const record = readRecord(fs, jobDirectory);
  if (record === null) return null;
  const { claimed, completedAt, retained } = record;
  try {
    const { manifest } = readCheckpoint(fs, claimed.directory);
    if (manifest.completedAt === completedAt && manifest.checkpointId === claimed.checkpointId) return { claimed, retained };
  } catch (error) {
    if (!isTidemarkError(error) || error.code !== 'ERR_CHECKPOINT_NOT_FOUND') throw error;
    if (!look && claimed.jobDirectory === null) deleteRest(fs, claimed.directory, record.tables);
  }
  if (!look) forgetClaim(fs, jobDirectory);
  return null;
}

/**
 * The manifest of a savepoint goes first, and its directory last: what is in between is garbage. That the manifest is gone is made durable here
 * too: who removed it may have been killed before, and a power cut would bring it back without its tables.
 */
function deleteRest(fs: FsPort, directory: string, tables: readonly string[]): void {
  if (!directoryExists(fs, directory)) return;
  syncDirectory(fs, directory);
  for (const hash of tables) quietly(() => fs.unlink(tablePath(directory, hash)));
  quietly(() => fs.removeDirectory(directory));
  syncDirectory(fs, dirname(directory));
}

/** null also for a record that was not finished: nothing was claimed then. */
function readRecord(fs: FsPort, jobDirectory: string): ClaimRecord | null {
  try {
    const bytes = readFileBounded(fs, join(jobDirectory, CLAIM_NAME), MAX_RECORD_BYTES);
    return bytes === null ? null : (JSON.parse(bytes.toString('utf8')) as ClaimRecord);
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error)) return null;
    throw error;
  }
}
