/**
 * Which jobs run: for each a `<job-id>.json` beside its socket in the runtime directory. The file is written after the
 * socket listens and removed before it closes, so an entry without a listener is what a killed process left behind;
 * whoever finds it removes it.
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import { type ControlHandler, isListening, serveControl } from './control-socket.ts';
import { ensureRuntimeDir, runtimeDirPath, socketPath } from './runtime-dir.ts';

export interface RegistryEntry {
  readonly jobId: string;
  readonly jobName: string;
  readonly jobFile: string;
  /** Of the supervisor. */
  readonly pid: number;
  /** Wall clock, ISO 8601, for people. */
  readonly startedAt: string;
  readonly cwd: string;
  readonly socket: string;
}

export interface Registration {
  /** The job can no longer be found. */
  close(): Promise<void>;
}

/** Makes a job findable, and answers requests to it with `handle`. */
export async function registerJob(
  job: Omit<RegistryEntry, 'socket'>,
  handle: ControlHandler,
  directory = ensureRuntimeDir(),
): Promise<Registration> {
  const socket = socketPath(directory, job.jobId);
  const server = await serveControl(socket, handle);
  const file = entryPath(directory, job.jobId);
  const temporary = `${file}.${process.pid}.tmp`;
  const entry: RegistryEntry = { ...job, socket };
  await writeFile(temporary, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
  await rename(temporary, file);
  return {
    async close() {
      await rm(file, { force: true });
      await server.close();
    },
  };
}

/** All running jobs, oldest first. Removes entries that killed processes left behind. */
export async function listJobs(directory = runtimeDirPath()): Promise<RegistryEntry[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new TidemarkError('ERR_IO', `The runtime directory ${directory} cannot be read: ${error.message}.`, {
      cause: error,
      facts: { directory },
    });
  });
  const files = names.filter((name) => /^[0-9a-f]{32}\.json$/.test(name)).map((name) => join(directory, name));
  const entries = await Promise.all(files.map((file) => liveEntry(file)));
  return entries.filter((entry) => entry !== undefined).sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
}

async function liveEntry(file: string): Promise<RegistryEntry | undefined> {
  let entry: RegistryEntry;
  try {
    entry = JSON.parse(await readFile(file, 'utf8')) as RegistryEntry;
  } catch {
    // It was removed in the meantime: entries are renamed into place whole.
    return undefined;
  }
  if (await isListening(entry.socket)) return entry;
  await rm(file, { force: true });
  if (process.platform !== 'win32') await rm(entry.socket, { force: true });
  return undefined;
}

/**
 * The one running job that `wanted` means: a job id, the beginning of one, or a name that only one job has.
 *
 * @throws TidemarkError ERR_NO_SUCH_JOB, listing what runs
 */
export async function findJob(wanted: string, directory?: string): Promise<RegistryEntry> {
  const jobs = await listJobs(directory);
  const match = matchJob(wanted, jobs);
  if (match !== undefined && !Array.isArray(match)) return match;
  const shown = match ?? jobs;
  const list = shown.map((job) => `\n  ${job.jobId}  ${job.jobName}  (pid ${job.pid}, since ${job.startedAt})`).join('');
  const message =
    match !== undefined
      ? `${JSON.stringify(wanted)} means more than one running job; give more of the id:${list}`
      : `No running job has the id or name ${JSON.stringify(wanted)}. ${jobs.length === 0 ? 'No job runs.' : `These run:${list}`}`;
  throw new TidemarkError('ERR_NO_SUCH_JOB', message, { facts: { wanted, running: jobs.length } });
}

/** Pure part of `findJob`: the job, several that match, or none. */
export function matchJob(wanted: string, jobs: readonly RegistryEntry[]): RegistryEntry | RegistryEntry[] | undefined {
  const exact = jobs.find((job) => job.jobId === wanted);
  if (exact !== undefined) return exact;
  const byName = jobs.filter((job) => job.jobName === wanted);
  const matches = byName.length > 0 ? byName : jobs.filter((job) => wanted !== '' && job.jobId.startsWith(wanted.toLowerCase()));
  return matches.length > 1 ? matches : matches[0];
}

function entryPath(directory: string, jobId: string): string {
  return join(directory, `${jobId}.json`);
}
