/** Can a keyed state of a checkpoint be restored into the state that a job declares? Pure. */
import { TidemarkError } from './errors.ts';
import type { Schema } from './schema.ts';
import { createMigration, type MigrationSite } from './schema-migration.ts';
import { schemaText } from './schema-text.ts';
import type { StateDescription } from './state-content.ts';

/**
 * @param uid   of the operator, for messages
 * @param from  what is restored, for messages: "checkpoint 7"
 * @returns     same: the bytes are what the state expects. migrated: each value, and each key of a map, is decoded and written anew
 * @throws TidemarkError ERR_STATE_INCOMPATIBLE
 */
export function fitState(found: StateDescription, declared: StateDescription, uid: string, from: string): 'same' | 'migrated' {
  const refuse = (what: string): TidemarkError =>
    new TidemarkError(
      'ERR_STATE_INCOMPATIBLE',
      `State '${declared.name}' of operator '${uid}' cannot be restored from ${from}: ${what}. ${remedy(declared)}`,
      { facts: { uid, state: declared.name } },
    );
  if (found.kind !== declared.kind) throw refuse(`it is a ${declared.kind} state, and was a ${found.kind} state`);
  if (found.keyType !== declared.keyType) throw refuse(`its key is ${declared.keyType}, and was ${found.keyType}`);
  const pairs = [
    { ...migrationSites(declared, uid).keys, found: found.keySchema, declared: declared.keySchema },
    { ...migrationSites(declared, uid).values, found: found.schema, declared: declared.schema },
  ].filter((pair) => schemaName(pair.found) !== schemaName(pair.declared));
  for (const pair of pairs) {
    if (pair.found === null || pair.declared === null)
      throw refuse(`${pair.name} is ${schemaName(pair.declared)}, and was ${schemaName(pair.found)}`);
    createMigration(pair.found, pair.declared, pair.site);
  }
  return pairs.length === 0 ? 'same' : 'migrated';
}

/** What is migrated of a state, for messages. */
interface Migrated {
  /** "its schema" */
  readonly name: string;
  readonly site: MigrationSite;
}

export function migrationSites(
  state: Pick<StateDescription, 'kind' | 'name'>,
  uid: string,
): { readonly keys: Migrated; readonly values: Migrated } {
  const what = `state '${state.name}' of operator '${uid}'`;
  // Its name is `distinct(field)`, and its schema that of the field.
  const path = state.kind === 'distinct' ? state.name.slice('distinct('.length, -1) : '';
  return {
    keys: { name: 'the type of its map keys', site: { what: `the map keys of ${what}`, remedy: remedy(state) } },
    values: { name: 'its schema', site: { what, path, remedy: remedy(state) } },
  };
}

/** Names of the states of an aggregate follow from what it aggregates; those of a `process` are the user's. */
function remedy({ kind, name }: Pick<StateDescription, 'kind' | 'name'>): string {
  const isOfAggregate = kind === 'distinct' || kind === 'topN' || name === 'accumulator';
  const rename = isOfAggregate
    ? 'Give the operator another uid'
    : 'Give the changed state another name, or the operator another uid,';
  return `${rename} and start with -n to drop the old state.`;
}

/** A schema as text; values without one have the general codec. */
export function schemaName(schema: Schema | null): string {
  return schema === null ? 'none (general codec)' : schemaText(schema);
}
