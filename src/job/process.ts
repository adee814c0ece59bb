/** `process`: a user function with state. Keyed after `keyBy`, with operator state otherwise. */
import type { Schema } from '../format/schema.ts';
import type { AggregateFunction } from './aggregate.ts';
import type { CheckpointOutcome } from './checkpoint-outcome.ts';

/** Lists of several subtasks, dealt to others: see `operatorList`. */
export type Redistribution = 'split' | 'union' | 'broadcast';

/** Description of one keyed state. `schema` null: the general codec. */
export type StateSpec =
  | { readonly kind: 'value'; readonly schema: Schema | null; readonly initial: unknown }
  | { readonly kind: 'list'; readonly schema: Schema | null }
  | { readonly kind: 'map'; readonly keySchema: Schema | null; readonly schema: Schema | null }
  | { readonly kind: 'reducing'; readonly schema: Schema | null; readonly reduce: (a: never, b: never) => unknown }
  | {
      readonly kind: 'aggregating';
      readonly schema: Schema | null;
      readonly aggregate: AggregateFunction<never, unknown, unknown>;
    };

/** Value of the current key. */
export interface ValueState<T> {
  /** Value of the current key, or the initial value. */
  get(): T;
  set(value: T): void;
  /** Sets `change(get())` and returns it. */
  update(change: (value: T) => T): T;
  clear(): void;
  /** Has the current key a value of its own? */
  readonly exists: boolean;
}

export interface ListState<T> {
  get(): T[];
  add(value: T): void;
  addAll(values: Iterable<T>): void;
  set(values: Iterable<T>): void;
  readonly length: number;
  clear(): void;
}

/** A map for each key. Iteration order is the order of the encoded map keys, not of insertion. */
export interface MapState<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): boolean;
  entries(): IterableIterator<[K, V]>;
  keys(): IterableIterator<K>;
  values(): IterableIterator<V>;
  readonly size: number;
  clear(): void;
}

export interface ReducingState<T> {
  get(): T | undefined;
  add(value: T): void;
  clear(): void;
}

export interface AggregatingState<In, Out> {
  get(): Out | undefined;
  add(value: In): void;
  clear(): void;
}

/** What a user function can reach besides its record. One object per operator, reused for every record. */
export interface ProcessContext<Out, States, Key> {
  readonly state: States;
  /** The current key; only after `keyBy`. */
  readonly key: Key;
  emit(this: void, value: Out, timestampMs?: number): void;
  /** Event time of the record in ms, -Infinity if it has none. */
  readonly timestampMs: number;
  readonly watermarkMs: number;
  readonly subtask: number;
  readonly parallelism: number;
}

export interface ProcessSpec {
  readonly state: Readonly<Record<string, StateSpec>>;
  /** Called once per subtask and start; what it returns is `this.local` no more than a cache: it is not checkpointed. */
  readonly onOpen: ((context: { readonly subtask: number; readonly parallelism: number }) => void) | undefined;
  readonly onRecord: (value: never, context: never) => void;
  /** Called once for each key that has state, in the order of key hashes, when all input has ended. */
  readonly onEnd: ((context: never) => void) | undefined;
  readonly onCheckpoint: ((outcome: CheckpointOutcome) => void) | undefined;
  /** Operator state of a not keyed `process`: lists, and what becomes of them when the parallelism changes. */
  readonly operatorState: Readonly<Record<string, { readonly schema: Schema | null; readonly redistribute: Redistribution }>>;
}
