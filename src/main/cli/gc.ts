/** `tidemark gc`: deletes what no checkpoint needs, and on request the oldest checkpoints. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { TidemarkError } from '../../format/errors.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import { jobDirectoriesIn } from '../../snapshot/job-directories.ts';
import { collectJob, type JobCollection } from '../collect-job.ts';
import { lockDirectory } from '../dir-lock.ts';
import { humanBytes } from '../human.ts';
import { paintOut, printJson, printOut } from './output.ts';
import { usage } from './run-options.ts';

interface GcFlags {
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly retain?: string;
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
  for (const job of jobDirectoriesIn(realFs, directory))
    jobs.push(await collectJob({ fs: realFs, lockDirectory }, job, { retained, dryRun }));
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
