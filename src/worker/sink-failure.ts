/** A sink's own error, as one that says whose it was. */
import { TidemarkError } from '../format/errors.ts';
import type { SinkContext } from '../job/sink.ts';

/**
 * @param what  what the sink could not do: "write a record"
 * @param rest  a sentence about what follows from it
 * @returns     ERR_SINK_FAILED; an error of ours as it is
 */
export function sinkFailure({ uid, subtask }: SinkContext, what: string, error: unknown, rest = ''): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const who = subtask < 0 ? `Sink '${uid}'` : `Sink '${uid}', subtask ${subtask},`;
  return new TidemarkError('ERR_SINK_FAILED', `${who} could not ${what}: ${message}${rest === '' ? '' : `. ${rest}`}`, {
    cause: error,
    facts: { uid, subtask },
  });
}
