/**
 * Digest and number of entries of each keyed state at completed checkpoints, kept up from the deltas. Pure.
 *
 * A total is that of one state in one subtask, by `subtask/uid/state`. Those of a restored checkpoint are of all its
 * subtasks together; they are booked on the first subtask of the stage, and only sums over a stage mean anything.
 */
import { StateDigest } from '../format/digest.ts';
import type { KeyedStateInfo } from '../format/manifest.ts';
import type { JobGraph } from '../job/graph.ts';
import type { JobPlan, PersistResult } from '../worker/protocol.ts';
import type { Part } from './manifest-assembly.ts';

export interface StateTotal {
  readonly digest: StateDigest;
  readonly entries: number;
}

export type StateTotals = ReadonlyMap<string, StateTotal>;

/** @param states  by `uid/state`, of the restored checkpoint */
export function restoredTotals(plan: JobPlan, graph: JobGraph, states: ReadonlyMap<string, KeyedStateInfo>): StateTotals {
  const totals = new Map<string, StateTotal>();
  for (const stage of plan.stages) {
    for (const node of stage.nodes) {
      const { uid } = graph.nodes[node];
      for (const [key, info] of states) {
        if (key !== `${uid}/${info.name}`) continue;
        totals.set(`${stage.firstSubtask}/${key}`, { digest: StateDigest.fromHex(info.digest), entries: info.entries });
      }
    }
  }
  return totals;
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
