/**
 * A small job without an engine: states are plain maps, each checkpoint writes what changed, and reading back gives the
 * maps again.
 */
import { StateDigest } from '../../src/format/digest.ts';
import { hashKey } from '../../src/format/hash.ts';
import type { Manifest, TableRef } from '../../src/format/manifest.ts';
import type { FsPort } from '../../src/snapshot/fs-port.ts';
import { ALL_HASHES } from '../../src/snapshot/hash-range.ts';
import { liveEntries } from '../../src/snapshot/merge.ts';
import { sharedDirectory } from '../../src/snapshot/paths.ts';
import { prepareJobDirectory, publishCheckpoint } from '../../src/snapshot/publish.ts';
import { pathOfTable, type Checkpoint } from '../../src/snapshot/restore.ts';
import { withTables, writeTable } from '../../src/snapshot/table-file.ts';
import { copyOf, addTo, info, memoryOf, sorted } from '../format/sorted-table/table-tools.ts';

export const JOB_ID = '0123456789abcdef0123456789abcdef';
export const BASE = '/checkpoints';
export const JOB_DIR = `${BASE}/${JOB_ID}`;
export const SECTION = info('count', 'total');

export type State = ReadonlyMap<string, string>;

/** Deltas between two states; a null value is a deletion. */
export function changes(before: State, after: State): Map<string, string | null> {
  const delta = new Map<string, string | null>();
  for (const [key, value] of after) if (before.get(key) !== value) delta.set(key, value);
  for (const key of before.keys()) if (!after.has(key)) delta.set(key, null);
  return delta;
}

export function writeDelta(
  fs: FsPort,
  directory: string,
  createdBy: number,
  delta: ReadonlyMap<string, string | null>,
): TableRef | null {
  const entries = [...delta].map(([key, value]) => {
    const bytes = Buffer.from(key);
    return { hash: hashKey(memoryOf(bytes), 0, bytes.length), key: bytes, value: value === null ? null : Buffer.from(value) };
  });
  return writeTable(fs, directory, { compression: 'none', createdBy }, (writer) => {
    writer.beginSection(SECTION);
    for (const entry of sorted(entries)) addTo(writer, entry);
  });
}

export function digestOf(state: State): string {
  const digest = new StateDigest();
  for (const [key, value] of state) {
    const [keyBytes, valueBytes] = [Buffer.from(key), Buffer.from(value)];
    digest.add(memoryOf(keyBytes), 0, keyBytes.length, memoryOf(valueBytes), 0, valueBytes.length);
  }
  return digest.toHex();
}

export function readState(fs: FsPort, checkpoint: Checkpoint): Map<string, string> {
  const state = new Map<string, string>();
  for (const subtask of checkpoint.manifest.stages.flatMap((stage) => stage.subtasks)) {
    const tables = subtask.tables.map((table) => ({ table, path: pathOfTable(checkpoint, table) }));
    withTables(fs, tables, (readers) => {
      const cursor = liveEntries(readers, SECTION.uid, SECTION.name, ALL_HASHES);
      for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
        const { key, value } = copyOf(entry);
        state.set(Buffer.from(key).toString(), Buffer.from(value!).toString());
      }
    });
  }
  return state;
}

/** @param tables  newest first */
export function manifestOf(
  checkpointId: number,
  tables: readonly TableRef[],
  state: State,
  changed: Partial<Manifest> = {},
): Manifest {
  const statistics = {
    syncMs: 0.25,
    asyncMs: 3,
    alignmentMs: 0,
    startDelayMs: 0,
    newBytes: tables[0]?.sizeBytes ?? 0,
    liveBytes: 100,
    changedEntries: 1,
  };
  return {
    format: 1,
    kind: 'checkpoint',
    savepointFormat: null,
    jobId: JOB_ID,
    jobName: 'test job',
    checkpointId,
    parent: checkpointId > 1 ? { jobId: JOB_ID, checkpointId: checkpointId - 1 } : null,
    triggeredAt: '2026-01-02T03:04:05.006Z',
    completedAt: `2026-01-02T03:04:${String(checkpointId % 60).padStart(2, '0')}.006Z`,
    trigger: 'periodic',
    incremental: true,
    tidemarkVersion: '0.1.0',
    operators: [
      {
        uid: SECTION.uid,
        name: 'count',
        kind: 'process',
        maxParallelism: 128,
        keyedStates: [{ ...stateInfo(), digest: digestOf(state), entries: state.size }],
      },
    ],
    stages: [
      {
        operators: [SECTION.uid],
        parallelism: 1,
        maxParallelism: 128,
        subtasks: [
          {
            subtask: 0,
            keyGroups: { start: 0, end: 127 },
            finished: false,
            tables,
            operatorState: { source: { splits: [{ at: 7 }] } },
            committables: {},
            statistics,
          },
        ],
      },
    ],
    counters: { records: 12 },
    sizes: { newBytes: tables[0]?.sizeBytes ?? 0, referencedBytes: 0, liveBytes: 100, files: tables.length },
    durationMs: 12.5,
    config: { 'state.checkpoints.num-retained': 1 },
    ...changed,
  };
}

function stateInfo() {
  const { name, kind, keyType, keySchema, schema } = SECTION;
  return { name, kind, keyType, keySchema, schema };
}

/** Takes checkpoints of one subtask, one after another. */
export class Checkpointer {
  readonly fs: FsPort;
  tables: TableRef[] = [];
  state: State;

  constructor(fs: FsPort, state: State = new Map(), tables: readonly TableRef[] = []) {
    this.fs = fs;
    this.state = state;
    this.tables = [...tables];
  }

  checkpoint(checkpointId: number, state: State): string {
    prepareJobDirectory(this.fs, JOB_DIR);
    const table = writeDelta(this.fs, sharedDirectory(JOB_DIR), checkpointId, changes(this.state, state));
    const tables = table === null ? this.tables : [table, ...this.tables];
    const directory = publishCheckpoint(this.fs, JOB_DIR, manifestOf(checkpointId, tables, state));
    this.tables = tables;
    this.state = state;
    return directory;
  }
}
