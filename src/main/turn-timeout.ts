/** The error of a turn that does not return. */
import { TidemarkError } from '../format/errors.ts';
import type { ScheduledSubtask } from './scheduled-subtask.ts';
import { describeSinkCall, type RunningSinkCall } from './sink-calls.ts';

/** What a subtask does that does not return. */
interface Doing {
  /** Whose synchronous part it is in; undefined: it processes records. */
  readonly checkpointId: number | undefined;
  readonly sinkCall: RunningSinkCall | null;
}

/** @returns ERR_TASK_TIMEOUT */
export function timedOut(
  { stage, indexInStage }: Pick<ScheduledSubtask, 'stage' | 'indexInStage'>,
  elapsedMs: number,
  timeoutMs: number,
  doing: Doing,
): TidemarkError {
  const { checkpointId, sinkCall } = doing;
  const what = checkpointId === undefined ? 'a turn' : `its part of checkpoint ${checkpointId}`;
  return new TidemarkError(
    'ERR_TASK_TIMEOUT',
    `Stage '${stage.name}', subtask ${indexInStage}: ${what} has not returned for ${Math.round(elapsedMs)} ms (task.timeout is ${timeoutMs} ms). ${likelyCause(doing)}`,
    {
      facts: {
        stage: stage.name,
        subtask: indexInStage,
        timeoutMs,
        checkpointId: checkpointId ?? null,
        ...(sinkCall !== null && { uid: sinkCall.uid, method: sinkCall.method }),
      },
    },
  );
}

function likelyCause({ checkpointId, sinkCall }: Doing): string {
  if (sinkCall !== null)
    return `${describeSinkCall(sinkCall)} is in an endless loop, or awaits something that does not come; it must be quick, since processing stands still.`;
  return checkpointId === undefined
    ? 'A user function is in an endless loop or blocks; raise task.timeout if one record may take so long.'
    : 'The position() of a source does not return; it must be quick, since processing stands still.';
}
