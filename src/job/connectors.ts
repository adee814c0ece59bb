/** What `flow.from` and `stream.to` take: descriptions that `files`, `generate`, `collect` and the like make, or objects of the user's own. */
import { describeValue } from '../format/describe-value.ts';
import type { Schema } from '../format/schema.ts';
import { invalidArgument } from './arguments.ts';
import { customSink, customSource, hasAnyOf, hintFor } from './custom-connectors.ts';
import type { Sink, SinkSpec } from './sink.ts';
import type { MalformedRecord, OnError, Source, SourceSpec } from './source.ts';

/** A description of a source of `T`. Made by `files`, `generate` and `collection`. */
export interface SourceOf<T> {
  readonly sourceName: string;
  toSource(): { readonly spec: SourceSpec; readonly schema: Schema | null };
  /** Only for the compiler. */
  readonly sourceType?: T;
}

/** A description of a sink that takes `T`. Made by `files`, `collect`, `print`, `forEach` and `discard`. */
export interface SinkOf<in T> {
  readonly sinkName: string;
  /** @param schema  schema of the records that arrive, or null */
  toSink(schema: Schema | null): SinkSpec;
  /** Only for the compiler. */
  readonly sinkType?: (value: T) => void;
}

export function asSource<T>(
  source: SourceOf<T> | Source<T>,
  onError: OnError,
): { readonly name: string; readonly spec: SourceSpec; readonly schema: Schema | null } {
  if (typeof source === 'object' && source !== null) {
    if ('toSource' in source) return { name: source.sourceName, ...source.toSource() };
    if ('toSink' in source || (hasAnyOf(source, ['commit']) && !hasAnyOf(source, ['splits']))) {
      const { sinkName, name } = source as { sinkName?: string; name?: unknown };
      throw invalidArgument(
        `${sinkName ?? String(name)} is a sink, but flow.from needs a source. Give it to .to(...) of a stream.`,
      );
    }
    if (hasAnyOf(source, ['bounded', 'splits', 'open'])) {
      const spec = customSource(source, onError);
      return { name: source.name, spec, schema: spec.schema };
    }
  }
  throw invalidArgument(
    `flow.from needs a source, but got ${describeValue(source)}.${hintFor(source)} Use files.lines(...), generate(...), collection(...), or an object with \`name\`, \`bounded\`, \`splits\` and \`open\`.`,
  );
}

export function asSink<T>(sink: SinkOf<T> | Sink<T>, schema: Schema | null): { readonly name: string; readonly spec: SinkSpec } {
  if (typeof sink === 'object' && sink !== null) {
    if ('toSink' in sink) return { name: sink.sinkName, spec: sink.toSink(schema) };
    if ('toSource' in sink || hasAnyOf(sink, ['splits'])) {
      const { sourceName, name } = sink as { sourceName?: string; name?: unknown };
      throw invalidArgument(`${sourceName ?? String(name)} is a source, but .to needs a sink. Give it to flow.from(...).`);
    }
    if (hasAnyOf(sink, ['open', 'commit', 'write', 'prepare'])) return { name: sink.name, spec: customSink(sink) };
  }
  throw invalidArgument(
    `.to needs a sink, but got ${describeValue(sink)}.${hintFor(sink)} Use files.jsonl('out'), collect(), print(), forEach(fn), or an object with \`name\`, \`open\` and \`commit\`.`,
  );
}

/**
 * For `onError`: malformed input records go to a sink, as `{ raw, reason, where }`.
 *
 * @example files.jsonl('visits/*.jsonl', Visit, { onError: deadLetter(files.jsonl('rejected')) })
 */
export function deadLetter(sink: SinkOf<MalformedRecord> | Sink<MalformedRecord>): OnError {
  return { deadLetter: asSink(sink, MALFORMED_SCHEMA).spec };
}

const MALFORMED_SCHEMA: Schema = {
  type: 'record',
  fields: [
    { name: 'raw', schema: { type: 'string' } },
    { name: 'reason', schema: { type: 'string' } },
    { name: 'where', schema: { type: 'string' } },
  ],
};

/** @throws TidemarkError ERR_INVALID_ARG */
export function requireOnError(value: OnError, where: string): OnError {
  if (value === 'fail' || value === 'skip') return value;
  // `{ deadLetter: sink }` is what whoever forgets the function writes.
  if (typeof value === 'object' && value !== null && 'deadLetter' in value)
    return typeof (value.deadLetter as { kind?: unknown } | null)?.kind === 'string'
      ? value
      : deadLetter(value.deadLetter as never);
  throw invalidArgument(`onError of ${where} must be 'fail', 'skip' or deadLetter(sink), but it is ${describeValue(value)}.`);
}
