/**
 * Validation of JSON that comes from a file. Hand-written and small: every value is checked for type and bounds before
 * it is used, and the first violation is reported with its place ("stages[0].subtasks[3].tables[1].hash").
 */
import type { JsonValue } from './json.ts';
import type { FieldSchema, Schema } from './schema.ts';

/** Throws the error of the file at hand. */
export type Fail = (where: string, detail: string) => never;

export const MAX_NAME_LENGTH = 4096;
/** Deepest nesting of brackets that is read at all; our own files stay below 40. */
export const MAX_JSON_DEPTH = 256;
const MAX_SCHEMA_DEPTH = 64;
const SIMPLE_SCHEMAS = ['i32', 'f64', 'int', 'bigint', 'boolean', 'string', 'bytes', 'timestamp'] as const;

export class Validator {
  readonly fail: Fail;

  constructor(fail: Fail) {
    this.fail = fail;
  }

  /** Parses JSON text, refusing nesting that a recursive reader could not follow. */
  parse(text: string): unknown {
    if (exceedsDepth(text, MAX_JSON_DEPTH)) this.fail('', `nesting deeper than ${MAX_JSON_DEPTH}`);
    try {
      return JSON.parse(text);
    } catch (error) {
      return this.fail('', `not JSON: ${(error as Error).message}`);
    }
  }

  /**
   * An object with exactly these fields. Only own properties are returned, so a name like `__proto__` reaches nothing.
   */
  fields<K extends string>(value: unknown, where: string, names: readonly K[]): { readonly [name in K]: unknown } {
    const object = this.object(value, where);
    for (const name of names) if (!Object.hasOwn(object, name)) this.fail(where, `field ${name} is missing`);
    for (const name of Object.keys(object))
      if (!(names as readonly string[]).includes(name)) this.fail(where, `unknown field ${quote(name)}`);
    return object as { readonly [name in K]: unknown };
  }

  object(value: unknown, where: string): { readonly [key: string]: unknown } {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.fail(where, `expected an object, found ${describe(value)}`);
    return value as { readonly [key: string]: unknown };
  }

  /** A dictionary without prototype: looking up `constructor` finds nothing that is not in the file. */
  dictionary<T>(value: unknown, where: string, decode: (value: unknown, where: string) => T): Record<string, T> {
    const object = this.object(value, where);
    const result = Object.create(null) as Record<string, T>;
    for (const key of Object.keys(object)) result[key] = decode(object[key], `${where}[${quote(key)}]`);
    return result;
  }

  list<T>(value: unknown, where: string, maxLength: number, decode: (value: unknown, where: string) => T): T[] {
    if (!Array.isArray(value)) this.fail(where, `expected a list, found ${describe(value)}`);
    const list: unknown[] = value;
    if (list.length > maxLength) this.fail(where, `${list.length} elements, at most ${maxLength} are allowed`);
    return list.map((element, i) => decode(element, `${where}[${i}]`));
  }

  text(value: unknown, where: string, maxLength = MAX_NAME_LENGTH): string {
    if (typeof value !== 'string') this.fail(where, `expected a string, found ${describe(value)}`);
    const text = value;
    if (text.length > maxLength) this.fail(where, `a string of ${text.length} characters, at most ${maxLength} are allowed`);
    return text;
  }

  pattern(value: unknown, where: string, pattern: RegExp, expected: string): string {
    const text = this.text(value, where);
    if (!pattern.test(text)) this.fail(where, `expected ${expected}, found ${quote(text)}`);
    return text;
  }

  integer(value: unknown, where: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    if (typeof value !== 'number' || !Number.isSafeInteger(value))
      this.fail(where, `expected an integer, found ${describe(value)}`);
    const number = value;
    if (number < min || number > max) this.fail(where, `${number} is not within ${min} and ${max}`);
    return number;
  }

  /** A finite number, not negative: durations. */
  amount(value: unknown, where: string): number {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      this.fail(where, `expected a number that is not negative, found ${describe(value)}`);
    return value;
  }

  boolean(value: unknown, where: string): boolean {
    if (typeof value !== 'boolean') this.fail(where, `expected true or false, found ${describe(value)}`);
    return value;
  }

  oneOf<const T extends string | null>(value: unknown, where: string, choices: readonly T[]): T {
    if (!choices.includes(value as T))
      this.fail(where, `expected one of ${choices.map(String).join(', ')}, found ${describe(value)}`);
    return value as T;
  }

  /** Free JSON, as parsed. `parse` has bounded its depth. */
  json(value: unknown): JsonValue {
    return value as JsonValue;
  }

  schema(value: unknown, where: string, depth = 0): Schema {
    if (depth > MAX_SCHEMA_DEPTH) this.fail(where, `schema nested deeper than ${MAX_SCHEMA_DEPTH}`);
    const { type } = this.object(value, where);
    switch (type) {
      case 'enum': {
        const { values } = this.fields(value, where, ['type', 'values']);
        return { type, values: this.list(values, `${where}.values`, 65536, (v, at) => this.text(v, at)) };
      }
      case 'optional':
      case 'list':
        return { type, of: this.schema(this.fields(value, where, ['type', 'of']).of, `${where}.of`, depth + 1) };
      case 'record': {
        const { fields } = this.fields(value, where, ['type', 'fields']);
        return { type, fields: this.list(fields, `${where}.fields`, 65536, (field, at) => this.#field(field, at, depth)) };
      }
      default:
        this.fields(value, where, ['type']);
        return { type: this.oneOf(type, `${where}.type`, SIMPLE_SCHEMAS) };
    }
  }

  #field(value: unknown, where: string, depth: number): FieldSchema {
    const hasDefault = Object.hasOwn(this.object(value, where), 'default');
    const field = this.fields(value, where, hasDefault ? ['name', 'schema', 'default'] : ['name', 'schema']) as {
      name: unknown;
      schema: unknown;
      default?: unknown;
    };
    const decoded = {
      name: this.text(field.name, `${where}.name`),
      schema: this.schema(field.schema, `${where}.schema`, depth + 1),
    };
    return hasDefault ? { ...decoded, default: this.json(field.default) } : decoded;
  }

  nullable<T>(value: unknown, where: string, decode: (value: unknown, where: string) => T): T | null {
    return value === null ? null : decode(value, where);
  }
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (value === undefined) return 'nothing';
  return typeof value === 'string' ? quote(value) : JSON.stringify(value);
}

/** At most 64 characters of text from a file, escaped: messages go to terminals and logs. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}...` : text);
}

/** Does bracket nesting outside strings exceed `limit`? One pass, no recursion. */
function exceedsDepth(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > limit) return true;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return false;
}
