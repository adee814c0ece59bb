/** A stream partitioned by key, and the operators that keep state for each key. */
import type { AggregateSpec, BuiltInAggregate, EmitWhen } from './aggregate.ts';
import { type AggregateOutput, type BuiltInOutputs, builtInSchema, checkBuiltIns } from './aggregate-output.ts';
import { invalidArgument, requireFunction, requireOptions } from './arguments.ts';
import { type CountAggregate, count } from './built-ins.ts';
import type { KeySelector, NodePayload } from './graph.ts';
import type { NodeDraft, NodeOptions } from './graph-draft.ts';
import { type KeyedProcess, keyedProcessSpec, type KeyedStates } from './process-builder.ts';
import { type Aggregate, aggregateFunction } from './state.ts';
import type { FunctionOptions, Stream } from './stream.ts';
import { type AnyType, schemaOf, type Type } from './types.ts';

/** Adds an operator that reads the keyed stream. Given by `Stream`, so that the two modules need not import each other. */
export type AddOperator = <U>(payload: NodePayload, options: NodeOptions) => Stream<U>;

/** When results of an aggregate leave. */
export interface EmitOptions {
  /**
   * `each` (default): after every record, the result so far. `end`: once for each key, when all input has ended; records
   * are then folded before the exchange where the aggregate allows it.
   */
  readonly emit?: EmitWhen;
}

/** Options of an aggregate of the user's own. */
export interface AggregateOptions<K, R, U> extends EmitOptions {
  /** Makes the emitted record of a key and its result; default: the key's fields (or `key`), then `result`. */
  readonly project?: (key: K, result: R) => U;
  /** Type of the emitted records. */
  readonly schema?: Type<U> | AnyType<U>;
}

/**
 * @typeParam T  records
 * @typeParam K  key: the value of one field, an array of several, or what the key function returned
 * @typeParam P  the key as part of a result: its fields, or `{ key }` for a key function
 */
export class KeyedStream<T, K, P> {
  readonly #node: NodeDraft;
  readonly #selector: KeySelector;
  readonly #add: AddOperator;

  /** @internal */
  constructor(node: NodeDraft, selector: KeySelector, add: AddOperator) {
    this.#add = add;
    this.#node = node;
    this.#selector = selector;
  }

  /**
   * Number of records of each key, as `{ <key>, count }`.
   *
   * @example words.keyBy('word').count({ emit: 'end' })
   */
  count(options?: EmitOptions): Stream<AggregateOutput<T, P, { readonly count: CountAggregate }>> {
    return this.aggregate({ count: count() } as { readonly count: CountAggregate } & BuiltInOutputs<T>, options) as never;
  }

  /**
   * Folds the records of each key into one of the same type. The first record is the first result.
   *
   * @example bids.keyBy('auction').reduce((best, bid) => (bid.price > best.price ? bid : best))
   */
  reduce(fn: (a: T, b: T) => T, options?: EmitOptions): Stream<T> {
    requireFunction(fn, 'The function of reduce');
    requireOptions(options, ['emit'], 'reduce');
    const spec: AggregateSpec = {
      kind: 'reduce',
      reduce: fn,
      emit: emitOf(options, 'reduce'),
    };
    return this.#add({ kind: 'aggregate', aggregate: spec }, { name: 'reduce', schema: this.#node.schema });
  }

  /**
   * Aggregates by the built-ins `count`, `sum`, `min`, `max`, `avg`, `topN` and `distinct`: one record for each result, with
   * the key's fields (or `key`) and the named outputs. Stays in binary.
   *
   * @example visits.keyBy('user').aggregate({ visits: count(), ms: sum('ms'), pages: distinct('url') }, { emit: 'end' })
   */
  aggregate<const O extends BuiltInOutputs<T>>(outputs: O, options?: EmitOptions): Stream<AggregateOutput<T, P, O>>;
  /**
   * Aggregates by functions of your own.
   *
   * @example
   * visits.keyBy('user').aggregate({
   *   create: () => ({ n: 0, ms: 0 }),
   *   add: (acc, visit) => ({ n: acc.n + 1, ms: acc.ms + visit.ms }),
   *   merge: (a, b) => ({ n: a.n + b.n, ms: a.ms + b.ms }),
   *   result: ({ n, ms }) => ms / n,
   * }, { emit: 'end', project: (user, mean) => ({ user, mean }) })
   */
  aggregate<Acc, R, U = Simplify<P & { result: R }>>(
    aggregate: Aggregate<T, Acc, R>,
    options?: AggregateOptions<K, R, U>,
  ): Stream<U>;
  aggregate(given: BuiltInOutputs<T> | Aggregate<T, unknown, unknown>, options?: AggregateOptions<K, never, unknown>): unknown {
    return typeof given === 'object' && given !== null && typeof given.create === 'function' && typeof given.add === 'function'
      ? this.#aggregateByFunctions(given as Aggregate<T, unknown, unknown>, options)
      : this.#aggregateByBuiltIns(given as Readonly<Record<string, BuiltInAggregate>>, options);
  }

  /**
   * Calls a function for each record, with state for the record's key and `emit`. What `emit` takes is the type of
   * `schema`; without one it takes anything and the stream is one of unknown records.
   *
   * @example
   * visits.keyBy('user').process({
   *   state: { total: value(t.f64, 0), pages: map(t.string, t.i32) },
   *   onRecord(visit, { state, emit }) {
   *     state.pages.set(visit.url, (state.pages.get(visit.url) ?? 0) + 1);
   *     emit({ user: visit.user, total: state.total.update((total) => total + visit.ms) });
   *   },
   * }, { schema: Total })
   */
  process<S extends KeyedStates = Record<string, never>, U = unknown>(
    spec: KeyedProcess<T, K, S, U>,
    options?: FunctionOptions<U>,
  ): Stream<U> {
    requireOptions(options, ['schema', 'objectReuse'], 'process');
    const schema = options?.schema === undefined ? null : schemaOf(options.schema, 'The schema of process');
    return this.#add(
      { kind: 'process', process: keyedProcessSpec(spec), keyed: true },
      {
        name: 'process',
        schema,
        objectReuse: options?.objectReuse,
      },
    );
  }

  #aggregateByBuiltIns(outputs: Readonly<Record<string, BuiltInAggregate>>, options: EmitOptions | undefined): Stream<never> {
    requireOptions(options, ['emit'], 'aggregate');
    checkBuiltIns(outputs, this.#selector, this.#node);
    const spec: AggregateSpec = { kind: 'built-in', outputs: { ...outputs }, emit: emitOf(options, 'aggregate') };
    const kinds = Object.values(outputs).map(({ kind }) => kind);
    const name = kinds.length === 1 ? kinds[0] : `aggregate(${kinds.join(', ')})`;
    return this.#add(
      { kind: 'aggregate', aggregate: spec },
      {
        name,
        schema: builtInSchema(outputs, this.#selector, this.#node.schema),
      },
    );
  }

  #aggregateByFunctions(
    aggregate: Aggregate<T, unknown, unknown>,
    options: AggregateOptions<K, never, unknown> | undefined,
  ): Stream<never> {
    requireOptions(options, ['emit', 'project', 'schema'], 'aggregate');
    if (options?.project !== undefined) requireFunction(options.project, 'project of aggregate');
    const project = options?.project ?? keyAndResult(this.#selector);
    const spec: AggregateSpec = {
      kind: 'function',
      aggregate: aggregateFunction(aggregate, 'aggregate'),
      emit: emitOf(options, 'aggregate'),
      project: project,
    };
    const schema = options?.schema === undefined ? null : schemaOf(options.schema, 'The schema of aggregate');
    return this.#add({ kind: 'aggregate', aggregate: spec }, { name: 'aggregate', schema });
  }
}

export type Simplify<X> = { [K in keyof X]: X[K] };

/** The default `project`: the key's fields, or `key`, then `result`. */
function keyAndResult(selector: KeySelector): (key: unknown, result: unknown) => unknown {
  if (selector.kind === 'function') return (key, result) => ({ key, result });
  const { fields } = selector;
  if (fields.length === 1) return (key, result) => ({ [fields[0]]: key, result });
  return (key, result) => ({ ...Object.fromEntries(fields.map((field, i) => [field, (key as readonly unknown[])[i]])), result });
}

function emitOf(options: EmitOptions | undefined, where: string): EmitWhen {
  const emit = options?.emit ?? 'each';
  if (emit !== 'each' && emit !== 'end')
    throw invalidArgument(`emit of ${where} must be 'each' or 'end', but it is ${JSON.stringify(emit)}.`);
  return emit;
}
