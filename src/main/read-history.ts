/** The history of the checkpoints in a directory, for commands: asked of the job that writes it, else read from disk. */
import { basename } from 'node:path';
import { realFs } from '../snapshot/fs-port.ts';
import { type HistoryRecord, recordsOfManifests } from '../snapshot/history.ts';
import { Catalog } from './catalog.ts';
import { requestControl } from './control-socket.ts';
import { listJobs } from './registry.ts';

export interface JobHistory {
  readonly jobId: string;
  readonly running: boolean;
  /** Checkpoints that are being taken; null: the job cannot be asked. */
  readonly inProgress: number | null;
  /**
   * job: the running job told. catalog: read from its catalog. manifests: made from the checkpoints that are there, because there is
   * no catalog, or it is damaged, or a process that cannot be asked has it open.
   */
  readonly source: 'job' | 'catalog' | 'manifests';
  /** Newest first. */
  readonly records: readonly HistoryRecord[];
}

/** @param jobDir  `<base>/<job-id>` */
export async function readHistory(jobDir: string, limit: number): Promise<JobHistory> {
  const jobId = basename(jobDir);
  const running = (await listJobs()).find((job) => job.jobId === jobId);
  if (running !== undefined) {
    const told = await requestControl<'history'>(running.socket, { method: 'history', limit }).catch(() => null);
    const status = await requestControl<'status'>(running.socket, { method: 'status' }).catch(() => null);
    const inProgress = status?.checkpoints.inProgress ?? null;
    if (told !== null) return { jobId, running: true, inProgress, source: 'job', records: told };
  }
  const kept = await Catalog.read(jobDir);
  if (kept !== null) return { jobId, running: false, inProgress: null, source: 'catalog', records: kept.slice(0, limit) };
  const records = recordsOfManifests(realFs, jobDir).slice(0, limit);
  return { jobId, running: running !== undefined, inProgress: null, source: 'manifests', records };
}
