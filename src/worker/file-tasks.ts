/** The background tasks that are all about files: a checkpoint or savepoint is published, garbage is collected. */
import type { Manifest } from '../format/manifest.ts';
import type { Compression } from '../format/sorted-table/compression.ts';
import { quietly } from '../snapshot/files.ts';
import { type CollectionRequest, collectGarbage } from '../snapshot/gc.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import { linkTables } from '../snapshot/link-in.ts';
import { sharedDirectory } from '../snapshot/paths.ts';
import { publishCheckpoint } from '../snapshot/publish.ts';
import { writeSavepoint } from '../snapshot/savepoint.ts';
import { forgetSavepoint, noteSavepoint } from '../snapshot/unfinished-savepoints.ts';
import type {
  CollectGarbageResult,
  CollectGarbageTask,
  PublishResult,
  PublishTask,
  SavepointResult,
  SavepointTask,
} from './protocol.ts';

export function publish(fs: FsPort, task: PublishTask): PublishResult {
  const manifest = JSON.parse(task.manifest) as Manifest;
  linkTables(fs, task.linkIn, sharedDirectory(task.jobDirectory));
  return { path: publishCheckpoint(fs, task.jobDirectory, manifest, task.known) };
}

export function savepoint(fs: FsPort, task: SavepointTask, compression: Compression): SavepointResult {
  const { jobDirectory, target, name } = task;
  if (jobDirectory !== null) noteSavepoint(fs, jobDirectory, target, name);
  const paths = new Map(task.tables.map(({ table, path }) => [table.hash, path]));
  const written = writeSavepoint(fs, JSON.parse(task.manifest) as Manifest, {
    target,
    name,
    format: task.format,
    compression,
    tablePath: (hash) => paths.get(hash) as string,
  });
  // What a failure leaves is cleared away, and the note then, by whoever asked.
  if (jobDirectory !== null) quietly(() => forgetSavepoint(fs, jobDirectory, name));
  return { path: written.path, sizes: written.manifest.sizes };
}

export function collect(fs: FsPort, task: CollectGarbageTask): CollectGarbageResult {
  const { failures, plan } = collectGarbage(fs, task.jobDirectory, requestOf(task));
  return { failures: failures.length, chosen: plan.tables };
}

/** Beside what the job is writing. */
export function requestOf({ retain, inFlight, abandoned }: CollectGarbageTask): CollectionRequest {
  return { retain, inFlight: new Set(inFlight), abandoned: new Set(abandoned), sweep: false };
}
