/** What becomes of an input record that cannot be decoded: the source's `onError`, carried out. */
import { TidemarkError } from '../../format/errors.ts';
import type { MalformedRecord, OnError } from '../../job/source.ts';

/** Takes a malformed record; the shape of `RecordOutput.malformed`. */
export type MalformedHandler = (raw: string, reason: string, where: string) => void;

/** Longest excerpt of a raw record in an error message, in characters. */
const MAX_EXCERPT = 200;

export interface MalformedOptions {
  readonly sourceName: string;
  readonly onError: OnError;
  /** Counts every malformed record, whatever becomes of it. */
  readonly count: () => void;
  /** Passes the record to the dead-letter sink. Required when `onError` names one. */
  readonly deadLetter?: ((record: MalformedRecord) => void) | undefined;
}

/**
 * The handler for one source of one subtask.
 *
 * @returns a function that throws ERR_RECORD_MALFORMED for `onError: 'fail'` and returns otherwise
 */
export function createMalformedHandler({ sourceName, onError, count, deadLetter }: MalformedOptions): MalformedHandler {
  if (onError === 'fail') {
    return (raw, reason, where) => {
      count();
      throw malformedError(sourceName, raw, reason, where);
    };
  }
  if (onError === 'skip') return () => count();
  if (deadLetter === undefined) {
    throw new TidemarkError('ERR_INTERNAL', `Source '${sourceName}' has a dead-letter sink, but none was opened for it.`);
  }
  return (raw, reason, where) => {
    count();
    deadLetter({ raw, reason, where });
  };
}

function malformedError(sourceName: string, raw: string, reason: string, where: string): TidemarkError {
  const excerpt = raw.length > MAX_EXCERPT ? `${raw.slice(0, MAX_EXCERPT)}…` : raw;
  return new TidemarkError(
    'ERR_RECORD_MALFORMED',
    `${where}: ${reason}. The record is ${JSON.stringify(excerpt)}. Correct the input, or give source '${sourceName}' ` +
      `onError: 'skip' to count and drop such records, or a dead-letter sink to keep them.`,
    { facts: { source: sourceName, where, reason, excerpt } },
  );
}
