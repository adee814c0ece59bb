/**
 * Savepoints that are being taken: from the barrier that they are of until they are written, or nothing is left of them.
 */
import { join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { type Manifest, tablesOf } from '../format/manifest.ts';
import { quietly, removeDirectoryOfFiles } from '../snapshot/files.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import { publicationPrefix, savepointName, tablePath } from '../snapshot/paths.ts';
import { discardSavepoint, type SavepointFormat } from '../snapshot/savepoint.ts';
import type { SavepointResult } from '../worker/protocol.ts';
import { withSingleBroadcasts } from './broadcast-lists.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { SavepointRequest } from './savepoint-request.ts';
import { withSettledSplits } from './splits.ts';

export class Savepoints {
  readonly #attempt: RunningAttempt;
  readonly #fs: FsPort;
  readonly #jobDirectory: string | null;
  readonly #fileOf: (hash: string) => string;
  readonly #unfinished = new Set<UnfinishedSavepoint>();

  /** @param fileOf  where a table of the job lies */
  constructor(attempt: RunningAttempt, fs: FsPort, jobDirectory: string | null, fileOf: (hash: string) => string) {
    this.#attempt = attempt;
    this.#fs = fs;
    this.#jobDirectory = jobDirectory;
    this.#fileOf = fileOf;
  }

  begin(request: SavepointRequest): UnfinishedSavepoint {
    const savepoint = new UnfinishedSavepoint(this.#fs, request, this.#attempt.options.jobId, this.#jobDirectory);
    this.#unfinished.add(savepoint);
    return savepoint;
  }

  /**
   * Writes and publishes it.
   *
   * @param manifest  of the barrier, whose tables are durable
   */
  write(savepoint: UnfinishedSavepoint, manifest: Manifest): Promise<SavepointResult> {
    const { target, name, format, workDirectory } = savepoint;
    const settled = (): Manifest => withSettledSplits(withSingleBroadcasts(manifest, this.#attempt.options.graph));
    return this.#attempt.run<SavepointResult>({
      op: 'savepoint',
      jobDirectory: this.#jobDirectory,
      target,
      name,
      format,
      manifest: JSON.stringify(format === 'canonical' ? settled() : manifest),
      tables: [...tablesOf(manifest).values()].map((table) => ({
        table,
        path: workDirectory === null ? this.#fileOf(table.hash) : tablePath(workDirectory, table.hash),
      })),
    });
  }

  /** It is what was asked for: from now on it is the user's. */
  completed(savepoint: UnfinishedSavepoint): void {
    savepoint.discardWork();
    this.#unfinished.delete(savepoint);
  }

  abandon(savepoint: UnfinishedSavepoint): void {
    savepoint.discard();
    // Parts may still be written for it: then it is looked at again when all threads have ended.
    if (savepoint.workDirectory === null) this.#unfinished.delete(savepoint);
  }

  /** No thread writes any more. */
  discardAll(): void {
    for (const savepoint of this.#unfinished) savepoint.discard();
  }
}

/** A savepoint that is being taken. Its name is chosen before, so that what a failure leaves can be found and removed. */
export class UnfinishedSavepoint {
  readonly #fs: FsPort;
  readonly #jobDirectory: string | null;
  readonly target: string;
  readonly format: SavepointFormat;
  readonly name: string;
  /** For the tables of a job that has no checkpoint directory; null where it has. Made by `prepare`. */
  readonly workDirectory: string | null;

  constructor(fs: FsPort, request: SavepointRequest, jobId: string, jobDirectory: string | null) {
    this.#fs = fs;
    this.#jobDirectory = jobDirectory;
    this.target = request.target;
    this.format = request.format;
    this.name = savepointName(jobId);
    this.workDirectory = jobDirectory !== null ? null : join(this.target, `${publicationPrefix(this.name)}tables`);
  }

  /** @throws the error of mkdir */
  prepare(): void {
    if (this.workDirectory !== null) this.#fs.makeDirectory(this.workDirectory);
  }

  /** Removes whatever there is of it. */
  discard(): void {
    discardSavepoint(this.#fs, this.target, this.name, this.#jobDirectory);
  }

  /** Removes the tables that were copied or linked into the savepoint, which stays. */
  discardWork(): void {
    const { workDirectory } = this;
    if (workDirectory !== null) quietly(() => removeDirectoryOfFiles(this.#fs, workDirectory));
  }

  failure(cause: unknown): TidemarkError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new TidemarkError('ERR_SAVEPOINT_FAILED', `No savepoint was taken in ${this.target}: ${reason}`, {
      cause,
      facts: { path: this.target, format: this.format },
    });
  }
}
