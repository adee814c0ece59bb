/**
 * Keyed state as the engine keeps it, without the engine: handles over state maps of several subtasks, and checkpoints of them on a
 * simulated disk. So what the tools read is what the handles wrote.
 */
import { StateDigest } from '../../src/format/digest.ts';
import { createKeyCodec, keyTypeText } from '../../src/format/key-codec.ts';
import { keyGroupOf, keyGroupRange, subtaskOfKeyGroup } from '../../src/format/key-groups.ts';
import type { KeyedStateInfo, Manifest, TableRef } from '../../src/format/manifest.ts';
import type { Schema } from '../../src/format/schema.ts';
import type { Compression } from '../../src/format/sorted-table/compression.ts';
import type { StateSpec } from '../../src/job/process.ts';
import type { FsPort } from '../../src/snapshot/fs-port.ts';
import { sharedDirectory } from '../../src/snapshot/paths.ts';
import { prepareJobDirectory, publishCheckpoint } from '../../src/snapshot/publish.ts';
import { writeTable } from '../../src/snapshot/table-file.ts';
import { openDeltaReader } from '../../src/worker/state/delta-reader.ts';
import { CurrentKey } from '../../src/worker/state/handles/current-key.ts';
import { openState } from '../../src/worker/state/handles/open-state.ts';
import { createStateMap } from '../../src/worker/state/log-state-map.ts';
import type { StateMap } from '../../src/worker/state/state-map.ts';
import { stateSchemas } from '../../src/worker/restore-state.ts';
import { JOB_DIR, JOB_ID, manifestOf } from './job-tools.ts';

const MAX_PARALLELISM = 128;

interface Subtask {
  readonly key: CurrentKey;
  readonly states: readonly { readonly info: Omit<KeyedStateInfo, 'digest' | 'entries'>; readonly map: StateMap }[];
  readonly handles: Readonly<Record<string, unknown>>;
  tables: TableRef[];
}

export class KeyedJob {
  readonly #fs: FsPort;
  readonly #uid: string;
  readonly #parallelism: number;
  readonly #subtasks: readonly Subtask[];
  readonly #keyCodec;
  readonly #compression: Compression;
  #last = 0;

  constructor(
    fs: FsPort,
    states: Readonly<Record<string, StateSpec>>,
    options: {
      readonly keys?: readonly Schema[] | null;
      readonly parallelism?: number;
      readonly uid?: string;
      readonly compression?: Compression;
    } = {},
  ) {
    const { keys = [{ type: 'string' }], parallelism = 2, uid = 'op', compression = 'none' } = options;
    this.#fs = fs;
    this.#uid = uid;
    this.#parallelism = parallelism;
    this.#compression = compression;
    this.#keyCodec = createKeyCodec(keys);
    this.#subtasks = Array.from({ length: parallelism }, () => {
      const key = new CurrentKey();
      const opened: Subtask['states'][number][] = [];
      const handles = Object.entries(states).map(([name, spec]) => {
        const state = openState(spec, { uid, name, keyType: keyTypeText(keys) }, key, (info) => {
          const map = createStateMap({
            limitBytes: 64 << 20,
            epoch: 1,
            composite: info.composite,
            derivesHash: !info.composite,
            label: name,
          });
          opened.push({ info: { name, kind: info.kind, keyType: info.keyType, ...stateSchemas(info) }, map });
          return map;
        });
        return [name, state.handle] as const;
      });
      return { key, states: opened, handles: Object.fromEntries(handles), tables: [] };
    });
    prepareJobDirectory(fs, JOB_DIR);
  }

  /** Moves to a key and returns the handle of one of its states. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what its state is
  at<H>(key: unknown, state: string): H {
    const probe = new CurrentKey();
    this.#keyCodec.encode(key, probe.ref);
    const owner = subtaskOfKeyGroup(keyGroupOf(probe.ref.hash, MAX_PARALLELISM), MAX_PARALLELISM, this.#parallelism);
    const subtask = this.#subtasks[owner];
    this.#keyCodec.encode(key, subtask.key.ref);
    subtask.key.moved();
    return subtask.handles[state] as H;
  }

  /** Takes checkpoint `id`, incremental to the one before. @returns its directory */
  checkpoint(id: number, changed: Partial<Manifest> = {}): string {
    return publishCheckpoint(this.#fs, JOB_DIR, this.barrier(id, changed));
  }

  /** Writes the tables of a barrier, as one that becomes a savepoint does, and publishes nothing. */
  barrier(id: number, changed: Partial<Manifest> = {}): Manifest {
    const infos = this.#subtasks[0].states.map(({ info }) => ({ ...info, digest: new StateDigest(), entries: 0 }));
    for (const subtask of this.#subtasks) {
      for (const { map } of subtask.states) map.mark(id + 1);
      const table = writeTable(
        this.#fs,
        sharedDirectory(JOB_DIR),
        { compression: this.#compression, createdBy: id },
        (writer) => {
          for (const { info, map } of subtask.states) {
            const reader = openDeltaReader(map.handles());
            const { memory } = reader;
            const addresses = reader.collect(this.#last, id);
            if (addresses.length === 0) continue;
            writer.beginSection({ uid: this.#uid, ...info });
            for (const address of addresses) {
              const [hash, keyAt, keyLength] = [reader.hashAt(address), reader.keyAt(address), reader.keyLength(address)];
              if (reader.isTombstone(address)) writer.addTombstone(hash, memory, keyAt, keyLength);
              else writer.add(hash, memory, keyAt, keyLength, memory, reader.valueAt(address), reader.valueLength(address));
            }
          }
        },
      );
      if (table !== null) subtask.tables = [table, ...subtask.tables];
      subtask.states.forEach(({ map }, i) => {
        const reader = openDeltaReader(map.handles());
        const { memory } = reader;
        for (const at of reader.collectFull(id)) {
          infos[i].entries++;
          infos[i].digest.add(memory, reader.keyAt(at), reader.keyLength(at), memory, reader.valueAt(at), reader.valueLength(at));
        }
        map.complete(id);
      });
    }
    const base = manifestOf(id, [], new Map());
    const manifest: Manifest = {
      ...base,
      operators: [
        {
          ...base.operators[0],
          uid: this.#uid,
          keyedStates: infos.map((info) => ({ ...info, digest: info.digest.toHex() })),
        },
      ],
      stages: [
        {
          operators: [this.#uid],
          parallelism: this.#parallelism,
          maxParallelism: MAX_PARALLELISM,
          subtasks: this.#subtasks.map(({ tables }, subtask) => ({
            ...base.stages[0].subtasks[0],
            subtask,
            keyGroups: keyGroupRange(subtask, MAX_PARALLELISM, this.#parallelism),
            tables,
            statistics: {
              ...base.stages[0].subtasks[0].statistics,
              newBytes: tables[0]?.createdBy === id ? tables[0].sizeBytes : 0,
              changedEntries: tables[0]?.createdBy === id ? tables[0].entries : 0,
            },
          })),
        },
      ],
      parent: id > 1 ? { jobId: JOB_ID, checkpointId: id - 1 } : null,
      ...changed,
    };
    this.#last = id;
    return manifest;
  }

  /** The tables of a subtask, newest first: to be replaced as a merge does. */
  tablesOf(subtask: number): TableRef[] {
    return this.#subtasks[subtask].tables;
  }

  setTables(subtask: number, tables: TableRef[]): void {
    this.#subtasks[subtask].tables = tables;
  }
}
