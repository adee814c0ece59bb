/** What is asked of a savepoint, and where it is to go: checked before any barrier is sent. */
import { resolve } from 'node:path';
import { TidemarkError } from '../format/errors.ts';
import type { SavepointFormat } from '../snapshot/savepoint.ts';
import type { Host } from './host.ts';

export interface SavepointRequest {
  /** Directory of savepoints: absolute, exists, may be written. */
  readonly target: string;
  readonly format: SavepointFormat;
}

/**
 * @param directory  where it is to go; null: there is no default either
 * @throws TidemarkError ERR_SAVEPOINT_FAILED, ERR_INVALID_ARG
 */
export function requestSavepoint(
  directory: string | null,
  format: SavepointFormat = 'canonical',
  { findUnusable }: Pick<Host, 'findUnusable'>,
): SavepointRequest {
  if (format !== 'canonical' && format !== 'native') {
    throw new TidemarkError(
      'ERR_INVALID_ARG',
      `The format of a savepoint is 'canonical' or 'native', and was ${String(format)}.`,
    );
  }
  if (directory === null || directory === '') {
    throw new TidemarkError(
      'ERR_SAVEPOINT_FAILED',
      'No savepoint was taken: there is no directory for it. Name one, or set execution.checkpointing.savepoint-dir.',
    );
  }
  const target = resolve(directory);
  const unusable = findUnusable(target);
  if (unusable !== null) {
    throw new TidemarkError(
      'ERR_SAVEPOINT_FAILED',
      `No savepoint was taken: the directory ${target} cannot be used: ${unusable.reason}. Name one that the process of the job may write.`,
      { cause: unusable.cause, facts: { path: target, errno: unusable.errno } },
    );
  }
  return { target, format };
}
