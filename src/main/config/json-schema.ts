/**
 * JSON Schema of `tidemark.config.yaml`, for editors: `docs/tidemark.config.schema.json`, which a test compares with this.
 *
 * A key may be written flat, nested, or in part each: `execution: { checkpointing.interval: 1 s }`. So there is a definition for each
 * option, and one for each map, which has every rest of a key that may stand in it.
 */
import { allSpellings, OPTIONS, optionKeyOf, type OptionKey } from './options.ts';
import { SHARED_SCHEMAS, type ValueSchema } from './value-kinds.ts';

type Schema = Omit<ValueSchema, '$ref' | 'anyOf' | 'type'> & {
  readonly $ref?: string;
  readonly anyOf?: readonly (Schema | ValueSchema)[];
  readonly description?: string;
  readonly deprecated?: boolean;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
};

export function configurationSchema(): object {
  const spellings = [...allSpellings()];
  const maps = new Set(spellings.flatMap(prefixesOf));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'tidemark.config.yaml',
    ...mapSchema('', spellings, maps),
    $defs: {
      ...SHARED_SCHEMAS,
      ...Object.fromEntries(spellings.map((spelling) => [spelling, optionSchema(spelling)])),
      ...Object.fromEntries([...maps].map((map) => [`${map}.`, mapSchema(`${map}.`, spellings, maps)])),
    },
  };
}

/** `a.b.c` may be written in maps `a` and `a.b`. */
function prefixesOf(spelling: string): string[] {
  const parts = spelling.split('.');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
}

/** @param prefix  what all keys in the map begin with: nothing, or ending with a dot */
function mapSchema(prefix: string, spellings: readonly string[], maps: ReadonlySet<string>): Schema {
  const names = new Set([...spellings, ...maps].filter((key) => key.startsWith(prefix) && key !== prefix.slice(0, -1)));
  const properties = [...names].map((key): [string, Schema] => {
    const meanings = [...(spellings.includes(key) ? [refTo(key)] : []), ...(maps.has(key) ? [refTo(`${key}.`)] : [])];
    return [key.slice(prefix.length), meanings.length === 1 ? meanings[0] : { anyOf: meanings }];
  });
  return { type: ['object', 'null'], additionalProperties: false, properties: Object.fromEntries(properties) };
}

function refTo(definition: string): Schema {
  return { $ref: `#/$defs/${definition}` };
}

function optionSchema(spelling: string): Schema {
  const key = optionKeyOf(spelling) as OptionKey;
  const { kind, defaultValue, meaning } = OPTIONS[key];
  const written = (kind.format as (value: unknown) => string)(defaultValue);
  const description = `${meaning} Value: ${kind.label}. Default: ${written}.`;
  return spelling === key
    ? { description, ...kind.schema }
    : { description: `Older spelling of ${key}. ${description}`, deprecated: true, ...kind.schema };
}
