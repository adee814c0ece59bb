/** Sources and sinks without files: values of the program, the handle, standard output, a function. */
import { findMismatch, mismatchError } from '../format/schema-check.ts';
import { describeValue } from '../format/describe-value.ts';
import { invalidArgument, requireFunction } from './arguments.ts';
import type { SinkOf, SourceOf } from './connectors.ts';
import { type AnyType, schemaOf, type Type } from './types.ts';

/**
 * The elements of an array. Every thread loads the job module and has the array, so it must be the same each time.
 *
 * @example flow.from(collection([{ user: 'ann', ms: 5 }], Visit))
 * @throws TidemarkError ERR_INVALID_ARG for an element that is not of the type
 */
export function collection<T>(values: readonly T[], type?: Type<T> | AnyType<T>): SourceOf<T> {
  if (!Array.isArray(values)) throw invalidArgument(`collection takes an array, but got ${describeValue(values)}.`);
  const schema = type === undefined ? null : schemaOf(type, 'The type of collection');
  if (schema !== null) {
    const wrong = values.findIndex((value) => findMismatch(schema, value) !== null);
    if (wrong >= 0)
      throw invalidArgument(
        `Element ${wrong} of collection does not match its type. ${mismatchError(schema, values[wrong]).message}`,
      );
  }
  return { sourceName: 'collection', toSource: () => ({ spec: { kind: 'collection', values, schema }, schema }) };
}

/**
 * To the program that runs the job: `(await handle.done).collected`. Exactly once; meant for results, since all records are
 * kept in memory and in the checkpoint until the job ends.
 *
 * @example stream.to(collect())
 */
export function collect(): SinkOf<unknown> {
  return { sinkName: 'collect', toSink: () => ({ kind: 'collect' }) };
}

/** To standard output, a line for each record: a string as it is, anything else as JSON. At least once. */
export function print(): SinkOf<unknown> {
  return { sinkName: 'print', toSink: () => ({ kind: 'print' }) };
}

/**
 * Calls a function for each record, in a worker. At least once: after a restart, records since the last checkpoint are seen
 * again. For exactly once write a `Sink`.
 *
 * @example stream.to(forEach((visit) => meter.add(visit.ms)))
 */
export function forEach<T>(fn: (value: T) => void): SinkOf<T> {
  requireFunction(fn, 'The function of forEach');
  return { sinkName: 'forEach', toSink: () => ({ kind: 'forEach', fn }) };
}

/** Counts the records and drops them: for benchmarks, and for streams whose functions do the work. */
export function discard(): SinkOf<unknown> {
  return { sinkName: 'discard', toSink: () => ({ kind: 'discard' }) };
}
