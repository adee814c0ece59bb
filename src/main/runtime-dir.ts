/**
 * The directory of this user in which running jobs can be found: `$TIDEMARK_RUNTIME_DIR`, else
 * `$XDG_RUNTIME_DIR/tidemark`, else `tidemark-<uid>` in the temporary directory. Mode 0700: whoever can reach the sockets
 * in it can stop jobs.
 */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { TidemarkError } from '../format/errors.ts';

/** `sun_path` holds 108 bytes with its final zero on Linux and 104 on macOS. */
const MAX_SOCKET_PATH_BYTES = 103;

export function runtimeDirPath(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env['TIDEMARK_RUNTIME_DIR']) return env['TIDEMARK_RUNTIME_DIR'];
  const xdg = env['XDG_RUNTIME_DIR'];
  if (xdg && statSync(xdg, { throwIfNoEntry: false })?.isDirectory()) return join(xdg, 'tidemark');
  return join(tmpdir(), `tidemark-${process.getuid?.() ?? userInfo().username}`);
}

/**
 * Makes the directory if need be.
 *
 * @throws TidemarkError ERR_IO when it cannot be made, is not ours or is open to others: in a shared temporary directory
 * anyone could have put it there
 */
export function ensureRuntimeDir(path = runtimeDirPath()): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(path, (error as Error).message, error);
  }
  if (process.getuid === undefined) return path;
  const stat = lstatSync(path);
  if (!stat.isDirectory()) throw unusable(path, 'it is not a directory');
  if (stat.uid !== process.getuid())
    throw unusable(path, `it belongs to user ${stat.uid}, this process to user ${process.getuid()}`);
  if ((stat.mode & 0o077) !== 0)
    throw unusable(path, `others may enter it (mode ${(stat.mode & 0o777).toString(8)}); \`chmod 700\` it`);
  return path;
}

/** Path to listen at. On Windows a pipe, elsewhere a file in the runtime directory. */
export function socketPath(directory: string, name: string): string {
  if (process.platform === 'win32') {
    const scope = createHash('sha256').update(directory).digest('hex').slice(0, 16);
    return `\\\\.\\pipe\\tidemark-${scope}-${name}`;
  }
  const path = join(directory, `${name}.sock`);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw unusable(
      directory,
      `a socket in it would have a path of ${Buffer.byteLength(path)} bytes, and the system allows ${MAX_SOCKET_PATH_BYTES}`,
    );
  }
  return path;
}

function unusable(path: string, reason: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    'ERR_IO',
    `The runtime directory ${path} cannot be used: ${reason}. Set TIDEMARK_RUNTIME_DIR to a short path of a directory of your own.`,
    { cause, facts: { path } },
  );
}
