/**
 * `process` without `keyBy`: a user function with operator state, lists that belong to the subtask and are dealt out anew
 * when the parallelism changes. They live in the heap and are recorded in the manifest, so they are to stay small.
 *
 * An element in the manifest: `{ "value": … }` as JSON by its schema, or, without a schema, `{ "row": base64 }` in the
 * general codec.
 */
import type { Codec } from '../../format/codec.ts';
import { TidemarkError } from '../../format/errors.ts';
import { createGeneralCodec } from '../../format/general-codec.ts';
import type { JsonValue } from '../../format/json.ts';
import { Memory } from '../../format/memory.ts';
import type { Schema } from '../../format/schema.ts';
import { JsonMismatch, valueFromJson, valueToJson } from '../../format/schema-json.ts';
import type { CheckpointOutcome } from '../../job/checkpoint-outcome.ts';
import type { GraphNode } from '../../job/graph.ts';
import type { ListState, ProcessContext, ProcessSpec } from '../../job/process.ts';
import type { OperatorContext, OperatorSnapshot, Output } from '../operator.ts';
import { RowScratch } from '../state/handles/row-scratch.ts';
import { END_STATE } from './end-cursor.ts';
import { type FailureSite, operatorFailure } from './operator-failure.ts';
import type { ValueOperator } from './value-operators.ts';

type ProcessNode = Extract<GraphNode, { readonly kind: 'process' }>;

export class FreeProcessOperator implements ValueOperator {
  recordsIn = 0;
  recordsOut = 0;
  readonly #spec: ProcessSpec;
  readonly #out: Output;
  readonly #site: FailureSite;
  readonly #lists: ReadonlyMap<string, OperatorList>;
  readonly #context: FreeContext;
  #ended = false;

  constructor(node: ProcessNode, out: Output, site: FailureSite, restored: OperatorSnapshot | undefined) {
    this.#spec = node.process;
    this.#out = out;
    this.#site = site;
    this.#lists = new Map(
      Object.entries(node.process.operatorState).map(([name, { schema }]) => [
        name,
        new OperatorList(schema, restored?.[name] ?? [], `operator '${node.name}', state '${name}'`),
      ]),
    );
    this.#context = new FreeContext(Object.fromEntries(this.#lists), site.context, (value, timestampMs) => {
      this.recordsOut++;
      out.emit(value, timestampMs);
    });
    this.#ended = hasEnded(restored?.[END_STATE] ?? [], site.context);
    node.process.onOpen?.({ subtask: site.context.subtask, parallelism: site.context.parallelism });
  }

  get full(): boolean {
    return this.#out.full;
  }

  emit(value: unknown, timestampMs: number): void {
    this.recordsIn++;
    this.#ended = false;
    this.#context.timestampMs = timestampMs;
    try {
      this.#spec.onRecord(value as never, this.#context as never);
    } catch (error) {
      throw operatorFailure(error, this.#site, () => value);
    }
  }

  /** `onEnd` is called once for each subtask; a checkpoint taken after it records that. */
  end(): boolean {
    if (this.#ended) return true;
    this.#ended = true;
    this.#context.timestampMs = -Infinity;
    try {
      this.#spec.onEnd?.(this.#context as never);
    } catch (error) {
      throw operatorFailure(error, this.#site, () => 'the end of the input');
    }
    return true;
  }

  onCheckpoint(outcome: CheckpointOutcome): void {
    try {
      this.#spec.onCheckpoint?.(outcome);
    } catch (error) {
      throw operatorFailure(error, this.#site, () => `the end of checkpoint ${outcome.checkpointId}`);
    }
  }

  snapshot(): OperatorSnapshot | null {
    const lists: Record<string, readonly JsonValue[]> = {};
    for (const [name, list] of this.#lists) lists[name] = list.toJson();
    const { subtask, parallelism } = this.#site.context;
    if (this.#ended) lists[END_STATE] = [{ subtask, parallelism }];
    return Object.keys(lists).length === 0 ? null : lists;
  }
}

/**
 * Was `onEnd` called before the checkpoint? Yes when this subtask reported so, or when all of them did. After a change of
 * parallelism in the middle of the end it is called again: there is no telling to whom the end belongs.
 */
function hasEnded(recorded: readonly JsonValue[], { subtask, parallelism }: OperatorContext): boolean {
  const ended = recorded as unknown as readonly { readonly subtask: number; readonly parallelism: number }[];
  if (ended.length === 0) return false;
  return ended.length === ended[0].parallelism || ended.some((by) => by.subtask === subtask && by.parallelism === parallelism);
}

class FreeContext implements ProcessContext<unknown, unknown, undefined> {
  readonly state: unknown;
  readonly key = undefined;
  readonly emit: (value: unknown, timestampMs?: number) => void;
  timestampMs = -Infinity;
  readonly subtask: number;
  readonly parallelism: number;
  readonly #operator: OperatorContext;

  constructor(state: unknown, operator: OperatorContext, emit: (value: unknown, timestampMs: number) => void) {
    this.state = state;
    this.#operator = operator;
    this.subtask = operator.subtask;
    this.parallelism = operator.parallelism;
    this.emit = (value, timestampMs = this.timestampMs) => emit(value, timestampMs);
  }

  get watermarkMs(): number {
    return this.#operator.watermarkMs();
  }
}

/** A list of the subtask's own. */
class OperatorList implements ListState<unknown> {
  #elements: unknown[];
  readonly #schema: Schema | null;
  readonly #codec: Codec;
  readonly #scratch = new RowScratch();

  constructor(schema: Schema | null, restored: readonly JsonValue[], label: string) {
    this.#schema = schema;
    this.#codec = createGeneralCodec();
    this.#elements = restored.map((element) => this.#fromJson(element, label));
  }

  get length(): number {
    return this.#elements.length;
  }

  get(): unknown[] {
    return [...this.#elements];
  }

  add(value: unknown): void {
    if (this.#schema !== null) valueToJson(this.#schema, value);
    this.#elements.push(value);
  }

  addAll(values: Iterable<unknown>): void {
    for (const value of values) this.add(value);
  }

  set(values: Iterable<unknown>): void {
    const elements = [...values];
    this.#elements = [];
    this.addAll(elements);
  }

  clear(): void {
    this.#elements = [];
  }

  toJson(): readonly JsonValue[] {
    return this.#elements.map((value): JsonValue => {
      if (this.#schema !== null) return { value: valueToJson(this.#schema, value) };
      const bytes = this.#scratch.encode(this.#codec, value);
      return { row: this.#scratch.memory.buf.toString('base64', 0, bytes) };
    });
  }

  #fromJson(element: JsonValue, label: string): unknown {
    const { value, row } = element as { readonly value?: JsonValue; readonly row?: string };
    if (this.#schema === null && typeof row === 'string') {
      const bytes = Buffer.from(row, 'base64');
      const memory = Memory.local(bytes.byteLength);
      memory.u8.set(bytes);
      return this.#codec.decode(memory, 0);
    }
    const decoded = this.#schema === null ? undefined : valueFromJson(this.#schema, value);
    if (this.#schema === null || decoded instanceof JsonMismatch) {
      const detail = decoded instanceof JsonMismatch ? `it must be ${decoded.expected}` : 'it was recorded with a schema';
      throw new TidemarkError(
        'ERR_STATE_INCOMPATIBLE',
        `An element of ${label} in the checkpoint does not match the job: ${detail}. Restore with the schema that it was recorded with.`,
      );
    }
    return decoded;
  }
}
