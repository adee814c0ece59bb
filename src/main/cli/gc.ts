/** `tidemark gc`: deletes what no checkpoint needs, and on request the oldest checkpoints. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TidemarkError } from '../../format/errors.ts';
import { withRegularFile } from '../../snapshot/files.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import { collectGarbage, type CollectionPlan, type CollectionRequest } from '../../snapshot/gc.ts';
import { jobDirectoriesIn } from '../../snapshot/job-directories.ts';
import { checkpointDirectory, sharedDirectory, tablePath } from '../../snapshot/paths.ts';
import { findCheckpointsOfJob, type FoundCheckpoint } from '../../snapshot/restore.ts';
import { lockDirectory } from '../dir-lock.ts';
import { humanBytes } from '../human.ts';
import { paintOut, printJson, printOut } from './output.ts';
import { usage } from './run-options.ts';

interface GcFlags {
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly retain?: string;
}

interface JobCollection {
  readonly directory: string;
  /** Directories of checkpoints that are deleted, or would be. */
  readonly checkpoints: readonly string[];
  readonly tables: readonly string[];
  /** Temporary files, and directories of unfinished publications and deletions. */
  readonly leftovers: readonly string[];
  /** Of the tables. */
  readonly bytes: number;
  /** Why nothing was deleted here, or not everything. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** @returns 1 when something could not be collected */
export async function gcCommand(directory: string, flags: GcFlags): Promise<number> {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new TidemarkError(
      'ERR_CHECKPOINT_DIR',
      `There is no directory ${resolve(directory)}. Name execution.checkpointing.dir, or the directory of one job in it.`,
      { facts: { path: directory } },
    );
  }
  const retained = retainedOf(flags.retain);
  const dryRun = flags.dryRun === true;
  const jobs: JobCollection[] = [];
  for (const job of jobDirectoriesIn(realFs, directory)) jobs.push(await collect(job, retained, dryRun));
  if (flags.json) printJson({ directory, dryRun, jobs });
  else print(jobs, directory, dryRun);
  return jobs.some(({ problem }) => problem !== null) ? 1 : 0;
}

function retainedOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw usage(`--retain needs a whole number of at least 1; it was given ${JSON.stringify(text)}`);
  return Number(text);
}

/** Only the owner of a job's directory may delete in it: while a job runs, that is its runtime, which does so by itself. */
async function collect(directory: string, retained: number, dryRun: boolean): Promise<JobCollection> {
  const nothing: JobCollection = { directory, checkpoints: [], tables: [], leftovers: [], bytes: 0, problem: null };
  try {
    const lock = await lockDirectory(directory, { waitMs: 500 });
    try {
      const request: CollectionRequest = {
        retain: checkpointsToKeep(findCheckpointsOfJob(realFs, directory), retained),
        inFlight: new Set(),
        sweep: true,
      };
      const { plan } = collectGarbage(realFs, directory, request, { dryRun: true });
      const found = describe(directory, plan);
      if (dryRun) return found;
      const [failure] = collectGarbage(realFs, directory, request).failures;
      return failure === undefined ? found : { ...found, problem: { code: failure.code, message: failure.message } };
    } finally {
      await lock.release();
    }
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    return { ...nothing, problem: { code: error.code, message: error.message } };
  }
}

/** The newest ones, of which `retained` are sound: a damaged one is nothing to fall back on. */
function checkpointsToKeep(newestFirst: readonly FoundCheckpoint[], retained: number): number[] {
  let sound = 0;
  return newestFirst
    .filter(({ problem }) => sound < retained && (problem !== null || ++sound > 0))
    .map(({ checkpointId }) => checkpointId);
}

function describe(directory: string, plan: CollectionPlan): JobCollection {
  const shared = sharedDirectory(directory);
  const tables = plan.tables.map((hash) => tablePath(shared, hash));
  return {
    directory,
    checkpoints: plan.retire.map((id) => checkpointDirectory(directory, id)),
    tables,
    leftovers: [
      ...plan.temporaryFiles.map((name) => join(shared, name)),
      ...plan.directories.map((name) => join(directory, name)),
    ],
    bytes: tables.reduce((sum, path) => sum + withRegularFile(realFs, path, (_fd, sizeBytes) => sizeBytes), 0),
    problem: null,
  };
}

function print(jobs: readonly JobCollection[], directory: string, dryRun: boolean): void {
  if (jobs.length === 0) printOut(`There is no job's directory in ${directory}.`);
  const verb = dryRun ? 'would delete' : 'deleted';
  for (const { directory: job, checkpoints, tables, leftovers, bytes, problem } of jobs) {
    if (problem !== null) {
      printOut(`${job}: ${paintOut('yellow', 'nothing deleted')}, or not everything. ${problem.code}: ${problem.message}`);
      continue;
    }
    if (checkpoints.length + tables.length + leftovers.length === 0) {
      printOut(`${job}: nothing to delete.`);
      continue;
    }
    printOut(
      `${job}: ${verb} ${counted(checkpoints, 'checkpoint')}, ${counted(tables, 'table')} (${humanBytes(bytes)}), ${counted(leftovers, 'leftover')}.`,
    );
    for (const path of [...checkpoints, ...tables, ...leftovers]) printOut(`  ${path}`);
  }
  if (dryRun) printOut('Nothing was deleted: this was a dry run.');
}

function counted(items: readonly unknown[], name: string): string {
  return `${items.length} ${name}${items.length === 1 ? '' : 's'}`;
}
