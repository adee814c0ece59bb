/**
 * Sources and sinks that a user wrote, checked when the graph is built: what is missing or of another type is named with what to write, before
 * anything runs. What their methods return is checked where they are called (`worker/connectors/custom-*.ts`).
 */
import { describeValue } from '../format/describe-value.ts';
import type { Schema } from '../format/schema.ts';
import { isThenable } from '../format/thenable.ts';
import { Validator } from '../format/validate.ts';
import { invalidArgument } from './arguments.ts';
import type { CustomSinkSpec, Sink } from './sink.ts';
import type { CustomSourceSpec, OnError, Source } from './source.ts';
import { isType, schemaOf } from './types.ts';

const SOURCE_METHODS = ['splits', 'open'] as const;
const SINK_METHODS = ['open', 'commit'] as const;

/** Is it meant to be a source or sink of the user's own? Then what is wrong with it can be said precisely. */
export function hasAnyOf(value: object, names: readonly string[]): boolean {
  return names.some((name) => name in value);
}

/** @throws TidemarkError ERR_INVALID_ARG */
export function customSource(source: Source<unknown>, onError: OnError): CustomSourceSpec {
  const where = nameOf(source, 'source');
  requireMethods(source, SOURCE_METHODS, where, SOURCE_HINTS);
  if (typeof source.bounded !== 'boolean')
    throw invalidArgument(
      `${where} must say with \`bounded: true\` or \`bounded: false\` whether it ends, but bounded is ${describeValue(source.bounded)}.`,
    );
  return { kind: 'custom', source, schema: schemaOfSource(source.schema, where), onError };
}

/** @throws TidemarkError ERR_INVALID_ARG */
export function customSink(sink: Sink<never>): CustomSinkSpec {
  const where = nameOf(sink, 'sink');
  requireMethods(sink, SINK_METHODS, where, SINK_HINTS);
  for (const name of ['recover', 'persist'] as const) {
    if (sink[name] !== undefined && typeof sink[name] !== 'function')
      throw invalidArgument(`${name} of ${where} must be a method or absent, but it is ${describeValue(sink[name])}.`);
  }
  return { kind: 'custom', sink };
}

/** Of what was given in place of a source or sink: what to do, as a sentence; "" when nothing is known. */
export function hintFor(value: unknown): string {
  if (isThenable(value)) return ' It is a promise: await it before, the graph is built at once.';
  if (typeof value === 'function') return ` It is a function or class: call it, or pass \`new ${value.name || 'It'}(...)\`.`;
  return '';
}

const SOURCE_HINTS = {
  splits: '`splits: () => [{ id: "all", data: null }]` for a source that cannot be divided',
  open: '`open: (split, position) => reader`',
};
const SINK_HINTS = {
  open: '`open: (context) => writer`',
  commit: '`commit: () => {}` where prepare() returns null, because there is nothing to make visible later',
};

function nameOf(value: { readonly name?: unknown }, kind: string): string {
  const { name } = value;
  if (typeof name === 'string' && name !== '') return `${kind} '${name}'`;
  throw invalidArgument(
    `A ${kind} of your own needs a \`name\`, a string that is not empty, for messages; it is ${describeValue(name)} in ${describeValue(value)}.`,
  );
}

function requireMethods<K extends string>(
  value: object,
  names: readonly K[],
  where: string,
  hints: Readonly<Record<K, string>>,
): void {
  for (const name of names) {
    const method = (value as Readonly<Record<string, unknown>>)[name];
    if (typeof method === 'function') continue;
    throw invalidArgument(
      `${where} needs a method ${name}(), but ${name} is ${describeValue(method)}. Write ${hints[name]}. See docs/sources-and-sinks.md.`,
    );
  }
}

/** A type as `t` makes it, or the plain schema of one. */
function schemaOfSource(given: unknown, where: string): Schema | null {
  if (given === undefined || given === null) return null;
  if (isType(given) || (typeof given === 'object' && 'schema' in given && given.schema === null))
    return schemaOf(given as Parameters<typeof schemaOf>[0], `the schema of ${where}`);
  const wrong = (detail: string): never => {
    throw invalidArgument(`The schema of ${where} must be a type, as in \`schema: t.record({ n: t.int })\`, but ${detail}.`);
  };
  if (typeof given !== 'object' || !('type' in given)) return wrong(`it is ${describeValue(given)}`);
  return new Validator((place, detail) => wrong(`${place}: ${detail}`)).schema(given, 'schema');
}
