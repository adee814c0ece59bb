/** Can a keyed state of a checkpoint be restored into the state that a job declares? Pure. */
import { TidemarkError } from './errors.ts';
import type { Schema } from './schema.ts';
import { checkSchemaCompatible } from './schema-migration.ts';
import { schemaText } from './schema-text.ts';
import type { StateDescription } from './state-content.ts';

/** Kinds whose values are rows of the state's schema, so that they can be migrated one by one; the other ones have layouts of their own. */
const MIGRATABLE_KINDS = new Set(['value', 'reducing', 'aggregating', 'list', 'map']);

/**
 * @param uid   of the operator, for messages
 * @param from  what is restored, for messages: "checkpoint 7"
 * @returns     same: the bytes are what the state expects. migrated: each value is decoded and written anew
 * @throws TidemarkError ERR_STATE_INCOMPATIBLE
 */
export function fitState(found: StateDescription, declared: StateDescription, uid: string, from: string): 'same' | 'migrated' {
  const refuse = (what: string): TidemarkError =>
    new TidemarkError(
      'ERR_STATE_INCOMPATIBLE',
      `State '${declared.name}' of operator '${uid}' cannot be restored from ${from}: ${what}. Give the changed state another name, or the operator another uid and start with -n to drop the old state.`,
      { facts: { uid, state: declared.name } },
    );
  if (found.kind !== declared.kind) throw refuse(`it is a ${declared.kind} state, and was a ${found.kind} state`);
  if (found.keyType !== declared.keyType) throw refuse(`its key is ${declared.keyType}, and was ${found.keyType}`);
  if (schemaName(found.keySchema) !== schemaName(declared.keySchema))
    throw refuse(`the keys of the map are ${schemaName(declared.keySchema)}, and were ${schemaName(found.keySchema)}`);
  if (schemaName(found.schema) === schemaName(declared.schema)) return 'same';
  if (found.schema === null || declared.schema === null || !MIGRATABLE_KINDS.has(declared.kind))
    throw refuse(`its schema is ${schemaName(declared.schema)}, and was ${schemaName(found.schema)}`);
  checkSchemaCompatible(found.schema, declared.schema, `state '${declared.name}' of operator '${uid}'`);
  return 'migrated';
}

/** A schema as text; values without one have the general codec. */
export function schemaName(schema: Schema | null): string {
  return schema === null ? 'none (general codec)' : schemaText(schema);
}
