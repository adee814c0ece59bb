/** How fast state comes back from a checkpoint. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAlone } from '../../lib/isolated.mjs';
import { median, row } from '../../lib/report.mjs';

export const restore = {
  name: 'restore',
  question: 'How fast is state of 8-byte keys and 8-byte values restored from files in the page cache?',
  async *rows({ restoreEntries, restores }) {
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-restore-'));
    // Ten hot records a second keep the job from ending; its state is then that of the other source.
    const job = { job: 'hot-keys', args: [restoreEntries, 1, 10], threads: 2 };
    try {
      const { path, liveBytes } = await measureAlone('fill', { ...job, minimumEntries: restoreEntries, directory });
      const times = [];
      for (let i = 0; i < restores; i++) {
        const { entries, durationMs } = await measureAlone('restore', { ...job, from: path });
        if (entries < restoreEntries) throw new Error(`${entries} entries were restored of ${restoreEntries}`);
        times.push(durationMs);
      }
      const size = `${restoreEntries} entries, ${Math.round(liveBytes / 1e6)} MB in memory; median of ${restores}`;
      yield row('time until all state is there, threads included', median(times), 'ms', null, size);
      yield row('2 threads', restoreEntries / (median(times) / 1000), 'entries/s', { atLeast: 5e6 });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};
