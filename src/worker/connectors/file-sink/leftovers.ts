/**
 * Which hidden parts a restore may delete. Pure.
 *
 * A part in progress is named by no manifest: it goes as soon as nobody can be writing it. A prepared part may be named by
 * any retained manifest, from which somebody may restore later; so it stays until a checkpoint of the same lineage with the
 * same or a higher number has been restored: that one names every part that is not committed by then.
 */
import type { HiddenPart } from './part-names.ts';

export interface RestoredSink {
  readonly sink: string;
  readonly jobId: string;
  /** Prepared parts that the restored checkpoint names. */
  readonly named: readonly HiddenPart[];
}

export function leftoverParts(
  found: readonly HiddenPart[],
  { sink, jobId, named }: RestoredSink,
  isAlive: (process: string) => boolean,
): readonly HiddenPart[] {
  const kept = new Set(named.map(({ name }) => name));
  const lineage = new Set([jobId, ...named.map((part) => part.jobId)]);
  const restored = Math.max(0, ...named.map(({ checkpointId }) => checkpointId ?? 0));
  return found.filter((part) => {
    if (part.sink !== sink || kept.has(part.name)) return false;
    // Parts of this very job id: the writers of its earlier attempts are gone when `recover` is called.
    if (part.jobId !== jobId && isAlive(part.process)) return false;
    return part.checkpointId === null || (lineage.has(part.jobId) && part.checkpointId <= restored);
  });
}
