/**
 * Types of records, as values: `t.record({ user: t.string, ms: t.i32 })`. This module is the namespace `t`. A type is a
 * schema (plain data: what codecs are generated from and manifests record) that carries its TypeScript type.
 */
import { describeValue } from '../format/describe-value.ts';
import { TidemarkError } from '../format/errors.ts';
import type { JsonValue } from '../format/json.ts';
import type { FieldSchema, Schema } from '../format/schema.ts';
import { valueToJson } from '../format/schema-json.ts';

declare const valueType: unique symbol;

/** A type whose values are `T`. */
export interface Type<T> {
  readonly schema: Schema;
  /** Only for the compiler. */
  readonly [valueType]?: T;
}

/** `t.any<T>()`: values without a schema, for places that take a whole record or a whole state value. */
export interface AnyType<T> {
  readonly schema: null;
  readonly [valueType]?: T;
}

/** The TypeScript type of a type: `t.infer<typeof Visit>`. */
export type Infer<X extends Type<unknown> | AnyType<unknown>> = X extends { readonly [valueType]?: infer T } ? T : never;
export type { Infer as infer };

/** A type whose values may be absent. */
export interface OptionalType<T> extends Type<T | undefined> {
  readonly optional: true;
}

/** A type with a value for rows that were written before the field existed, and for input that lacks the field. */
export interface DefaultType<T> extends Type<T> {
  readonly default: JsonValue;
}

type Fields = Readonly<Record<string, Type<unknown>>>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends OptionalType<unknown> ? K : never }[keyof F];

/** The object type of a record's fields; optional fields may be left out. */
export type RecordOf<F extends Fields> = { [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]> } & {
  [K in OptionalKeys<F>]?: Infer<F[K]> | undefined;
} extends infer R
  ? { [K in keyof R]: R[K] }
  : never;

function scalar<T>(
  type: Extract<
    Schema,
    { readonly type: 'i32' | 'f64' | 'int' | 'bigint' | 'boolean' | 'string' | 'bytes' | 'timestamp' }
  >['type'],
): Type<T> {
  return typeOf({ type });
}

function typeOf<T>(schema: Schema): Type<T> {
  return Object.freeze({ schema });
}

/** Integer from -2^31 to 2^31 - 1, in 4 bytes. -0 becomes 0. */
export const i32: Type<number> = scalar('i32');
/** Any number, in 8 bytes. As a key, all NaN are one and -0 is not 0. */
export const f64: Type<number> = scalar('f64');
/** Safe integer: at most 2^53 - 1 away from 0, in 8 bytes. */
export const int: Type<number> = scalar('int');
/** Milliseconds since 1970 UTC, as a number (`Date.now()`, `date.getTime()`), in 8 bytes. */
export const timestamp: Type<number> = scalar('timestamp');

const bigintType: Type<bigint> = scalar('bigint');
const booleanType: Type<boolean> = scalar('boolean');
const stringType: Type<string> = scalar('string');
export {
  /** Integer of any size. */
  bigintType as bigint,
  /** true or false. */
  booleanType as boolean,
  /** Any string, lone surrogates included. One byte a character up to U+00FF, else two. */
  stringType as string,
  /** One of a few strings, in 4 bytes: `t.enum('buy', 'sell')`, or an array of them that is `as const`. */
  enumOf as enum,
};

/** A Uint8Array. Decoded as a copy. */
export const bytes: Type<Uint8Array> = scalar('bytes');

function enumOf<const V extends readonly [string, ...string[]]>(values: V): Type<V[number]>;
function enumOf<const V extends readonly [string, ...string[]]>(...values: V): Type<V[number]>;
function enumOf(...given: readonly unknown[]): Type<string> {
  const values = given.length === 1 && Array.isArray(given[0]) ? (given[0] as readonly unknown[]) : given;
  if (values.length === 0) throw invalid('t.enum needs at least one value.');
  const names = values.map((value) => {
    if (typeof value !== 'string')
      throw invalid(`The values of t.enum are strings, but one is ${describeValue(value)}. Write t.enum('a', 'b').`);
    return value;
  });
  const twice = names.find((value, i) => names.indexOf(value) !== i);
  if (twice !== undefined) throw invalid(`t.enum has the value ${JSON.stringify(twice)} twice.`);
  return typeOf({ type: 'enum', values: names });
}

/**
 * Values of any plain data, with a TypeScript type of your choice that nothing checks. They take the general codec, which
 * is two to three times slower than a schema. For whole records and whole state values only.
 *
 * @example value(t.any<Map<string, Date>>(), new Map())
 */
export function any<T = unknown>(): AnyType<T> {
  return ANY;
}

const ANY: AnyType<never> = Object.freeze({ schema: null });

/** The value may be absent: `undefined` (null is taken as absent too). A field of this type may be left out. */
export function optional<T>(type: Type<T>): OptionalType<T> {
  const { schema } = asType(type, 't.optional');
  if (schema.type === 'optional') throw invalid('t.optional of t.optional cannot tell which of the two is absent. Use one.');
  return Object.freeze({ ...typeOf<T | undefined>({ type: 'optional', of: schema }), optional: true as const });
}

/** An array of values of one type. */
export function list<T>(of: Type<T>): Type<T[]> {
  return typeOf({ type: 'list', of: asType(of, 't.list').schema });
}

/**
 * A field with a value for rows of an older schema, and for input records that lack it.
 *
 * @example t.record({ user: t.string, retries: t.withDefault(t.i32, 0) })
 */
export function withDefault<T>(type: Type<T>, value: NoInfer<T>): DefaultType<T> {
  const { schema } = asType(type, 't.withDefault');
  return Object.freeze({ schema, default: valueToJson(schema, value) });
}

/**
 * An object with fields of known types. Other fields of an object are not carried.
 *
 * @example
 * const Visit = t.record({ user: t.string, ms: t.i32, at: t.timestamp, referrer: t.optional(t.string) });
 * type Visit = t.infer<typeof Visit>; // { user: string; ms: number; at: number; referrer?: string | undefined }
 */
export function record<F extends Fields>(fields: F): Type<RecordOf<F>> {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw invalid(`t.record takes an object of types, but got ${describeValue(fields)}. Write t.record({ user: t.string }).`);
  }
  const schemas = Object.entries(fields).map(([name, type]): FieldSchema => {
    if (name === '__proto__' || name === '')
      throw invalid(`A field of t.record cannot be called ${JSON.stringify(name)}. Choose another name.`);
    const { schema } = asType(type, `field '${name}' of t.record`);
    return 'default' in type ? { name, schema, default: (type as DefaultType<unknown>).default } : { name, schema };
  });
  return typeOf({ type: 'record', fields: schemas });
}

/** Schema of a type; null for `t.any()`. @throws TidemarkError ERR_INVALID_ARG naming `where` when it is not a type */
export function schemaOf(type: Type<unknown> | AnyType<unknown>, where: string): Schema | null {
  return (type as unknown) === ANY ? null : asType(type as Type<unknown>, where).schema;
}

/** Is it a type, as `t` makes them? */
export function isType(value: unknown): value is Type<unknown> {
  return (
    typeof value === 'object' && value !== null && 'schema' in value && typeof (value.schema as Schema | null)?.type === 'string'
  );
}

function asType<T>(value: Type<T>, where: string): Type<T> {
  if ((value as unknown) === ANY)
    throw invalid(
      `${where[0].toUpperCase()}${where.slice(1)} cannot be t.any(): it has no layout. Only whole records and state values can.`,
    );
  if (!isType(value))
    throw invalid(`${where[0].toUpperCase()}${where.slice(1)} needs a type such as t.string, but got ${describeValue(value)}.`);
  return value;
}

function invalid(message: string): TidemarkError {
  return new TidemarkError('ERR_INVALID_ARG', message);
}
