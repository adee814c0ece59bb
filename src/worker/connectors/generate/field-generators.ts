/** Field generators, checked against the types of their fields and compiled to functions of the record's index. */
import { TidemarkError } from '../../../format/errors.ts';
import type { FieldSchema, Schema } from '../../../format/schema.ts';
import { JsonMismatch, valueFromJson } from '../../../format/schema-json.ts';
import { fieldText, schemaText } from '../../../format/schema-text.ts';
import type { FieldGenerator } from '../../../job/source.ts';
import { randomFloat, randomInteger, streamSeed } from './random.ts';
import { Zipf } from './zipf.ts';

/** A number for each index. */
export interface NumberGenerator {
  at(index: number): number;
  /**
   * The numbers of `index`, `index + stride`, ... into `values`. Each kind has a loop of its own: one loop that calls a
   * function per number takes 1.6 times as long once it has met several kinds.
   */
  fill(values: Float64Array, count: number, index: number, stride: number): void;
}

/** One field of the generated records, in schema order. */
export type GeneratedField =
  | { readonly kind: 'number'; readonly name: string; readonly number: NumberGenerator }
  | { readonly kind: 'label'; readonly name: string; readonly prefix: string; readonly number: NumberGenerator }
  | { readonly kind: 'constant'; readonly name: string; readonly value: unknown };

export interface GenerateFieldsOptions {
  readonly schema: Schema | null;
  readonly fields: Readonly<Record<string, FieldGenerator>>;
  readonly seed: number;
  /** Number of records, for the range of `index`. */
  readonly count: number;
}

/** @throws TidemarkError ERR_INVALID_ARG naming the field */
export function compileFields({ schema, fields, seed, count }: GenerateFieldsOptions): readonly GeneratedField[] {
  if (schema?.type !== 'record') {
    throw invalid('', `\`fields\` needs a record schema, but the schema is ${schema === null ? 'missing' : schemaText(schema)}`);
  }
  const unknown = Object.keys(fields).find((name) => !schema.fields.some((field) => field.name === name));
  if (unknown !== undefined) throw invalid(unknown, 'the schema has no such field');
  return schema.fields.map((field) => {
    const generator = fields[field.name];
    if (generator === undefined) throw invalid(field.name, 'it has no generator. Give it one, `constant` for instance');
    return compileField(field, generator, streamSeed(seed, field.name), count);
  });
}

function compileField({ name, schema }: FieldSchema, generator: FieldGenerator, seed: number, count: number): GeneratedField {
  if (generator.kind === 'constant') {
    const value = valueFromJson(schema, generator.value);
    if (value instanceof JsonMismatch) throw invalid(name, `the constant must be ${value.expected}`);
    return { kind: 'constant', name, value };
  }
  const type = schema.type === 'optional' ? schema.of.type : schema.type;
  if (generator.kind === 'label') {
    if (type !== 'string') throw invalid(name, `a label is a string, and the field is of type ${schemaText(schema)}`);
    const { of } = generator;
    if (of.kind === 'label' || of.kind === 'constant' || of.kind === 'float')
      throw invalid(name, `a label counts by integers, so \`${of.kind}\` cannot be its number`);
    checkRange(name, 'int', of, count);
    return { kind: 'label', name, prefix: generator.prefix, number: compileNumber(of, seed) };
  }
  if (type !== 'i32' && type !== 'int' && type !== 'f64' && type !== 'timestamp') {
    throw invalid(name, `\`${generator.kind}\` makes numbers, and the field is of type ${schemaText(schema)}`);
  }
  checkRange(name, type, generator, count);
  return { kind: 'number', name, number: compileNumber(generator, seed) };
}

type NumberSpec = Exclude<FieldGenerator, { readonly kind: 'label' | 'constant' }>;

function compileNumber(generator: NumberSpec, seed: number): NumberGenerator {
  switch (generator.kind) {
    case 'index':
      return {
        at: (index) => index,
        fill: (values, count, index, stride) => {
          for (let i = 0; i < count; i++) values[i] = index + i * stride;
        },
      };
    case 'int': {
      const { min, max } = generator;
      return {
        at: (index) => randomInteger(seed, index, 0, min, max),
        fill: (values, count, index, stride) => {
          for (let i = 0; i < count; i++) values[i] = randomInteger(seed, index + i * stride, 0, min, max);
        },
      };
    }
    case 'float': {
      const { min, max } = generator;
      return {
        at: (index) => min + randomFloat(seed, index, 0) * (max - min),
        fill: (values, count, index, stride) => {
          for (let i = 0; i < count; i++) values[i] = min + randomFloat(seed, index + i * stride, 0) * (max - min);
        },
      };
    }
    case 'zipf': {
      const zipf = new Zipf(generator.n, generator.exponent);
      return {
        at: (index) => zipf.sample(seed, index),
        fill: (values, count, index, stride) => {
          for (let i = 0; i < count; i++) values[i] = zipf.sample(seed, index + i * stride);
        },
      };
    }
  }
}

/** Every number that can come must be one of the field's type: rows are written without asking again. */
function checkRange(name: string, type: 'i32' | 'int' | 'f64' | 'timestamp', generator: NumberSpec, count: number): void {
  const [least, greatest] = rangeOf(name, generator, count);
  if (generator.kind === 'float') {
    if (type !== 'f64') throw invalid(name, `\`float\` makes fractions, and the field is of type ${type}. Use f64`);
    return;
  }
  const [low, high] =
    type === 'i32'
      ? [-(2 ** 31), 2 ** 31 - 1]
      : type === 'timestamp'
        ? [-8.64e15, 8.64e15]
        : [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  if (least < low || greatest > high)
    throw invalid(name, `values from ${least} to ${greatest} do not fit type ${type}. Use a smaller range, or the type int`);
}

function rangeOf(name: string, generator: NumberSpec, count: number): readonly [number, number] {
  switch (generator.kind) {
    case 'index':
      // Nobody waits for 2^53 records of an unbounded source, but 2^31 take a minute.
      return [0, count === Infinity ? Number.MAX_SAFE_INTEGER : count - 1];
    case 'int': {
      const { min, max } = generator;
      if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || max <= min)
        throw invalid(name, `\`int\` needs integers min < max, but got ${min} and ${max}`);
      return [min, max - 1];
    }
    case 'float': {
      const { min, max } = generator;
      if (!Number.isFinite(max - min) || max < min)
        throw invalid(name, `\`float\` needs numbers min <= max, but got ${min} and ${max}`);
      return [min, max];
    }
    case 'zipf': {
      const { n, exponent } = generator;
      if (!Number.isSafeInteger(n) || n < 1 || !Number.isFinite(exponent) || exponent <= 0) {
        throw invalid(name, `\`zipf\` needs an integer n >= 1 and an exponent > 0, but got ${n} and ${exponent}`);
      }
      return [0, n - 1];
    }
  }
}

function invalid(field: string, detail: string): TidemarkError {
  const subject = field === '' ? 'A generated source' : `Field '${fieldText(field)}' of a generated source`;
  return new TidemarkError('ERR_INVALID_ARG', `${subject}: ${detail}.`, { facts: { field } });
}
