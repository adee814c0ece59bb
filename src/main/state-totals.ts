/**
 * Digest and number of entries of each keyed state at completed checkpoints, kept up from the deltas. Pure.
 *
 * A total is that of one state in one subtask, by `subtask/uid/state`: a subtask may write its state whole at any barrier, and what is
 * counted for it then takes the place of what was counted before.
 */
import { StateDigest } from '../format/digest.ts';
import { TidemarkError } from '../format/errors.ts';
import type { KeyedStateInfo } from '../format/manifest.ts';
import type { PersistResult, RestoredTotal } from '../worker/protocol.ts';
import type { Part } from './manifest-assembly.ts';

export interface StateTotal {
  readonly digest: StateDigest;
  readonly entries: number;
}

export type StateTotals = ReadonlyMap<string, StateTotal>;

/** @param restored  by index of the subtask. What was migrated is not counted: the next barrier writes it whole */
export function restoredTotals(restored: readonly (readonly RestoredTotal[])[]): StateTotals {
  const totals = new Map<string, StateTotal>();
  for (const [subtask, states] of restored.entries()) {
    for (const { uid, name, entries, digest } of states)
      if (digest !== null) totals.set(`${subtask}/${uid}/${name}`, { digest: StateDigest.fromHex(digest), entries });
  }
  return totals;
}

/**
 * Is what was restored the state that was checkpointed? Tables that are whole, but not the right ones, show here.
 *
 * @param states    by `uid/state`, as the manifest has them
 * @param restored  by index of the subtask
 * @throws TidemarkError ERR_TABLE_CORRUPT
 */
export function checkRestored(
  states: ReadonlyMap<string, KeyedStateInfo>,
  restored: readonly (readonly RestoredTotal[])[],
  checkpointId: number,
): void {
  for (const [key, info] of states) {
    const found = restored.flat().filter(({ uid, name }) => `${uid}/${name}` === key);
    if (found.some(({ digest }) => digest === null)) continue;
    const digest = new StateDigest();
    for (const total of found) digest.plus(StateDigest.fromHex(total.digest as string));
    const entries = found.reduce((sum, total) => sum + total.entries, 0);
    if (entries === info.entries && digest.toHex() === info.digest) continue;
    throw new TidemarkError(
      'ERR_TABLE_CORRUPT',
      `State ${key} as restored has ${entries} entries with digest ${digest.toHex()}; checkpoint ${checkpointId} had ${info.entries} with digest ${info.digest}. Its tables are whole, but they are not the state that was checkpointed. Restore another retained checkpoint.`,
      {
        facts: {
          state: key,
          checkpointId,
          entries,
          digest: digest.toHex(),
          expectedEntries: info.entries,
          expectedDigest: info.digest,
        },
      },
    );
  }
}

/**
 * Totals after a checkpoint.
 *
 * @param parts   all of them durable
 * @param totals  by checkpoint: those that the parts may be deltas to
 */
export function totalsAfter(parts: Iterable<Part>, totals: ReadonlyMap<number, StateTotals>): StateTotals {
  const after = new Map<string, StateTotal>();
  for (const part of parts) {
    const { states } = part.persisted as PersistResult;
    const base = part.after === -1 ? undefined : totals.get(part.after);
    for (const state of states) {
      const key = `${part.subtask.index}/${state.uid}/${state.name}`;
      const before = base?.get(key);
      const digest = StateDigest.fromHex(state.digestChange);
      if (before !== undefined) digest.plus(before.digest);
      after.set(key, { digest, entries: (before?.entries ?? 0) + state.entriesChange });
    }
  }
  return after;
}
