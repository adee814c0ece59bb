/** The built-in aggregates, for `aggregate({ name: sum('field') })`. They are computed in binary, without an object per record. */
import type { BuiltInAggregate } from './aggregate.ts';
import { invalidArgument, requireInteger, requireText } from './arguments.ts';

/** A built-in over a field called `F`. */
export type CountAggregate = Extract<BuiltInAggregate, { readonly kind: 'count' }>;
export interface NumberAggregate<F extends string> {
  readonly kind: 'sum' | 'min' | 'max' | 'avg';
  readonly field: F;
}
export interface DistinctAggregate<F extends string> {
  readonly kind: 'distinct';
  readonly field: F;
}
export interface TopAggregate<F extends string> {
  readonly kind: 'topN';
  readonly field: F;
  readonly n: number;
}

/** Number of records. */
export function count(): CountAggregate {
  return { kind: 'count' };
}

/** Sum of a number field. Doubles: exact for integers up to 2^53. */
export function sum<const F extends string>(field: F): NumberAggregate<F> {
  return ofField('sum', field);
}

/** Smallest value of a number field. */
export function min<const F extends string>(field: F): NumberAggregate<F> {
  return ofField('min', field);
}

/** Largest value of a number field. */
export function max<const F extends string>(field: F): NumberAggregate<F> {
  return ofField('max', field);
}

/** Mean of a number field. */
export function avg<const F extends string>(field: F): NumberAggregate<F> {
  return ofField('avg', field);
}

/** The `n` records with the largest `field`, largest first. */
export function topN<const F extends string>(n: number, field: F): TopAggregate<F> {
  requireInteger(n, { min: 1, max: 1_000_000 }, 'The number of topN');
  requireText(field, 'The field of topN');
  return { kind: 'topN', field, n };
}

/** Number of distinct values of a field, exact: every value of every key is kept in state. */
export function distinct<const F extends string>(field: F): DistinctAggregate<F> {
  requireText(field, 'The field of distinct');
  return { kind: 'distinct', field };
}

function ofField<F extends string>(kind: NumberAggregate<F>['kind'], field: F): NumberAggregate<F> {
  requireText(field, `The field of ${kind}`);
  return { kind, field };
}

const KINDS: ReadonlySet<unknown> = new Set<BuiltInAggregate['kind']>(['count', 'sum', 'min', 'max', 'avg', 'topN', 'distinct']);

/** Is `value` one of the above? @throws TidemarkError ERR_INVALID_ARG when it is not, naming the output */
export function requireBuiltIn(value: unknown, output: string): asserts value is BuiltInAggregate {
  if (typeof value === 'object' && value !== null && KINDS.has((value as { kind?: unknown }).kind)) return;
  throw invalidArgument(
    `The output '${output}' of aggregate must be one of count(), sum('field'), min, max, avg, topN, distinct. For an aggregate of your own pass one object with create, add and result.`,
  );
}
