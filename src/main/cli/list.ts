/** `tidemark checkpoints list`: what there is to restore from, and what happened to the checkpoints before. */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TidemarkError } from '../../format/errors.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import {
  type CompletedRecord,
  type FailedRecord,
  type HistoryRecord,
  type RestoredRecord,
  summarizeHistory,
} from '../../snapshot/history.ts';
import { type CheckpointListing, listCheckpoints } from '../../snapshot/inspect.ts';
import { jobDirectoriesIn } from '../../snapshot/job-directories.ts';
import { humanBytes, humanCount, humanDuration } from '../human.ts';
import { type JobHistory, readHistory } from '../read-history.ts';
import { printable } from '../terminal.ts';
import type { Column } from '../text-table.ts';
import { paintOut, printErr, printJson, printOut, printTable } from './output.ts';
import { usage } from './run-options.ts';

const COLUMNS: readonly Column[] = [
  { title: 'job', align: 'left', dropOrder: 0 },
  { title: 'checkpoint', align: 'left', dropOrder: 0 },
  { title: 'status', align: 'left', dropOrder: 0 },
  { title: 'triggered', align: 'left', dropOrder: 2 },
  { title: 'by', align: 'left', dropOrder: 4 },
  { title: 'took', align: 'right', dropOrder: 3 },
  { title: 'new', align: 'right', dropOrder: 5 },
  { title: 'referenced', align: 'right', dropOrder: 6 },
  { title: 'live', align: 'right', dropOrder: 8 },
  { title: 'entries', align: 'right', dropOrder: 7 },
  { title: 'path', align: 'left', dropOrder: 0 },
  { title: 'problem', align: 'left', dropOrder: 0 },
];

/** Records that a summary is made of. */
const SUMMARIZED = 1000;
/** Events that are shown when nobody asks for more: without checkpoints that completed and are gone, which are most. */
const DEFAULT_SHOWN = 10;

interface ListFlags {
  readonly json?: boolean;
  readonly latest?: boolean;
  readonly history?: string;
}

export async function listCheckpointsCommand(directory: string, flags: ListFlags): Promise<number> {
  // An empty list for a directory that is misspelt would look like lost checkpoints.
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new TidemarkError(
      'ERR_CHECKPOINT_DIR',
      `There is no directory ${resolve(directory)}. Name execution.checkpointing.dir, or the directory of one job in it.`,
      { facts: { path: directory } },
    );
  }
  const shown = shownOf(flags.history);
  const checkpoints = listCheckpoints(realFs, directory);
  if (flags.latest) return printLatest(directory, checkpoints, flags.json === true);
  const jobs = await Promise.all(jobDirectoriesIn(realFs, directory).map((job) => readHistory(job, SUMMARIZED)));
  if (flags.json) printJson({ directory, checkpoints, jobs: jobs.map((job) => jobDocument(job, shown)) });
  else
    print(
      directory,
      checkpoints,
      jobs.map((job) => eventsOf(job, shown, flags.history !== undefined)),
      jobs,
    );
  return 0;
}

/** @returns 3 when there is none */
function printLatest(directory: string, checkpoints: readonly CheckpointListing[], json: boolean): number {
  const sound = checkpoints.filter(({ problem, completedAt }) => problem === null && completedAt !== null);
  const latest = sound.toSorted((a, b) => Date.parse(b.completedAt ?? '') - Date.parse(a.completedAt ?? ''))[0] ?? null;
  if (json) printJson({ directory, latest });
  else if (latest === null) printErr(`There is no sound checkpoint in ${directory}.`);
  else printOut(latest.directory);
  return latest === null ? 3 : 0;
}

function shownOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SHOWN;
  if (!/^\d{1,4}$/.test(text)) throw usage(`--history needs a whole number up to 9999; it was given ${JSON.stringify(text)}`);
  return Number(text);
}

function jobDocument({ jobId, running, inProgress, source, records }: JobHistory, shown: number): object {
  return { jobId, running, inProgress, source, ...summarizeHistory(records), history: records.slice(0, shown) };
}

function eventsOf({ records }: JobHistory, shown: number, asked: boolean): readonly HistoryRecord[] {
  return records.filter(({ type }) => asked || type !== 'completed').slice(0, shown);
}

/** One level down: whoever names the parent of the checkpoint directory means it well. */
function directoriesWithCheckpoints(parent: string): string[] {
  return readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(parent, name))
    .filter(hasCheckpoints);
}

function hasCheckpoints(directory: string): boolean {
  try {
    return listCheckpoints(realFs, directory).length > 0;
  } catch {
    // It cannot be read, and was not asked for.
    return false;
  }
}

function print(
  directory: string,
  checkpoints: readonly CheckpointListing[],
  events: readonly (readonly HistoryRecord[])[],
  jobs: readonly JobHistory[],
): void {
  const there = new Set(checkpoints.map((one) => identity(one.kind, one.jobId, one.checkpointId)));
  const rows = [
    ...checkpoints.map((one) => ({ jobId: one.jobId, checkpointId: one.checkpointId, order: 1, cells: checkpointCells(one) })),
    ...jobs.flatMap(({ jobId }, i) =>
      events[i]
        .filter((record) => record.type !== 'completed' || !there.has(identity(record.kind, record.jobId, record.checkpointId)))
        .map((record) => ({
          jobId,
          checkpointId: record.checkpointId,
          order: record.type === 'restored' ? 2 : 1,
          cells: recordCells(record),
        })),
    ),
  ];
  if (rows.length === 0) {
    const below = directoriesWithCheckpoints(directory);
    const where = below.length === 0 ? '' : ` There are some in ${below.join(', ')}.`;
    printOut(`There is no checkpoint in ${printable(resolve(directory))}.${printable(where)}`);
    return;
  }
  // Savepoints, whose job may be anywhere, come last: -1 as an unsigned number.
  const place = (jobId: string | null): number => jobs.findIndex((job) => job.jobId === jobId) >>> 0;
  rows.sort((a, b) => place(a.jobId) - place(b.jobId) || (b.checkpointId ?? 0) - (a.checkpointId ?? 0) || b.order - a.order);
  printTable(
    COLUMNS,
    rows.map(({ cells }) => cells),
  );
  for (const job of jobs) printSummary(job);
}

function identity(kind: string, jobId: string | null, checkpointId: number | null): string {
  return `${kind}/${jobId}/${checkpointId}`;
}

function checkpointCells(listing: CheckpointListing): string[] {
  const { jobName, jobId, kind, checkpointId, triggeredAt, durationMs, trigger, sizes, entries, directory, problem } = listing;
  return [
    printable(jobName ?? jobId?.slice(0, 8) ?? '?'),
    `${kind} ${checkpointId ?? '?'}`,
    problem === null ? paintOut('green', 'complete') : paintOut('red', 'damaged'),
    triggeredAt ?? '',
    trigger ?? '',
    durationMs === null ? '' : humanDuration(durationMs),
    ...sizeCells(sizes),
    entries === null ? '' : humanCount(entries),
    directory,
    problem === null ? '' : paintOut('red', `${problem.code}: ${problem.message.split('\n')[0]}`),
  ];
}

function recordCells(record: HistoryRecord): string[] {
  const { jobName, checkpointId, at, durationMs } = record;
  const what = record.type === 'completed' ? record.kind : kindOfTrigger(record);
  const start = [printable(jobName), `${what} ${checkpointId}`];
  const took = humanDuration(durationMs);
  switch (record.type) {
    case 'completed':
      return [
        ...start,
        paintOut('dim', 'not here'),
        at,
        record.trigger,
        took,
        ...sizeCells(record.sizes),
        humanCount(record.entries),
        '',
        '',
      ];
    case 'failed':
      return [
        ...start,
        paintOut('yellow', 'failed'),
        at,
        record.trigger,
        took,
        ...sizeCells(null),
        '',
        '',
        printable(`${record.code}: ${record.message.split('\n')[0]} (${record.acknowledged} of ${record.subtaskCount} subtasks)`),
      ];
    case 'restored':
      return [
        ...start,
        paintOut('cyan', 'restored'),
        at,
        '',
        took,
        ...sizeCells(null),
        humanCount(record.entries),
        record.path,
        '',
      ];
  }
}

function kindOfTrigger(record: FailedRecord | RestoredRecord): CompletedRecord['kind'] {
  return record.type === 'failed' && record.trigger === 'savepoint' ? 'savepoint' : 'checkpoint';
}

function sizeCells(sizes: CheckpointListing['sizes']): string[] {
  return sizes === null
    ? ['', '', '']
    : [humanBytes(sizes.newBytes), humanBytes(sizes.referencedBytes), humanBytes(sizes.liveBytes)];
}

function printSummary({ jobId, running, inProgress, source, records }: JobHistory): void {
  const { counts, durationMs, newBytes } = summarizeHistory(records);
  if (records.length === 0) return;
  const parts = [
    `${counts.completed} completed`,
    ...(inProgress === null || inProgress === 0 ? [] : [`${inProgress} in progress`]),
    ...(counts.savepoints > 0 ? [`${counts.savepoints} ${counts.savepoints === 1 ? 'savepoint' : 'savepoints'}`] : []),
    `${counts.failed} failed`,
    ...(counts.restored > 0 ? [`restored ${counts.restored === 1 ? 'once' : `${counts.restored} times`}`] : []),
  ];
  printOut(`\n${printable(records[0].jobName)} ${jobId}${running ? ', which runs' : ''}: ${parts.join(', ')}`);
  if (durationMs !== null && newBytes !== null) {
    printOut(
      `  took ${humanDuration(durationMs.p50)} (median), ${humanDuration(durationMs.p99)} (p99), ${humanDuration(durationMs.max)} (longest); wrote ${humanBytes(newBytes.avg)} each (mean)`,
    );
  }
  if (source === 'manifests') printOut('  from the checkpoints that are there: what failed or was deleted is not known');
}
