/** The end of a chain that leaves the job: one writer of a sink, as the subtask drives it. */
import type { JsonValue } from '../format/json.ts';
import type { CheckpointOutcome } from '../job/checkpoint-outcome.ts';
import type { SinkContext, SinkWriter } from '../job/sink.ts';
import type { Output } from './operator.ts';
import { encodeSinkCall, type SinkCall } from './protocol.ts';
import { sinkFailure } from './sink-failure.ts';

export class SinkOutput implements Output {
  /** A sink is never full: it writes at once. */
  readonly full = false;
  /** Node id of the sink. */
  readonly node: number;
  recordsOut = 0;
  readonly #writer: SinkWriter<unknown>;
  readonly #context: SinkContext;
  readonly #takePrinted: () => string;
  readonly #i32: Int32Array;
  readonly #callWord: number;

  /**
   * @param i32       the control block
   * @param callWord  `ControlWord.sinkCall` of the subtask
   */
  constructor(
    node: number,
    writer: SinkWriter<unknown>,
    context: SinkContext,
    takePrinted: () => string,
    i32: Int32Array,
    callWord: number,
  ) {
    this.node = node;
    this.#writer = writer;
    this.#context = context;
    this.#takePrinted = takePrinted;
    this.#i32 = i32;
    this.#callWord = callWord;
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
    this.#enter('flush');
    try {
      const flushed = this.#writer.flush?.();
      if (flushed instanceof Promise) return this.#flushed(flushed);
    } catch (error) {
      throw this.#failure('flush', error);
    }
    this.#leave();
    return undefined;
  }

  async #flushed(flushing: Promise<void>): Promise<void> {
    try {
      await flushing;
    } catch (error) {
      throw this.#failure('flush', error);
    }
    this.#leave();
  }

  /** Barrier: what was written since the last one, as committables. */
  async prepare(checkpointId: number): Promise<readonly JsonValue[]> {
    this.#enter('prepare');
    try {
      const committable = await this.#writer.prepare(checkpointId);
      this.#leave();
      return committable === null ? [] : [committable];
    } catch (error) {
      throw this.#failure(`prepare checkpoint ${checkpointId}`, error);
    }
  }

  onCheckpoint(outcome: CheckpointOutcome): void {
    this.#enter('onCheckpoint');
    try {
      this.#writer.onCheckpoint?.(outcome);
    } catch (error) {
      throw this.#failure(`take the end of checkpoint ${outcome.checkpointId}`, error);
    }
    this.#leave();
  }

  /** What a `print` sink has written since the last call. */
  takePrinted(): string {
    return this.#takePrinted();
  }

  async close(): Promise<void> {
    this.#enter('close');
    try {
      await this.#writer.close();
    } catch (error) {
      throw this.#failure('close', error);
    } finally {
      // Others are closed all the same.
      this.#leave();
    }
  }

  /** Where the main thread looks for what a subtask that does not return is doing. */
  #enter(method: SinkCall['method']): void {
    Atomics.store(this.#i32, this.#callWord, encodeSinkCall({ node: this.node, method }));
  }

  #leave(): void {
    Atomics.store(this.#i32, this.#callWord, 0);
  }

  #failure(what: string, error: unknown): Error {
    return sinkFailure(this.#context, what, error);
  }
}
