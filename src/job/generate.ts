/** Generated records: `generate({ count, fields })` makes them in binary, `generate({ count, make })` by a function. */
import { describeValue } from '../format/describe-value.ts';
import type { JsonValue } from '../format/json.ts';
import type { FieldSchema, Schema } from '../format/schema.ts';
import { invalidArgument, requireFunction, requireInteger, requireOptions } from './arguments.ts';
import type { SourceOf } from './connectors.ts';
import type { FieldGenerator, GenerateSourceSpec, Random } from './source.ts';
import { type AnyType, schemaOf, type Type } from './types.ts';

declare const valueType: unique symbol;

/** How a field of type `T` comes to be. Made by `gen`. */
export interface Generator<T> {
  readonly generator: FieldGenerator;
  /** Only for the compiler. */
  readonly [valueType]?: T;
}

type Generators = Readonly<Record<string, Generator<unknown>>>;
type GeneratedRecord<F extends Generators> = { [N in keyof F]: F[N] extends Generator<infer T> ? T : never };

interface GenerateBase {
  /** Number of records; without it the source never ends. */
  readonly count?: number;
  /** The same seed gives the same records. Default 0. */
  readonly seed?: number;
  /** Records per second, over all subtasks. Default: as fast as they can be made. */
  readonly ratePerSecond?: number;
}

export interface GenerateByFunction<T> extends GenerateBase {
  /** Makes the record of an index, from 0. Must depend on nothing but its arguments, so that any record can be made again. */
  readonly make: (index: number, random: Random) => T;
  readonly schema?: Type<T> | AnyType<T>;
}

export interface GenerateFields<F extends Generators> extends GenerateBase {
  /** A generator for each field. */
  readonly fields: F;
  /** Types of the fields; by default those that hold what the generators make. */
  readonly schema?: Type<GeneratedRecord<F>>;
}

const BASE_OPTIONS = ['count', 'seed', 'ratePerSecond', 'schema'];

/**
 * A source of records made from their index.
 *
 * @example generate({ count: 1e6, fields: { user: gen.label('user-', gen.zipf(10_000)), ms: gen.int(0, 5000) } })
 * @example generate({ count: 1e6, schema: Trial, make: (index, random) => ({ index, seed: random.int(0, 2 ** 31) }) })
 */
export function generate<F extends Generators>(options: GenerateFields<F>): SourceOf<GeneratedRecord<F>>;
export function generate<T>(options: GenerateByFunction<T>): SourceOf<T>;
export function generate(options: GenerateByFunction<unknown> | GenerateFields<Generators>): SourceOf<never> {
  if (typeof options !== 'object' || options === null)
    throw invalidArgument(`generate takes an object of options, but got ${describeValue(options)}.`);
  requireOptions(options, [...BASE_OPTIONS, 'make', 'fields'], 'generate');
  const { count = Infinity, seed = 0, ratePerSecond = Infinity } = options;
  if (count !== Infinity) requireInteger(count, { min: 0, max: Number.MAX_SAFE_INTEGER }, 'count of generate');
  requireInteger(seed, { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }, 'seed of generate');
  if (typeof ratePerSecond !== 'number' || !(ratePerSecond > 0))
    throw invalidArgument(`ratePerSecond of generate must be a number above 0, but it is ${describeValue(ratePerSecond)}.`);
  if ('make' in options === 'fields' in options)
    throw invalidArgument('generate needs either `make`, a function of the index, or `fields`, a generator for each field.');
  const given = options.schema === undefined ? null : schemaOf(options.schema, 'The schema of generate');
  const base = { kind: 'generate', seed, count, ratePerSecond } as const;
  const spec: GenerateSourceSpec =
    'make' in options
      ? { ...base, schema: given, make: functionOf(options.make), fields: undefined }
      : {
          ...base,
          schema: given ?? schemaOfFields(options.fields, count),
          make: undefined,
          fields: generatorsOf(options.fields),
        };
  return { sourceName: 'generate', toSource: () => ({ spec, schema: spec.schema }) };
}

/** Generators of fields, for `generate({ fields })`. Values depend on the seed, the field's name and the index only. */
export const gen = {
  /** The index of the record: 0, 1, 2, ... */
  index: (): Generator<number> => ({ generator: { kind: 'index' } }),
  /** Uniform integer in [min, max). */
  int: (min: number, max: number): Generator<number> => ({ generator: { kind: 'int', min, max } }),
  /** Uniform number in [min, max). */
  float: (min = 0, max = 1): Generator<number> => ({ generator: { kind: 'float', min, max } }),
  /** Integer in [0, n), small ones most often: the k-th with a frequency of 1 / (k + 1) to the power of `exponent`. */
  zipf: (n: number, exponent = 1): Generator<number> => ({ generator: { kind: 'zipf', n, exponent } }),
  /** The same value in every record. */
  constant: <const T extends string | number | boolean>(value: T): Generator<T> => ({ generator: { kind: 'constant', value } }),
  /** A string: `prefix`, then the integer that `of` makes. */
  label: (prefix: string, of: Generator<number>): Generator<string> => ({
    generator: { kind: 'label', prefix, of: of.generator },
  }),
} as const;

function functionOf(make: (index: number, random: Random) => unknown): (index: number, random: Random) => unknown {
  requireFunction(make, '`make` of generate');
  return make;
}

function generatorsOf(fields: Generators): Record<string, FieldGenerator> {
  return Object.fromEntries(Object.entries(fields).map(([name, { generator }]) => [name, generator]));
}

function schemaOfFields(fields: Generators, count: number): Schema {
  if (typeof fields !== 'object' || fields === null || Object.keys(fields).length === 0)
    throw invalidArgument(`fields of generate must be an object of generators, but it is ${describeValue(fields)}.`);
  const schemas = Object.entries(fields).map(([name, field]): FieldSchema => {
    const generator = (field as Partial<Generator<unknown>> | null)?.generator;
    if (generator === undefined)
      throw invalidArgument(
        `The field '${name}' of generate needs a generator such as gen.int(0, 100), but it is ${describeValue(field)}.`,
      );
    return { name, schema: schemaOfGenerator(generator, count) };
  });
  return { type: 'record', fields: schemas };
}

/** The smallest type that holds every value. */
function schemaOfGenerator(generator: FieldGenerator, count: number): Schema {
  switch (generator.kind) {
    case 'index':
      return integerType(0, count);
    case 'int':
      return integerType(generator.min, generator.max);
    case 'zipf':
      return integerType(0, generator.n);
    case 'float':
      return { type: 'f64' };
    case 'label':
      return { type: 'string' };
    case 'constant':
      return constantType(generator.value);
  }
}

function integerType(min: number, end: number): Schema {
  return min >= -(2 ** 31) && end <= 2 ** 31 ? { type: 'i32' } : { type: 'int' };
}

function constantType(value: JsonValue): Schema {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return { type: typeof value as 'string' | 'boolean' };
    case 'number':
      return Number.isSafeInteger(value) ? integerType(value, value + 1) : { type: 'f64' };
    default:
      throw invalidArgument(`gen.constant takes a string, a number or a boolean, but got ${describeValue(value)}.`);
  }
}
