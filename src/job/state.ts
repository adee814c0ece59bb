/**
 * Descriptions of keyed state, for `process({ state: { ... } })`. Each key has its own value of each state; the handles that
 * the function gets are typed by these descriptions.
 */
import { findMismatch, mismatchError } from '../format/schema-check.ts';
import type { AggregateFunction } from './aggregate.ts';
import { requireFunction, requireMethods, requireOptions } from './arguments.ts';
import type { AggregatingState, ListState, MapState, Redistribution, ReducingState, StateSpec, ValueState } from './process.ts';
import { type AnyType, schemaOf, type Type } from './types.ts';

declare const handleType: unique symbol;

/** A state whose handle in `onRecord` is an `H`. */
export interface StateDescriptor<H> {
  readonly spec: StateSpec;
  /** Only for the compiler. */
  readonly [handleType]?: H;
}

/** Operator state of a `process` that is not keyed: a list of the subtask's own. */
export interface OperatorStateDescriptor<H> {
  readonly operatorState: { readonly schema: StateSpec['schema']; readonly redistribute: Redistribution };
  readonly [handleType]?: H;
}

type AnyOr<T> = Type<T> | AnyType<T>;

/**
 * One value for each key.
 *
 * @param initial  value of keys that have none yet; without it they have `undefined`
 * @example state: { total: value(t.f64, 0), last: value(Visit) }
 * @throws TidemarkError ERR_INVALID_ARG when `initial` is not of the type
 */
export function value<T>(type: AnyOr<T>, initial: NoInfer<T>): StateDescriptor<ValueState<T>>;
export function value<T>(type: AnyOr<T>): StateDescriptor<ValueState<T | undefined>>;
export function value(type: AnyOr<unknown>, initial?: unknown): StateDescriptor<ValueState<unknown>> {
  const schema = schemaOf(type, 'value state');
  if (initial !== undefined && schema !== null && findMismatch(schema, initial) !== null) throw mismatchError(schema, initial);
  return describe({ kind: 'value', schema, initial });
}

/** A list for each key; adding does not rewrite what is there. @example state: { waiting: list(Order) } */
export function list<T>(of: AnyOr<T>): StateDescriptor<ListState<T>> {
  return describe({ kind: 'list', schema: schemaOf(of, 'list state') });
}

/**
 * A map for each key, of any size: one entry is read or written without the others. Listed in the order of encoded keys.
 *
 * @example state: { seen: map(t.string, t.i32) }
 */
export function map<K, V>(key: AnyOr<K>, of: AnyOr<V>): StateDescriptor<MapState<K, V>> {
  return describe({ kind: 'map', keySchema: schemaOf(key, 'the key of map state'), schema: schemaOf(of, 'map state') });
}

/**
 * One value for each key, into which others are folded.
 *
 * @example state: { longest: reducing(t.string, (a, b) => (a.length >= b.length ? a : b)) }
 */
export function reducing<T>(type: AnyOr<T>, reduce: (a: T, b: T) => T): StateDescriptor<ReducingState<T>> {
  requireFunction(reduce, 'The reduce function of reducing state');
  return describe({
    kind: 'reducing',
    schema: schemaOf(type, 'reducing state'),
    reduce: reduce,
  });
}

/** An aggregate as a user writes it: how values are folded into an accumulator, and what comes out. */
export interface Aggregate<In, Acc, Out> {
  /** A new accumulator. */
  create(): Acc;
  /** Folds a value in. May change and return the accumulator that it got. */
  add(accumulator: Acc, value: In): Acc;
  /** Joins two accumulators. Allows folding before the exchange, where results leave at the end. */
  merge?(a: Acc, b: Acc): Acc;
  result(accumulator: Acc): Out;
  /** Type of the accumulator, for a compact state. */
  readonly schema?: AnyOr<Acc>;
}

/** An aggregate for each key. @example state: { median: aggregating(medianOf) } */
export function aggregating<In, Acc, Out>(aggregate: Aggregate<In, Acc, Out>): StateDescriptor<AggregatingState<In, Out>> {
  const folded = aggregateFunction(aggregate, 'aggregating state');
  return describe({ kind: 'aggregating', schema: folded.schema ?? null, aggregate: folded });
}

/**
 * A list of the subtask's own, for a `process` that is not keyed. It is recorded in the manifest, so it is to stay small.
 *
 * @param options.redistribute  what happens when the job is restored: `split` deals the elements out evenly (default); `union`
 *                              gives every subtask those of all; `broadcast` gives every subtask the list of the first, for a
 *                              list that is the same in all
 */
export function operatorList<T>(
  of: AnyOr<T>,
  options: { readonly redistribute?: Redistribution } = {},
): OperatorStateDescriptor<ListState<T>> {
  requireOptions(options, ['redistribute'], 'operatorList');
  return { operatorState: { schema: schemaOf(of, 'operator state'), redistribute: options.redistribute ?? 'split' } };
}

/** The description that operators read. Methods are called on the user's object, which may be an instance of a class. */
export function aggregateFunction<In, Acc, Out>(
  aggregate: Aggregate<In, Acc, Out>,
  where: string,
): AggregateFunction<never, unknown, unknown> {
  requireMethods(aggregate, ['create', 'add', 'result'], where);
  requireMethods(aggregate, ['merge'], where, true);
  const schema = aggregate.schema === undefined ? null : schemaOf(aggregate.schema, `the schema of ${where}`);
  const bound: AggregateFunction<In, Acc, Out> = {
    create: () => aggregate.create(),
    add: (accumulator, added) => aggregate.add(accumulator, added),
    result: (accumulator) => aggregate.result(accumulator),
    ...(aggregate.merge !== undefined && {
      merge: (a: Acc, b: Acc) => (aggregate.merge as (a: Acc, b: Acc) => Acc).call(aggregate, a, b),
    }),
    ...(schema !== null && { schema }),
  };
  return bound;
}

function describe<H>(spec: StateSpec): StateDescriptor<H> {
  return { spec };
}
