/** Are the tables that a manifest names there, each with its size? Asked before publication and before restoring. */
import { tablesOf, type Manifest } from '../format/manifest.ts';
import { isMissing, withRegularFile } from './files.ts';
import type { FsPort } from './fs-port.ts';
import { tablePath } from './paths.ts';

export interface AbsentTables {
  readonly missing: readonly string[];
  readonly wrongSize: readonly { readonly path: string; readonly found: number; readonly expected: number }[];
}

/**
 * @throws TidemarkError ERR_IO when it cannot be told, or something that is no regular file stands in a table's place
 */
export function findAbsentTables(fs: FsPort, directory: string, manifest: Manifest): AbsentTables {
  const missing: string[] = [];
  const wrongSize: { path: string; found: number; expected: number }[] = [];
  for (const { hash, sizeBytes } of tablesOf(manifest).values()) {
    const path = tablePath(directory, hash);
    const found = sizeOf(fs, path);
    if (found === null) missing.push(path);
    else if (found !== sizeBytes) wrongSize.push({ path, found, expected: sizeBytes });
  }
  return { missing, wrongSize };
}

function sizeOf(fs: FsPort, path: string): number | null {
  try {
    return withRegularFile(fs, path, (_fd, sizeBytes) => sizeBytes);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
