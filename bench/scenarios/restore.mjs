/** How fast state comes back from a checkpoint. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAlone } from '../lib/isolated.mjs';
import { point } from '../lib/program.mjs';
import { median, row } from '../lib/report.mjs';

export const restore = {
  name: 'restore',
  question: 'How fast is state of 8-byte keys and 8-byte values restored from files in the page cache?',
  async *rows({ restoreEntries, restores, restoreThreads }) {
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-restore-'));
    // Ten hot records a second keep the job from ending; its state is then that of the other source.
    const job = { job: 'hot-keys', args: [restoreEntries, 1, 10] };
    try {
      const filled = { ...job, threads: Math.max(...restoreThreads), minimumEntries: restoreEntries, directory };
      const { path, liveBytes, fileBytes: bytes } = await measureAlone('fill', filled);
      yield row('state', restoreEntries, 'entries', null, `${megabytes(liveBytes)} in memory, ${megabytes(bytes)} of files`);
      for (const threads of restoreThreads) {
        const runs = [];
        for (let i = 0; i < restores; i++) {
          const { entries, durationMs } = await measureAlone('restore', { ...job, threads, from: path });
          if (entries < restoreEntries) throw new Error(`${entries} entries were restored of ${restoreEntries}`);
          runs.push(durationMs);
        }
        const durationMs = median(runs);
        yield* rowsOf(threads, restoreEntries, runs);
        yield point({ kind: 'restore.point', entries: restoreEntries, bytes, threads, durationMs, runs });
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

/** The targets are those of 2 threads; the time has one for 10 million entries. */
function* rowsOf(threads, entries, runs) {
  const name = threads === 1 ? '1 thread' : `${threads} threads`;
  const spread = `median of ${runs.length}; ${Math.round(Math.min(...runs))} to ${Math.round(Math.max(...runs))} ms`;
  const within = threads === 2 && entries === 10_000_000 ? { atMost: 1000 } : null;
  yield row(`${name}: until all state is there, threads included`, median(runs), 'ms', within, spread);
  yield row(name, entries / (median(runs) / 1000), 'entries/s', threads === 2 ? { atLeast: 5e6 } : null);
}

function megabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`;
}
