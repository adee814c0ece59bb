/** Commands that read checkpoints from disk: checkpoints list, inspect, verify. They change nothing and need no running job. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { TidemarkError } from '../../format/errors.ts';
import type { KeyedStateInfo } from '../../format/manifest.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import { type CheckpointInspection, type CheckpointListing, inspectCheckpoint, listCheckpoints } from '../../snapshot/inspect.ts';
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

export async function inspectCommand(path: string, flags: JsonFlag): Promise<number> {
  const inspection = inspectCheckpoint(realFs, path);
  if (flags.json) printJson(inspection);
  else printInspection(inspection);
  return 0;
}

function printInspection(inspection: CheckpointInspection): void {
  const { kind, checkpointId, jobName, jobId, sizes, parent, amplification } = inspection;
  const format = inspection.savepointFormat === null ? '' : ` (${inspection.savepointFormat})`;
  printOut(paintOut('bold', `${kind} ${checkpointId} of ${printable(jobName)}${format}`));
  printOut(`  directory   ${inspection.directory}`);
  printOut(`  job id      ${jobId}`);
  printOut(`  completed   ${inspection.completedAt}, ${inspection.trigger}, in ${humanDuration(inspection.durationMs)}`);
  printOut(`  parent      ${parent === null ? 'none' : `checkpoint ${parent.checkpointId} of job ${parent.jobId}`}`);
  printOut(
    `  bytes       ${humanBytes(sizes.newBytes)} new, ${humanBytes(sizes.referencedBytes)} referenced, ${humanBytes(sizes.liveBytes)} live, in ${sizes.files} files`,
  );
  if (amplification !== null) printOut(`  tables      ${amplification.toFixed(2)} times the live bytes`);
  printOut(`  written by  tidemark ${inspection.tidemarkVersion}`);

  printOut(`\n${paintOut('bold', 'operators')}`);
  const operators = inspection.operators.flatMap((operator): string[][] => {
    const first = [`  ${printable(operator.uid)}`, operator.kind, printable(operator.name)];
    if (operator.keyedStates.length === 0) return [[...first, '', '', '', '']];
    return operator.keyedStates.map((state, i) => [...(i === 0 ? first : ['', '', '']), ...stateCells(state)]);
  });
  printTable(
    [
      { title: '  uid', align: 'left', dropOrder: 0 },
      { title: 'kind', align: 'left', dropOrder: 2 },
      { title: 'name', align: 'left', dropOrder: 1 },
      { title: 'state', align: 'left', dropOrder: 0 },
      { title: 'key', align: 'left', dropOrder: 3 },
      { title: 'entries', align: 'right', dropOrder: 0 },
      { title: 'digest', align: 'left', dropOrder: 4 },
    ],
    operators,
  );

  printOut(`\n${paintOut('bold', 'stages')}`);
  printTable(
    [
      { title: '  operators', align: 'left', dropOrder: 0, minWidth: 16 },
      { title: 'subtasks', align: 'right', dropOrder: 0 },
      { title: 'key groups', align: 'right', dropOrder: 3 },
      { title: 'tables', align: 'right', dropOrder: 1 },
      { title: 'bytes', align: 'right', dropOrder: 0 },
      { title: 'sync', align: 'right', dropOrder: 2 },
    ],
    inspection.stages.map((stage) => [
      `  ${printable(stage.operators.join(', '))}`,
      String(stage.parallelism),
      String(stage.maxParallelism),
      String(stage.tables),
      humanBytes(stage.tableBytes),
      humanDuration(stage.longestSyncMs),
    ]),
  );

  if (inspection.tables.length === 0) return;
  printOut(`\n${paintOut('bold', 'tables')}`);
  printTable(
    [
      { title: '  hash', align: 'left', dropOrder: 0 },
      { title: 'bytes', align: 'right', dropOrder: 0 },
      { title: 'entries', align: 'right', dropOrder: 1 },
      { title: 'tombstones', align: 'right', dropOrder: 2 },
      { title: 'written by checkpoint', align: 'right', dropOrder: 0 },
    ],
    inspection.tables.map((table) => [
      `  ${table.hash}`,
      humanBytes(table.sizeBytes),
      humanCount(table.entries),
      humanCount(table.tombstones),
      String(table.createdBy),
    ]),
  );
}

function stateCells(state: KeyedStateInfo): string[] {
  return [`${state.name} (${state.kind})`, state.keyType, humanCount(state.entries), state.digest];
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
