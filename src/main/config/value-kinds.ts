/**
 * The kinds of values that options have: how each is read from text, written back and described.
 *
 * Why not a schema library: loading zod takes 45 to 70 ms on the machine of the benchmarks, a quarter of the 300 ms from
 * process start to first record, for what six parsers do.
 */
import { DURATION_UNITS, formatDuration, formatMemory, MEMORY_UNITS, parseDuration, parseMemory } from './units.ts';

/** A value before it is read: YAML and code give numbers and booleans, the environment and `-D` give text. */
export type RawValue = string | number | boolean | null;

/** Thrown by `parse`; the text completes "the value X of key Y ...". */
export class ValueRefused extends Error {}

/** What an editor accepts in a configuration file: the part of JSON Schema that options need. */
export interface ValueSchema {
  readonly type?: 'number' | 'integer' | 'string';
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly enum?: readonly RawValue[];
  readonly anyOf?: readonly ValueSchema[];
  readonly $ref?: `#/$defs/${keyof typeof SHARED_SCHEMAS}`;
}

/** What several options refer to. */
export const SHARED_SCHEMAS = { duration: withUnit(DURATION_UNITS), size: withUnit(MEMORY_UNITS) };

/** A number and a unit, in any case. */
function withUnit(units: Readonly<Record<string, number>>): { readonly type: 'string'; readonly pattern: string } {
  const names = Object.keys(units).map((unit) => unit.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`));
  return { type: 'string', pattern: `^\\s*\\d+(\\.\\d+)?\\s*(${names.join('|')})?\\s*$` };
}

export interface ValueKind<T> {
  /** For the reference table: "duration", "integer >= 1". */
  readonly label: string;
  /** @throws ValueRefused */
  parse(raw: RawValue): T;
  /** A spelling that `parse` reads back as the same value. */
  format(value: T): string;
  /** Accepts what `parse` does, as far as an editor can tell: it does not know the bounds of a duration. */
  readonly schema: ValueSchema;
}

export function duration(minimumMs: number): ValueKind<number> {
  return numeric(
    'duration',
    minimumMs,
    formatDuration,
    (raw) => parseDuration(raw),
    'a duration such as `500 ms`, `10 s` or `1 min`',
    { $ref: '#/$defs/duration' },
  );
}

export function memory(minimumBytes: number): ValueKind<number> {
  const expected = 'a memory size such as `64 mb` or `1 gb`';
  return numeric('memory size', minimumBytes, formatMemory, (raw) => parseMemory(raw), expected, { $ref: '#/$defs/size' });
}

export function integer(minimum: number, maximum = Number.MAX_SAFE_INTEGER): ValueKind<number> {
  const kind = numeric(
    'integer',
    minimum,
    String,
    parseInteger,
    'an integer',
    { type: 'string', pattern: '^\\s*\\d+\\s*$' },
    maximum,
  );
  const [whole, ...others] = kind.schema.anyOf as readonly ValueSchema[];
  return { ...kind, schema: { anyOf: [{ ...whole, type: 'integer' }, ...others] } };
}

/** A number with a fraction. */
export function decimal(minimum: number, maximum: number): ValueKind<number> {
  const parse = (raw: string): number | undefined => (/^\s*\d+(\.\d+)?\s*$/.test(raw) ? Number(raw) : undefined);
  const written: ValueSchema = { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?\\s*$' };
  return numeric('number', minimum, String, parse, 'a number', written, maximum);
}

export const bool: ValueKind<boolean> = {
  label: 'boolean',
  schema: { enum: [true, false, 'true', 'false'] },
  parse(raw) {
    const text = String(raw).trim().toLowerCase();
    if (text === 'true') return true;
    if (text === 'false') return false;
    throw new ValueRefused('is not `true` or `false`');
  },
  format: String,
};

export const text: ValueKind<string> = {
  label: 'text',
  schema: { type: 'string', pattern: '\\S' },
  parse(raw) {
    const value = raw === null ? '' : String(raw);
    if (value.trim() === '') throw new ValueRefused('is empty');
    return value;
  },
  format: (value) => value,
};

/**
 * One of a few names. Case, `-` and `_` do not matter in input: `no-claim` is `NO_CLAIM`.
 *
 * @param refused  names that mean something elsewhere, with the reason why they are not offered here
 * @param aliases  other spellings: normalised name -> value
 */
export function choice<const T extends string>(
  values: readonly T[],
  options: { readonly refused?: Readonly<Record<string, string>>; readonly aliases?: Readonly<Record<string, T>> } = {},
): ValueKind<T> {
  return {
    label: values.map((value) => `\`${value}\``).join(', '),
    schema: { enum: spellingsOf(values, Object.keys(options.aliases ?? {})) },
    parse(raw) {
      const wanted = normalizeName(String(raw));
      for (const value of values) if (normalizeName(value) === wanted) return value;
      for (const [name, value] of Object.entries(options.aliases ?? {})) if (normalizeName(name) === wanted) return value;
      for (const [name, reason] of Object.entries(options.refused ?? {})) {
        if (normalizeName(name) === wanted) throw new ValueRefused(`is refused: ${reason}`);
      }
      throw new ValueRefused(`is not one of ${values.join(', ')}`);
    },
    format: (value) => value,
  };
}

/** Adds "no value", written `none` (also `off`, -1 and an empty YAML value). */
export function optional<T>(kind: ValueKind<T>): ValueKind<T | null> {
  return {
    label: `${kind.label}, or \`none\``,
    schema: { anyOf: [kind.schema, { enum: ['none', 'off', -1, null] }] },
    parse(raw) {
      if (raw === null || ['none', 'off', '-1'].includes(String(raw).trim().toLowerCase())) return null;
      return kind.parse(raw);
    },
    format: (value) => (value === null ? 'none' : kind.format(value)),
  };
}

function numeric(
  name: string,
  minimum: number,
  format: (value: number) => string,
  parseText: (raw: string) => number | undefined,
  expected: string,
  written: ValueSchema,
  maximum = Number.MAX_SAFE_INTEGER,
): ValueKind<number> {
  const range = [
    minimum > 0 ? `at least ${format(minimum)}` : '',
    maximum < Number.MAX_SAFE_INTEGER ? `at most ${format(maximum)}` : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
  return {
    label: range === '' ? name : `${name}, ${range}`,
    parse(raw) {
      const value = raw === null || typeof raw === 'boolean' ? undefined : parseText(String(raw));
      if (value === undefined) throw new ValueRefused(`is not ${expected}`);
      if (value < minimum) throw new ValueRefused(`is less than the minimum ${format(minimum)}`);
      if (value > maximum) throw new ValueRefused(`is more than the maximum ${format(maximum)}`);
      return value;
    },
    format,
    schema: { anyOf: [{ type: 'number', minimum, ...(maximum < Number.MAX_SAFE_INTEGER && { maximum }) }, written] },
  };
}

/** `true` and `false` are no text in YAML; any other name may be written in lower case and with dashes. */
function spellingsOf(values: readonly string[], aliases: readonly string[]): RawValue[] {
  const names = [...values, ...values.map((value) => value.toLowerCase().replaceAll('_', '-')), ...aliases];
  return [...new Set(names)].map((name) => (name === 'true' || name === 'false' ? name === 'true' : name));
}

function parseInteger(raw: string): number | undefined {
  if (!/^\s*-?\d+\s*$/.test(raw)) return undefined;
  const value = Number(raw);
  return Number.isSafeInteger(value) ? value : undefined;
}

function normalizeName(name: string): string {
  return name.trim().toUpperCase().replaceAll('-', '_');
}
