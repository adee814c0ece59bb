/**
 * A fire drill for a checkpoint: every keyed state is restored into memory as a job would, a full snapshot is taken of it, and what that holds
 * is compared with the digests in the manifest. Nothing is written.
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { StateDigest } from '../format/digest.ts';
import type { KeyedStateInfo } from '../format/manifest.ts';
import { locateTables, partsOfOperator, statesOfManifest } from '../snapshot/find-state.ts';
import { realFs } from '../snapshot/fs-port.ts';
import { intersect, isEmptyRange } from '../snapshot/hash-range.ts';
import { type Checkpoint, openCheckpoint } from '../snapshot/restore.ts';
import type { DrillResult, DrillTask } from '../worker/drill-entry.ts';

export interface DrilledState {
  readonly uid: string;
  readonly state: string;
  readonly entries: number;
  readonly digest: string;
  /** Equal to what the manifest says. */
  readonly matches: boolean;
  readonly snapshotBytes: number;
}

export interface DrillReport {
  readonly directory: string;
  readonly ok: boolean;
  readonly states: readonly DrilledState[];
  /** Sums over all threads. */
  readonly restoreMs: number;
  readonly snapshotMs: number;
  readonly durationMs: number;
}

/** As large as a job's may be. */
const LIMIT_BYTES = 8 * 2 ** 30 - 8;

/** @throws TidemarkError with exit code 3 when the checkpoint cannot be restored; ERR_STATE_MEMORY_LIMIT */
export async function drillCheckpoint(path: string, threads = availableParallelism()): Promise<DrillReport> {
  const startedMs = performance.now();
  const checkpoint = openCheckpoint(realFs, path);
  const pool = new Piscina<DrillTask, DrillResult>({
    filename: new URL('../worker/drill-entry.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: threads,
    recordTiming: false,
  });
  try {
    const results = await Promise.all(
      statesOfManifest(checkpoint.manifest).map(async ({ uid, state }) => ({
        uid,
        state,
        results: await Promise.all(tasksOf(checkpoint, uid, state).map((task) => pool.run(task))),
      })),
    );
    const states = results.map(({ uid, state, results: parts }) => concludeState(uid, state, parts));
    const all = results.flatMap((one) => one.results);
    return {
      directory: checkpoint.directory,
      ok: states.every(({ matches }) => matches),
      states,
      restoreMs: all.reduce((sum, { restoreMs }) => sum + restoreMs, 0),
      snapshotMs: all.reduce((sum, { snapshotMs }) => sum + snapshotMs, 0),
      durationMs: performance.now() - startedMs,
    };
  } finally {
    await pool.destroy();
  }
}

function tasksOf(checkpoint: Checkpoint, uid: string, info: KeyedStateInfo): DrillTask[] {
  const { name, kind, keyType, keySchema, schema } = info;
  return partsOfOperator(checkpoint.manifest, uid).map(({ range, tables }): DrillTask => {
    const clipped = tables.flatMap((table) => {
      const clip = intersect(range, { first: table.clip?.[0] ?? 0, last: table.clip?.[1] ?? 0xffffffff });
      return isEmptyRange(clip) ? [] : [{ ...table, clip: [clip.first, clip.last] as const }];
    });
    return {
      uid,
      state: { name, kind, keyType, keySchema, schema },
      tables: locateTables(checkpoint, clipped),
      limitBytes: LIMIT_BYTES,
    };
  });
}

function concludeState(uid: string, info: KeyedStateInfo, parts: readonly DrillResult[]): DrilledState {
  const digest = new StateDigest();
  for (const part of parts) digest.plus(StateDigest.fromHex(part.digest));
  const entries = parts.reduce((sum, part) => sum + part.entries, 0);
  return {
    uid,
    state: info.name,
    entries,
    digest: digest.toHex(),
    matches: entries === info.entries && digest.toHex() === info.digest,
    snapshotBytes: parts.reduce((sum, part) => sum + part.snapshotBytes, 0),
  };
}
