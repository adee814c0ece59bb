/**
 * Records for the handle's `collected` array. They leave the worker as committables, so the array gets exactly the records
 * of completed checkpoints, each once. They are kept in memory and pass through manifests: for results, not for bulk output.
 */
import { TidemarkError } from '../../format/errors.ts';
import { encodeCollected } from '../../format/collected.ts';
import type { JsonValue } from '../../format/json.ts';
import type { Sink, SinkContext, SinkWriter } from '../../job/sink.ts';

/** Most records of one subtask and epoch: above it a file sink serves better than an array. */
const MAX_EPOCH_RECORDS = 1_000_000;

export function createCollectSink(): Sink<unknown> {
  return {
    name: 'collect',
    open: (context) => new CollectWriter(context),
    // The main thread takes the values out of the committables of a completed checkpoint.
    commit: () => {},
  };
}

class CollectWriter implements SinkWriter<unknown> {
  readonly #context: SinkContext;
  #values: unknown[] = [];

  constructor(context: SinkContext) {
    this.#context = context;
  }

  write(value: unknown): void {
    if (this.#values.length === MAX_EPOCH_RECORDS) throw tooMany(this.#context);
    this.#values.push(value);
  }

  prepare(checkpointId: number): JsonValue | null {
    const values = this.#values;
    if (values.length === 0) return null;
    this.#values = [];
    const { jobId, attempt, subtask } = this.#context;
    return encodeCollected({ id: `${jobId}-${attempt}-${subtask}-${checkpointId}`, values });
  }

  close(): void {
    this.#values = [];
  }
}

function tooMany({ uid, subtask }: SinkContext): TidemarkError {
  return new TidemarkError(
    'ERR_SINK_FAILED',
    `Sink '${uid}', subtask ${subtask}, has collected ${MAX_EPOCH_RECORDS} records since the last checkpoint. Collected records stay in memory: ` +
      'write them to files instead, or take checkpoints more often.',
    { facts: { uid, subtask, limit: MAX_EPOCH_RECORDS } },
  );
}
