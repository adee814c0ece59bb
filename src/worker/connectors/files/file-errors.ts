/** Errors of reading input files, each with the path, the reason in words and the next step. */
import { TidemarkError } from '../../../format/errors.ts';

/** ERR_SOURCE_FAILED for a failed file operation. `doing`: "open", "read", "list". */
export function readFailed(path: string, doing: string, cause: unknown): TidemarkError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new TidemarkError('ERR_SOURCE_FAILED', `Cannot ${doing} '${path}': ${REASONS[code ?? ''] ?? message}.`, {
    cause,
    facts: { path, systemCode: code ?? null },
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist (it may have been moved or deleted while the job ran)',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EMFILE: 'too many files are open in this process; raise `ulimit -n`',
  EISDIR: 'it is a directory',
};

/** For a path that is not a regular file. `code`: whether a pattern names it, or it was a file when the pattern was looked up. */
export function notAFile(code: 'ERR_INPUT_NOT_FOUND' | 'ERR_SOURCE_FAILED', path: string, kind: string): TidemarkError {
  const advice =
    kind === 'a directory'
      ? `To read the files in it, use the pattern '${path.replace(/\/$/, '')}/**'.`
      : 'Only regular files can be read again after a restore; copy its content into one.';
  return new TidemarkError(code, `'${path}' is ${kind}, not a file. ${advice}`, { facts: { path, kind } });
}

/** ERR_SOURCE_CHANGED: the file is not the one that was listed, or in which a checkpoint has a position. */
export function fileChanged(path: string, detail: string, facts: Readonly<Record<string, string | number>>): TidemarkError {
  return new TidemarkError(
    'ERR_SOURCE_CHANGED',
    `'${path}' is no longer the file that this job began to read: ${detail}. Put the original file back and restore again, or start without the checkpoint.`,
    { facts: { path, ...facts } },
  );
}
