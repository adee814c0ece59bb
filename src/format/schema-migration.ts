/**
 * Reading rows of a former schema as values of the present one. What may change: a record gains fields that have a default
 * (or are optional), loses fields, and numbers widen (i32 to int to f64);
 * enums gain values; what was required may become optional, and with a default the other way round. Anything else is refused.
 */
import { TidemarkError } from './errors.ts';
import type { Memory } from './memory.ts';
import { createRowCodec } from './row-codec.ts';
import type { Schema } from './schema.ts';
import { valueFromJson } from './schema-json.ts';
import { fieldPath, schemaText } from './schema-text.ts';

/** A former value as a value of the present schema. */
export type Convert = (value: unknown) => unknown;

const WIDER: Readonly<Record<string, readonly string[]>> = { i32: ['int', 'f64'], int: ['f64'] };

const identity: Convert = (value) => value;

/** Whose schema it is, for messages. */
export interface MigrationSite {
  /** "state 'total' of operator 'sums'" */
  readonly what: string;
  /** The field that the schema is of; absent or empty: the value as a whole. */
  readonly path?: string;
  /** What to do when it cannot be migrated: a sentence. */
  readonly remedy: string;
}

/**
 * A decoder of rows written under `from` that gives values of `to`.
 *
 * @throws TidemarkError ERR_STATE_INCOMPATIBLE naming the field
 */
export function createMigratingDecoder(from: Schema, to: Schema, site: MigrationSite): (memory: Memory, at: number) => unknown {
  const convert = createMigration(from, to, site);
  const codec = createRowCodec(from);
  return (memory, at) => convert(codec.decode(memory, at));
}

/**
 * Makes values of `to` of values of `from`. Of scalars and optional scalars, which are what keys are made of, two different ones never become
 * the same. Cheap to make: also for checks before a job starts.
 *
 * @throws TidemarkError ERR_STATE_INCOMPATIBLE naming the field
 */
export function createMigration(from: Schema, to: Schema, site: MigrationSite): Convert {
  return converter(from, to, site.path ?? '', site);
}

function converter(from: Schema, to: Schema, path: string, site: MigrationSite): Convert {
  // By the text: a default that was added or changed alters no value that is there.
  if (schemaText(from) === schemaText(to)) return identity;
  if (WIDER[from.type]?.includes(to.type)) return identity;
  if (to.type === 'optional') {
    const inner = converter(from.type === 'optional' ? from.of : from, to.of, path, site);
    return (value) => (value === undefined ? undefined : inner(value));
  }
  if (from.type === 'list' && to.type === 'list') {
    const element = converter(from.of, to.of, `${path}[]`, site);
    return (value) => (value as unknown[]).map(element);
  }
  if (from.type === 'enum' && to.type === 'enum' && from.values.every((value) => to.values.includes(value))) return identity;
  if (from.type === 'record' && to.type === 'record') return recordConverter(from, to, path, site);
  throw incompatible(path, site, `it was ${schemaText(from)} and is ${schemaText(to)}`);
}

function recordConverter(
  from: Extract<Schema, { type: 'record' }>,
  to: Extract<Schema, { type: 'record' }>,
  path: string,
  site: MigrationSite,
): Convert {
  const fields = to.fields.map((field): readonly [string, (record: Record<string, unknown>) => unknown] => {
    const place = fieldPath(path, field.name);
    const former = from.fields.find(({ name }) => name === field.name);
    const { default: json } = field;
    // Read from JSON for each record: a list or bytes must not be shared between the values that get it.
    const byDefault = (): unknown => valueFromJson(field.schema, json);
    if (former === undefined) {
      if (json === undefined && field.schema.type !== 'optional')
        throw incompatible(place, site, `it is new, of type ${schemaText(field.schema)}, and has no default`);
      return [field.name, byDefault];
    }
    if (former.schema.type === 'optional' && field.schema.type !== 'optional') {
      if (json === undefined)
        throw incompatible(
          place,
          site,
          `it was ${schemaText(former.schema)}, is ${schemaText(field.schema)}, and has no default for where it is absent`,
        );
      const present = converter(former.schema.of, field.schema, place, site);
      return [field.name, (record) => (record[field.name] === undefined ? byDefault() : present(record[field.name]))];
    }
    const convert = converter(former.schema, field.schema, place, site);
    return [field.name, (record) => convert(record[field.name])];
  });
  return (value) => Object.fromEntries(fields.map(([name, read]) => [name, read(value as Record<string, unknown>)]));
}

function incompatible(path: string, { what, remedy }: MigrationSite, detail: string): TidemarkError {
  const place = path === '' ? 'The value' : `Field '${path}'`;
  return new TidemarkError(
    'ERR_STATE_INCOMPATIBLE',
    `${place} of ${what} cannot be migrated: ${detail}. New fields need a default, and numbers may only widen (i32, int, f64). ${remedy}`,
    {
      facts: { field: path, what },
    },
  );
}
