/** Aggregates: a value per key, folded record by record. The built-in ones stay in binary: no object per record. */
import type { Schema } from '../format/schema.ts';

/** An aggregate that a user writes. `merge` allows local pre-aggregation before the exchange. */
export interface AggregateFunction<In, Acc, Out> {
  create(): Acc;
  add(accumulator: Acc, value: In): Acc;
  merge?(a: Acc, b: Acc): Acc;
  result(accumulator: Acc): Out;
  /** Schema of the accumulator, for a compact state; the general codec otherwise. */
  readonly schema?: Schema;
}

/** One output field computed by a built-in. `field` is the input field; `count` has none. */
export type BuiltInAggregate =
  | { readonly kind: 'count' }
  | { readonly kind: 'sum' | 'min' | 'max' | 'avg'; readonly field: string }
  /** The n records with the largest `field`, largest first; equal ones by arrival. */
  | { readonly kind: 'topN'; readonly field: string; readonly n: number }
  /** Number of distinct values of `field`, exact. */
  | { readonly kind: 'distinct'; readonly field: string };

/** When results leave: after every record, or once per key when all input has ended. */
export type EmitWhen = 'each' | 'end';

export type AggregateSpec =
  /** Output: the key fields (or `key`, for a function key), then each named aggregate. */
  | { readonly kind: 'built-in'; readonly outputs: Readonly<Record<string, BuiltInAggregate>>; readonly emit: EmitWhen }
  | {
      readonly kind: 'function';
      readonly aggregate: AggregateFunction<never, unknown, unknown>;
      readonly emit: EmitWhen;
      readonly project: ((key: never, result: never) => unknown) | undefined;
    }
  /** The result has the record's own type; the first record of a key is its first accumulator. */
  | { readonly kind: 'reduce'; readonly reduce: (a: never, b: never) => unknown; readonly emit: EmitWhen };

/**
 * May records of one key be folded before the exchange, and the partial results merged after it? Only where results
 * leave at the end: with `each` the number of results would depend on how records were grouped.
 */
export function allowsLocalCombine(spec: AggregateSpec): boolean {
  if (spec.emit !== 'end') return false;
  switch (spec.kind) {
    case 'built-in':
      return Object.values(spec.outputs).every((output) => output.kind !== 'topN' && output.kind !== 'distinct');
    case 'function':
      return spec.aggregate.merge !== undefined;
    case 'reduce':
      return true;
  }
}
