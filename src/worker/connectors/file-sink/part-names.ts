/**
 * Names of a file sink's parts. Every name on disk is made here and read back here.
 *
 * | state       | name                                                                                          |
 * |-------------|-----------------------------------------------------------------------------------------------|
 * | in progress | `.tidemark/<uid>.<sink>.<job id>.<process>.<subtask>-<attempt>-<n>.inprogress`                |
 * | prepared    | `.tidemark/<uid>.<sink>.<job id>.<process>.<subtask>-<attempt>-<n>.<checkpoint>.prepared`     |
 * | committed   | `part-<subtask>-<8 hex>-<checkpoint>-<n>.<extension>`                                         |
 *
 * `<uid>` is for people; `<sink>` is the hash of job name and uid, so that other sinks in the same directory are told apart;
 * `<process>` is a hash of the host's name and the process id, so that it can be asked whether the owner lives. The 8 hex of a committed
 * part are a hash of job id and uid: two sinks of one job may share a directory.
 */
import { hostname } from 'node:os';
import { checksum64 } from '../../../format/content-hash.ts';
import type { SinkContext } from '../../../job/sink.ts';

/** Directory of the parts that are not visible yet, inside the sink's: the same file system, and hidden. */
export const HIDDEN_DIRECTORY = '.tidemark';

export interface HiddenPart {
  readonly name: string;
  /** Hash of job name and uid. */
  readonly sink: string;
  readonly jobId: string;
  readonly process: string;
  /** Checkpoint that it was prepared for; null: in progress. */
  readonly checkpointId: number | null;
}

const PATTERN = /^[\w-]*\.([0-9a-f]{16})\.([\w-]+)\.([0-9a-f]{8}-\d+)\.\d+-\d+-\d+(?:\.inprogress|\.(\d+)\.prepared)$/;

export function inProgressName(context: SinkContext, sequence: number): string {
  const { uid, jobId, subtask, attempt } = context;
  const readable = uid.replace(/[^\w-]+/g, '_').slice(0, 40);
  return `${readable}.${sinkHash(context)}.${safe(jobId)}.${thisProcess()}.${subtask}-${attempt}-${sequence}.inprogress`;
}

export function preparedName(inProgress: string, checkpointId: number): string {
  return inProgress.replace(/\.inprogress$/, `.${checkpointId}.prepared`);
}

export function committedName(
  { jobId, uid, subtask }: SinkContext,
  checkpointId: number,
  sequence: number,
  extension: string,
): string {
  return `part-${subtask}-${hash(`${jobId}\0${uid}`).slice(0, 8)}-${checkpointId}-${sequence}.${extension}`;
}

/** What a name in the hidden directory says; null when it is none of ours. */
export function parseHiddenName(name: string): HiddenPart | null {
  const match = PATTERN.exec(name);
  if (match === null) return null;
  const [, sink, jobId, process, checkpoint] = match;
  return { name, sink, jobId, process, checkpointId: checkpoint === undefined ? null : Number(checkpoint) };
}

export function sinkHash({ jobName, uid }: SinkContext): string {
  return hash(`${jobName}\0${uid}`);
}

/** Job ids are hex; anything else is made a part of a name that reads back as one. */
export function safe(jobId: string): string {
  return /^[\w-]{1,64}$/.test(jobId) ? jobId : hash(jobId);
}

/** Does the process that wrote a part still run? One of another host is taken to: it cannot be asked. */
export function isOwnerAlive(owner: string): boolean {
  const [host, pid] = owner.split('-');
  if (host !== hostHash()) return true;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function thisProcess(): string {
  return `${hostHash()}-${process.pid}`;
}

function hostHash(): string {
  return hash(hostname()).slice(0, 8);
}

function hash(text: string): string {
  return checksum64(Buffer.from(text)).toString(16).padStart(16, '0');
}

/** A name that stays in its directory. */
export function isPlainName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
}
