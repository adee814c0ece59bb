/** Merges tables of one subtask into one, in the background. */
import type { Compression } from '../format/sorted-table/compression.ts';
import type { FsPort } from '../snapshot/fs-port.ts';
import { ALL_HASHES } from '../snapshot/hash-range.ts';
import { mergeTables } from '../snapshot/merge.ts';
import { withTables, writeTable } from '../snapshot/table-file.ts';
import type { MergeResult, MergeTask } from './protocol.ts';

/** @throws TidemarkError of reading or writing tables; nothing is left behind then */
export function merge(fs: FsPort, task: MergeTask, compression: Compression): MergeResult {
  return withTables(fs, task.tables, (readers) => ({
    table: writeTable(fs, task.directory, { compression, createdBy: task.checkpointId }, (writer) => {
      mergeTables(writer, readers, { range: ALL_HASHES, dropTombstones: task.dropTombstones });
    }),
  }));
}
