/**
 * The asynchronous part of a checkpoint for one subtask: turns the frozen regions of its keyed states into one sorted
 * table, and makes durable what its sinks prepared. Runs in the background while the owner of the state goes on.
 */
import { StateDigest } from '../format/digest.ts';
import { EntryBatch } from '../format/entry-batch.ts';
import type { TableRef } from '../format/manifest.ts';
import type { Compression } from '../format/sorted-table/compression.ts';
import type { TableWriter } from '../format/sorted-table/writer.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import { writeTable } from '../snapshot/table-file.ts';
import type { OpenState, PersistResult, PersistTask } from './protocol.ts';
import { openDeltaReader } from './state/delta-reader.ts';
import { unpinReader } from './state/reader-pins.ts';
import type { DeltaReader } from './state/state-map.ts';

/** What a state's delta does to the totals of the state. */
interface StateChange {
  readonly uid: string;
  readonly name: string;
  readonly digest: StateDigest;
  entries: number;
}

/**
 * Writes the table and gives the frozen regions free, also when writing fails.
 *
 * @param persistSinks  makes the committables of the task durable
 * @throws TidemarkError ERR_NO_SPACE, ERR_IO, ERR_SINK_FAILED
 */
export async function persist(
  fs: FsPort,
  task: PersistTask,
  compression: Compression,
  persistSinks: () => Promise<void>,
): Promise<PersistResult> {
  const started = performance.now();
  const changes: StateChange[] = [];
  let table: TableRef | null = null;
  let changedEntries = 0;
  try {
    if (task.directory !== null && task.states.length > 0) {
      table = writeTable(fs, task.directory, { compression, createdBy: task.checkpointId }, (writer) => {
        for (const state of task.states) {
          const change: StateChange = { uid: state.uid, name: state.name, digest: new StateDigest(), entries: 0 };
          changedEntries += writeState(writer, state, task, change);
          changes.push(change);
        }
      });
    }
  } finally {
    for (const { handles } of task.states) unpinReader(handles, task.full ? 'full' : 'delta');
  }
  await persistSinks();
  return {
    table,
    states: changes.map(({ uid, name, digest, entries }) => ({
      uid,
      name,
      digestChange: digest.toHex(),
      entriesChange: entries,
    })),
    changedEntries,
    asyncMs: performance.now() - started,
  };
}

/**
 * Records looked at together. The order of a table is not that of the log, so each record is a cache miss, and so is the version
 * before it; read one by one, a million of them took 170 ms to write, and 72 ms read ahead.
 */
const READ_AHEAD = 64;

/** Adds a section with what changed after `task.after`, or with all live entries. Returns how many entries it wrote. */
function writeState(writer: TableWriter, state: OpenState, { after, checkpointId }: PersistTask, change: StateChange): number {
  const reader = openDeltaReader(state.handles);
  const full = after === -1;
  const addresses = full ? reader.collectFull(checkpointId) : reader.collect(after, checkpointId);
  if (addresses.length === 0) return 0;
  writer.beginSection({
    uid: state.uid,
    name: state.name,
    kind: state.kind,
    keyType: state.keyType,
    keySchema: state.keySchema,
    schema: state.schema,
  });
  const batch = new EntryBatch(READ_AHEAD);
  const previous = new Uint32Array(READ_AHEAD);
  for (let from = 0; from < addresses.length; from += READ_AHEAD) {
    const to = Math.min(from + READ_AHEAD, addresses.length);
    reader.readAhead(addresses, from, to);
    if (reader.gather(addresses, from, to, batch)) {
      writer.addBatch(batch);
      change.digest.addBatch(batch);
      change.entries += batch.count;
    } else for (let i = from; i < to; i++) writeRecord(writer, reader, addresses[i], change);
    if (!full) subtractPrevious(reader, previous, reader.previousOf(addresses, from, to, after, previous), batch, change);
  }
  return addresses.length;
}

function writeRecord(writer: TableWriter, reader: DeltaReader, address: number, change: StateChange): void {
  const { memory } = reader;
  const hash = reader.hashAt(address);
  const keyAt = reader.keyAt(address);
  const keyLength = reader.keyLength(address);
  if (reader.isTombstone(address)) {
    writer.addTombstone(hash, memory, keyAt, keyLength);
    return;
  }
  const valueAt = reader.valueAt(address);
  const valueLength = reader.valueLength(address);
  change.digest.add(memory, keyAt, keyLength, memory, valueAt, valueLength);
  change.entries++;
  writer.add(hash, memory, keyAt, keyLength, memory, valueAt, valueLength);
}

/** Takes the versions out of the totals that the written ones replace. */
function subtractPrevious(
  reader: DeltaReader,
  previous: Uint32Array,
  count: number,
  batch: EntryBatch,
  change: StateChange,
): void {
  if (count === 0) return;
  change.entries -= count;
  if (reader.gather(previous, 0, count, batch)) {
    change.digest.subtractBatch(batch);
    return;
  }
  const { memory } = reader;
  for (let i = 0; i < count; i++) {
    const address = previous[i];
    change.digest.subtract(
      memory,
      reader.keyAt(address),
      reader.keyLength(address),
      memory,
      reader.valueAt(address),
      reader.valueLength(address),
    );
  }
}
