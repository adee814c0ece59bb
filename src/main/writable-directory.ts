/** Is a directory one that this process may write into? Asked before there is anything to write. */
import { accessSync, constants, statSync } from 'node:fs';
import { TidemarkError } from '../format/errors.ts';
import { ensureDirectory } from '../snapshot/files.ts';
import { realFs } from '../snapshot/fs-port.ts';

export interface UnusableDirectory {
  /** Completes "cannot be used: ". */
  readonly reason: string;
  readonly errno: string | null;
  readonly cause: unknown;
}

/** Makes the directory where it is missing. @returns what is wrong with it, or null */
export function findUnusable(path: string): UnusableDirectory | null {
  try {
    // Not mkdir with `recursive`: Node 20 goes round for ever where a directory cannot be made, as below /proc.
    ensureDirectory(realFs, path);
    if (!statSync(path).isDirectory()) throw Object.assign(new Error('it is not a directory'), { code: 'ENOTDIR' });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const { code = null } = (error instanceof TidemarkError ? error.cause : error) as { code?: string | null };
    return { reason: describe(code) ?? (error as Error).message.replace(/\.$/, ''), errno: code, cause: error };
  }
}

function describe(errno: string | null): string | undefined {
  switch (errno) {
    case 'EEXIST':
    case 'ENOTDIR':
      return 'it, or a part of its path, is a file';
    case 'EACCES':
      return 'permission denied';
    case 'EROFS':
      return 'the file system is read-only';
    default:
      return undefined;
  }
}
