/** Commands that talk to a running job: list, stop, cancel, checkpoint, savepoint. */
import { resolve } from 'node:path';
import type { ControlMethod, ControlRequest, ControlResults } from '../control-protocol.ts';
import { requestControl } from '../control-socket.ts';
import type { CheckpointSummary, JobProgress } from '../handle.ts';
import { humanCount, humanDuration } from '../human.ts';
import { describeCheckpoint } from '../progress-view.ts';
import { findJob, listJobs, type RegistryEntry } from '../registry.ts';
import { printable, widthOf } from '../terminal.ts';
import { renderTable } from '../text-table.ts';
import { paintOut, printJson, printOut } from './output.ts';

interface JsonFlag {
  readonly json?: boolean;
}

const JOB_COLUMNS = [
  { title: 'job id', align: 'left', dropOrder: 0 },
  { title: 'name', align: 'left', dropOrder: 0 },
  { title: 'state', align: 'left', dropOrder: 0 },
  { title: 'running for', align: 'right', dropOrder: 3 },
  { title: 'records', align: 'right', dropOrder: 2 },
  { title: 'pid', align: 'right', dropOrder: 1 },
  { title: 'last checkpoint', align: 'left', dropOrder: 4 },
] as const;

export async function listCommand(flags: JsonFlag): Promise<number> {
  const jobs = await listJobs();
  const rows = await Promise.all(jobs.map(async (entry) => ({ entry, progress: await statusOf(entry) })));
  if (flags.json) {
    printJson({ jobs: rows.map(({ entry, progress }) => ({ ...entry, progress })) });
  } else if (rows.length === 0) {
    printOut('No job runs.');
  } else {
    const width = widthOf(process.stdout);
    for (const [i, line] of renderTable(JOB_COLUMNS, rows.map(jobRow), width).entries())
      printOut(i === 0 ? paintOut('dim', line) : line);
  }
  return 0;
}

/** `null` for a job that has not reported yet, or that ended in this moment. */
async function statusOf(entry: RegistryEntry): Promise<JobProgress | null> {
  return requestControl<'status'>(entry.socket, { method: 'status' }).catch(() => null);
}

function jobRow({ entry, progress }: { entry: RegistryEntry; progress: JobProgress | null }): string[] {
  const last = progress?.lastCheckpoint ?? null;
  return [
    entry.jobId,
    printable(entry.jobName),
    progress?.state ?? 'starting',
    humanDuration(progress?.runningMs ?? 0),
    humanCount(progress?.records ?? 0),
    String(entry.pid),
    last === null ? '' : last.path,
  ];
}

export async function cancelCommand(wanted: string, flags: JsonFlag): Promise<number> {
  const job = await request(wanted, { method: 'cancel' });
  if (flags.json) printJson({ jobId: job.entry.jobId, status: 'cancelled' });
  else printOut(`Cancelled ${name(job.entry)}.`);
  return 0;
}

export async function stopCommand(
  wanted: string,
  flags: JsonFlag & { readonly savepointPath?: string; readonly type?: 'canonical' | 'native'; readonly drain?: boolean },
): Promise<number> {
  const { entry, result } = await request(wanted, {
    method: 'stop',
    // The job has a working directory of its own.
    ...(flags.savepointPath !== undefined && { savepointDirectory: resolve(flags.savepointPath) }),
    ...(flags.type !== undefined && { savepointFormat: flags.type }),
    ...(flags.drain && { drain: true }),
  });
  if (flags.json) printJson({ jobId: entry.jobId, status: 'stopped', [result?.kind ?? 'checkpoint']: result });
  else if (result === null) printOut(`Stopped ${name(entry)}, without a last checkpoint: checkpoints are off.`);
  else printOut(`Stopped ${name(entry)}.\n${result.kind === 'savepoint' ? describeSavepoint(result) : describeWithPath(result)}`);
  return 0;
}

export async function checkpointCommand(wanted: string, flags: JsonFlag): Promise<number> {
  const { entry, result } = await request(wanted, { method: 'checkpoint' });
  if (flags.json) printJson({ jobId: entry.jobId, checkpoint: result });
  else printOut(`${name(entry)}: ${describeWithPath(result)}`);
  return 0;
}

export async function savepointCommand(
  wanted: string,
  directory: string | undefined,
  flags: JsonFlag & { readonly type?: 'canonical' | 'native' },
): Promise<number> {
  const { entry, result } = await request(wanted, {
    method: 'savepoint',
    ...(directory !== undefined && { directory: resolve(directory) }),
    ...(flags.type !== undefined && { format: flags.type }),
  });
  if (flags.json) printJson({ jobId: entry.jobId, savepoint: result });
  else printOut(describeSavepoint(result));
  return 0;
}

async function request<M extends ControlMethod>(
  wanted: string,
  what: Extract<ControlRequest, { method: M }>,
): Promise<{ entry: RegistryEntry; result: ControlResults[M] }> {
  const entry = await findJob(wanted);
  return { entry, result: await requestControl<M>(entry.socket, what) };
}

/** The first line as Flink prints it, for scripts. */
function describeSavepoint(savepoint: CheckpointSummary): string {
  return `Savepoint completed. Path: ${savepoint.path}\n${describeCheckpoint(savepoint)}`;
}

function describeWithPath(checkpoint: CheckpointSummary): string {
  return `${describeCheckpoint(checkpoint)}; ${checkpoint.path}`;
}

function name({ jobName, jobId }: RegistryEntry): string {
  return `${printable(jobName)} (${jobId})`;
}
