/** Commands that read checkpoints from disk: checkpoints list, verify. They change nothing and need no running job. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { TidemarkError } from '../../format/errors.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import { type CheckpointListing, listCheckpoints } from '../../snapshot/inspect.ts';
import type { VerifyReport } from '../../snapshot/verify.ts';
import { humanBytes, humanCount, humanDuration } from '../human.ts';
import { printable } from '../terminal.ts';
import type { Column } from '../text-table.ts';
import { verifyInParallel } from '../verify-in-parallel.ts';
import { paintOut, printJson, printOut, printTable } from './output.ts';

interface JsonFlag {
  readonly json?: boolean;
}

const LISTING_COLUMNS: readonly Column[] = [
  { title: 'job', align: 'left', dropOrder: 0 },
  { title: 'checkpoint', align: 'left', dropOrder: 0 },
  { title: 'completed', align: 'left', dropOrder: 2 },
  { title: 'trigger', align: 'left', dropOrder: 3 },
  { title: 'new', align: 'right', dropOrder: 4 },
  { title: 'referenced', align: 'right', dropOrder: 5 },
  { title: 'entries', align: 'right', dropOrder: 6 },
  { title: 'path', align: 'left', dropOrder: 0 },
  { title: 'problem', align: 'left', dropOrder: 0 },
];

export async function listCheckpointsCommand(directory: string, flags: JsonFlag): Promise<number> {
  // An empty list for a directory that is misspelt would look like lost checkpoints.
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new TidemarkError(
      'ERR_CHECKPOINT_DIR',
      `There is no directory ${resolve(directory)}. Name execution.checkpointing.dir, or the directory of one job in it.`,
      { facts: { path: directory } },
    );
  }
  const listings = listCheckpoints(realFs, directory);
  if (flags.json) printJson({ directory, checkpoints: listings });
  else if (listings.length === 0) printOut(`There is no checkpoint in ${directory}.`);
  else printTable(LISTING_COLUMNS, listings.map(listingRow));
  return 0;
}

function listingRow(listing: CheckpointListing): string[] {
  const { jobName, jobId, kind, checkpointId, completedAt, trigger, sizes, entries, directory, problem } = listing;
  return [
    printable(jobName ?? jobId?.slice(0, 8) ?? '?'),
    `${kind} ${checkpointId ?? '?'}`,
    completedAt ?? '',
    trigger ?? '',
    sizes === null ? '' : humanBytes(sizes.newBytes),
    sizes === null ? '' : humanBytes(sizes.referencedBytes),
    entries === null ? '' : humanCount(entries),
    directory,
    problem === null ? '' : paintOut('red', `${problem.code}: ${problem.message.split('\n')[0]}`),
  ];
}

/** @returns 3 when something is wrong: such a checkpoint cannot be restored */
export async function verifyCommand(path: string, flags: JsonFlag & { readonly deep?: boolean }): Promise<number> {
  const startedMs = performance.now();
  const report = await verifyInParallel(path, { deep: flags.deep === true });
  const durationMs = performance.now() - startedMs;
  if (flags.json) printJson({ ...report, durationMs });
  else printReport(report, durationMs);
  return report.ok ? 0 : 3;
}

function printReport(report: VerifyReport, durationMs: number): void {
  for (const { code, path, message } of report.problems) printOut(`${paintOut('red', code)}  ${path}\n  ${message}`);
  const what = `${report.files} tables, ${humanBytes(report.bytes)}`;
  if (!report.ok) {
    printOut(
      `${report.directory} is ${paintOut('red', 'damaged')}: ${report.problems.length} ${report.problems.length === 1 ? 'problem' : 'problems'} in ${what}.`,
    );
    return;
  }
  for (const { uid, name, entries, digest } of report.states)
    printOut(`  ${uid}/${name}: ${humanCount(entries)} entries, digest ${digest}`);
  const depth = report.deep
    ? 'every entry decoded, every state digest computed anew and equal'
    : 'manifest, key groups, sizes and content hashes; `--deep` decodes the entries too';
  printOut(`${report.directory} is ${paintOut('green', 'sound')}: ${what} in ${humanDuration(durationMs)} (${depth}).`);
}
