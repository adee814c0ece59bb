/** The end of a chain that leaves the job: one writer of a sink, as the subtask drives it. */
import { TidemarkError } from '../format/errors.ts';
import type { JsonValue } from '../format/json.ts';
import type { CheckpointOutcome } from '../job/checkpoint-outcome.ts';
import type { SinkContext, SinkWriter } from '../job/sink.ts';
import type { Output } from './operator.ts';

export class SinkOutput implements Output {
  /** A sink is never full: it writes at once. */
  readonly full = false;
  /** Node id of the sink. */
  readonly node: number;
  recordsOut = 0;
  readonly #writer: SinkWriter<unknown>;
  readonly #context: SinkContext;
  readonly #takePrinted: () => string;

  constructor(node: number, writer: SinkWriter<unknown>, context: SinkContext, takePrinted: () => string) {
    this.node = node;
    this.#writer = writer;
    this.#context = context;
    this.#takePrinted = takePrinted;
  }

  emit(value: unknown, timestampMs: number): void {
    this.recordsOut++;
    try {
      this.#writer.write(value, timestampMs);
    } catch (error) {
      throw this.#failure('write a record', error);
    }
  }

  /** End of a turn. A promise only when the writer's own flush is asynchronous. */
  flush(): Promise<void> | undefined {
    try {
      const flushed = this.#writer.flush?.();
      return flushed instanceof Promise
        ? flushed.catch((error: unknown) => Promise.reject(this.#failure('flush', error)))
        : undefined;
    } catch (error) {
      throw this.#failure('flush', error);
    }
  }

  /** Barrier: what was written since the last one, as committables. */
  async prepare(checkpointId: number): Promise<readonly JsonValue[]> {
    try {
      const committable = await this.#writer.prepare(checkpointId);
      return committable === null ? [] : [committable];
    } catch (error) {
      throw this.#failure(`prepare checkpoint ${checkpointId}`, error);
    }
  }

  onCheckpoint(outcome: CheckpointOutcome): void {
    try {
      this.#writer.onCheckpoint?.(outcome);
    } catch (error) {
      throw this.#failure(`take the end of checkpoint ${outcome.checkpointId}`, error);
    }
  }

  /** What a `print` sink has written since the last call. */
  takePrinted(): string {
    return this.#takePrinted();
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  #failure(what: string, error: unknown): unknown {
    if (error instanceof TidemarkError) return error;
    const { uid, subtask } = this.#context;
    const message = error instanceof Error ? error.message : String(error);
    return new TidemarkError('ERR_SINK_FAILED', `Sink '${uid}', subtask ${subtask}, could not ${what}: ${message}`, {
      cause: error,
      facts: { uid, subtask },
    });
  }
}
