/** The counts that a job's checkpoint holds, against the records that its sources had made by then. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportState } from '../../dist/snapshot/export.js';
import { realFs } from '../../dist/snapshot/fs-port.js';
import { fill } from '../lib/measure.mjs';
import { fingerprintOfCounts, fingerprintOfRecords } from './keys.mjs';

/**
 * Runs `count-numbers`, stops it with a checkpoint, and reads all counts back. Called through `bench/lib/isolated.mjs`.
 *
 * @returns {Promise<{ records: number, entries: number }>}
 * @throws when the counts are not those of the records
 */
export async function verifyCounts({ keys, threads, minimumEntries }) {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  try {
    const { path } = await fill({ job: 'count-numbers', args: [keys], threads, minimumEntries, directory });
    const made = recordsOf(path, keys);
    let entries = 0;
    const rows = exportState(realFs, path, 'counts', 'accumulator').rows;
    const pairs = function* () {
      for (const { key, value } of rows) {
        entries++;
        yield [key, value.count];
      }
    };
    const counted = await fingerprintOfCounts(pairs());
    if (counted.records !== made.records || counted.fingerprint !== made.fingerprint) {
      throw new Error(
        `Tidemark: counts add up to ${counted.records} with fingerprint ${counted.fingerprint}; the sources made ${made.records} records with fingerprint ${made.fingerprint}`,
      );
    }
    return { records: counted.records, entries };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** From the positions of the sources: each split is a sequence of indexes. The manifest is lines of JSON, then their checksum. */
function recordsOf(path, keys) {
  const manifest = JSON.parse(readFileSync(join(path, '_metadata'), 'utf8').trimEnd().split('\n').slice(0, -1).join('\n'));
  let records = 0;
  let fingerprint = 0;
  for (const { subtasks } of manifest.stages) {
    for (const { operatorState } of subtasks) {
      for (const { $splits: splits = [] } of Object.values(operatorState)) {
        for (const { position, split } of splits) {
          records += position;
          fingerprint = (fingerprint + fingerprintOfRecords(keys, split.data.first, position, split.data.stride)) >>> 0;
        }
      }
    }
  }
  return { records, fingerprint };
}
