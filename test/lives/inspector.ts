/** What must be true of the files of jobs at every moment: each manifest is closed, and holds the state at the position that it names. */
import { ContentHasher } from '../../src/format/content-hash.ts';
import { tablesOf } from '../../src/format/manifest.ts';
import { exportState } from '../../src/snapshot/export.ts';
import {
  CLAIM_NAME,
  isSavepointName,
  METADATA_NAME,
  parseCheckpointName,
  sharedDirectory,
  tableName,
} from '../../src/snapshot/paths.ts';
import { type Checkpoint, openCheckpoint } from '../../src/snapshot/restore.ts';
import type { SimFs } from '../snapshot/sim-fs.ts';
import { contentAt, textOf, UID } from './input.ts';
import { CHECKPOINTS, positionOf, SAVEPOINTS } from './process.ts';

type Entries = ReadonlyMap<string, Uint8Array | null>;

export class Inspector {
  /** Manifests that were found right, with the tables that they were found right with. */
  readonly #sound = new WeakMap<Uint8Array, ReadonlyMap<string, Uint8Array>>();
  /** Manifests that were read, at each inspection anew where a file has changed. */
  inspected = 0;

  /** @returns what is wrong, a line for each manifest */
  problems(disk: SimFs): string[] {
    const entries = disk.entries();
    return completeIn(entries).flatMap((directory) => {
      const bytes = entries.get(`${directory}/${METADATA_NAME}`);
      const known = bytes instanceof Uint8Array ? this.#sound.get(bytes) : undefined;
      if (known !== undefined && [...known].every(([path, table]) => entries.get(path) === table)) return [];
      try {
        const tables = inspect(disk, directory, entries);
        if (bytes instanceof Uint8Array) this.#sound.set(bytes, tables);
        this.inspected++;
        return [];
      } catch (error) {
        return [`${directory}: ${(error as Error).message}`];
      }
    });
  }

  /**
   * @param claiming  directories of jobs that have claimed what they have not subsumed yet
   * @returns files and directories that no checkpoint or savepoint needs
   */
  orphans(disk: SimFs, claiming: readonly string[]): string[] {
    const needed = new Set(claiming.map((directory) => `${directory}/${CLAIM_NAME}`));
    const entries = disk.entries();
    for (const directory of completeIn(entries)) {
      const checkpoint = openCheckpoint(disk, directory);
      const parent = directory.slice(0, directory.lastIndexOf('/'));
      for (const path of ['/shared', '/taskowned', '']) if (parent !== SAVEPOINTS) needed.add(parent + path);
      needed.add(directory).add(`${directory}/${METADATA_NAME}`);
      for (const path of tablePathsOf(checkpoint)) needed.add(path);
    }
    for (const path of [CHECKPOINTS, SAVEPOINTS]) needed.add(path);
    return [...entries.keys()].filter((path) => !needed.has(path)).map((path) => `${path} is left, and nothing needs it`);
  }
}

/** Directories that are checkpoints, by their names; and savepoints, of which the manifest goes first when they are deleted. */
function completeIn(entries: Entries): string[] {
  return [...entries.keys()].filter((path) => {
    const at = path.lastIndexOf('/');
    const [parent, name] = [path.slice(0, at), path.slice(at + 1)];
    if (parent === SAVEPOINTS) return isSavepointName(name) && entries.has(`${path}/${METADATA_NAME}`);
    return parent.startsWith(`${CHECKPOINTS}/`) && parseCheckpointName(name) !== null;
  });
}

function tablePathsOf({ manifest, directory }: Checkpoint): string[] {
  const tables = manifest.kind === 'savepoint' ? directory : sharedDirectory(directory.slice(0, directory.lastIndexOf('/')));
  return [...tablesOf(manifest).keys()].map((hash) => `${tables}/${tableName(hash)}`);
}

/** @throws what is wrong */
function inspect(disk: SimFs, directory: string, entries: Entries): ReadonlyMap<string, Uint8Array> {
  const checkpoint = openCheckpoint(disk, directory);
  const tables = new Map<string, Uint8Array>();
  for (const path of tablePathsOf(checkpoint)) {
    const bytes = entries.get(path);
    if (!(bytes instanceof Uint8Array)) throw new Error(`${path} is missing`);
    const hasher = new ContentHasher();
    hasher.update(bytes);
    if (!path.endsWith(`/${tableName(hasher.digest())}`)) throw new Error(`${path} does not have its hash`);
    tables.set(path, bytes);
  }
  const position = positionOf(checkpoint.manifest);
  const content = contentAt(position);
  compare(disk, directory, 'total', new Map(content));
  compare(disk, directory, 'text', new Map([...content].map(([key, value]) => [key, textOf(value)])));
  return tables;
}

function compare(disk: SimFs, directory: string, state: string, expected: ReadonlyMap<string, unknown>): void {
  const found = new Map<string, unknown>();
  for (const { key, value } of exportState(disk, directory, UID, state).rows) found.set(key as string, value);
  const differing = [...new Set([...found.keys(), ...expected.keys()])].filter((key) => found.get(key) !== expected.get(key));
  if (differing.length > 0) {
    const shown = differing
      .slice(0, 3)
      .map((key) => `${key} is ${String(found.get(key))} instead of ${String(expected.get(key))}`);
    throw new Error(`its state '${state}' is not that of its position: ${shown.join(', ')}`);
  }
}
