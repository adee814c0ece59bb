/**
 * Exactly-once output files. Records are written to hidden parts; a barrier prepares them; `persist` makes them durable
 * before the manifest names them; `commit` gives them their visible names once the manifest is durable. A reader of the
 * directory sees only whole parts of completed checkpoints, each once.
 *
 * Invariants:
 * - A visible part is never written to, renamed or overwritten.
 * - A part that a restorable manifest may name is deleted only when it is committed (see `leftovers.ts`).
 * - Names are unique over sinks, subtasks, attempts and processes, so a part is never written by two.
 */
import { join } from 'node:path';
import type { JsonValue } from '../../../format/json.ts';
import type { FileSinkSpec, Sink, SinkContext } from '../../../job/sink.ts';
import { attempt, ensureDirectory, isMissing, quietly } from '../../../snapshot/files.ts';
import type { FsPort } from '../../../snapshot/fs-port.ts';
import { commitParts, persistParts } from './commit.ts';
import { readCommittable } from './committable.ts';
import { FileWriter } from './file-writer.ts';
import { leftoverParts } from './leftovers.ts';
import { outputFs } from './output-fs.ts';
import { HIDDEN_DIRECTORY, type HiddenPart, isOwnerAlive, parseHiddenName, safe, sinkHash } from './part-names.ts';
import { createRecordFormat } from './record-format.ts';

export function createFileSink(spec: FileSinkSpec, fs: FsPort = outputFs): Sink<unknown> {
  const { directory, maxPartBytes } = spec;
  return {
    name: `files ${directory}`,
    recover(committables, context) {
      for (const committable of committables) commitParts(fs, readCommittable(committable));
      discardLeftovers(fs, directory, committables, context);
    },
    open(context) {
      // Now rather than at the first record: a directory that cannot be written fails the job before it has done any work.
      ensureDirectory(fs, join(directory, HIDDEN_DIRECTORY));
      return new FileWriter({ fs, directory, format: createRecordFormat(spec), maxPartBytes, context });
    },
    persist: (committable) => persistParts(fs, readCommittable(committable)),
    commit: (committable) => commitParts(fs, readCommittable(committable)),
  };
}

function discardLeftovers(fs: FsPort, directory: string, committables: readonly JsonValue[], context: SinkContext): void {
  const hidden = join(directory, HIDDEN_DIRECTORY);
  const named = partsOf(
    committables.flatMap((committable) => readCommittable(committable).parts.map(({ prepared }) => prepared)),
  );
  const leftovers = leftoverParts(
    partsOf(listIfThere(fs, hidden)),
    { sink: sinkHash(context), jobId: safe(context.jobId), named },
    isOwnerAlive,
  );
  // A part that cannot be deleted is invisible, and there will be another restore.
  for (const { name } of leftovers) quietly(() => fs.unlink(join(hidden, name)));
}

function partsOf(names: readonly string[]): readonly HiddenPart[] {
  return names.map(parseHiddenName).filter((part) => part !== null);
}

function listIfThere(fs: FsPort, path: string): readonly string[] {
  return attempt('list', path, () => {
    try {
      return fs.list(path);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  });
}
