/** The directories of jobs that a path means: a person may name the checkpoint directory, or that of one job in it. */
import { join } from 'node:path';
import { listDirectory } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { isJobId, parseCheckpointName, SHARED_NAME } from './paths.ts';

/** Sorted by name. */
export function jobDirectoriesIn(fs: FsPort, directory: string): string[] {
  const names = listDirectory(fs, directory);
  if (names.some((name) => name === SHARED_NAME || parseCheckpointName(name) !== null)) return [directory];
  return names.filter(isJobId).map((name) => join(directory, name));
}
