/** Where in a checkpoint a keyed state lies. Pure. */
import { TidemarkError } from '../format/errors.ts';
import type { KeyedStateInfo, Manifest, TableRef } from '../format/manifest.ts';
import { hashRangeOfSubtask, isEmptyRange, type HashRange } from './hash-range.ts';
import { pathOfTable, type Checkpoint } from './restore.ts';
import type { LocatedTable } from './table-file.ts';

/** What one subtask holds: the hashes that it owns, and its tables, newest first. */
export interface StatePart {
  readonly range: HashRange;
  readonly tables: readonly TableRef[];
}

/**
 * Parts of the stage that has the operator, in order of their hashes; none for an operator that the checkpoint does not have. Tables
 * hold other states of the stage as well.
 */
export function partsOfOperator(manifest: Manifest, uid: string): StatePart[] {
  return manifest.stages
    .filter((stage) => stage.operators.includes(uid))
    .flatMap((stage) => stage.subtasks.map((subtask) => ({ range: hashRangeOfSubtask(stage, subtask), tables: subtask.tables })))
    .filter(({ range, tables }) => !isEmptyRange(range) && tables.length > 0)
    .sort((a, b) => a.range.first - b.range.first);
}

export function locateTables(checkpoint: Checkpoint, tables: readonly TableRef[]): LocatedTable[] {
  return tables.map((table) => ({ table, path: pathOfTable(checkpoint, table) }));
}

/** Every keyed state of a checkpoint with the uid of its operator. */
export function statesOfManifest(manifest: Manifest): { readonly uid: string; readonly state: KeyedStateInfo }[] {
  return manifest.operators.flatMap(({ uid, keyedStates }) => keyedStates.map((state) => ({ uid, state })));
}

/** @throws TidemarkError ERR_STATE_NOT_FOUND listing the states that there are */
export function mustFindState({ directory, manifest }: Checkpoint, uid: string, name: string): KeyedStateInfo {
  const states = statesOfManifest(manifest);
  const found = states.find((one) => one.uid === uid && one.state.name === name);
  if (found !== undefined) return found.state;
  const list = states.map((one) => `${one.uid} ${one.state.name}`).join(', ');
  throw new TidemarkError(
    'ERR_STATE_NOT_FOUND',
    `${directory} has no state ${JSON.stringify(name)} of an operator ${JSON.stringify(uid)}. ${states.length === 0 ? 'It has no keyed state.' : `Its states, by uid and name: ${list}.`}`,
    { facts: { path: directory, uid, state: name } },
  );
}
