/** How long a job waits for its state, here and in Flink. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAlone } from '../../lib/isolated.mjs';
import { point } from '../../lib/program.mjs';
import { median, row } from '../../lib/report.mjs';
import { isFlinkBuilt, restoreInFlink } from '../flink.mjs';

/** Times that Flink takes, at least. */
const AIM = { atLeast: 5 };

export const restore = {
  name: 'restore',
  question: 'How long until all state of a checkpoint is there, 8-byte keys and 8-byte values, files in the page cache?',
  async *rows({ threads, restoreEntries: entries, restores, peers }) {
    const runs = await inTidemark(entries, threads, restores);
    const ours = median(runs);
    yield row('Tidemark', ours, 'ms', null, detailOf(runs, `${entries} entries, threads included`));
    yield point({ kind: 'peers.restore', peer: 'Tidemark', entries, threads, durationMs: ours, runs });
    for (const { name, title } of peers.filter((peer) => peer.name.startsWith('flink'))) {
      if (!isFlinkBuilt()) continue;
      const backend = name.slice('flink-'.length);
      // The first one also loads classes; it is left out.
      const [, ...times] = await restoreInFlink({ backend, entries, runs: restores + 1, parallelism: threads });
      const theirs = median(times);
      yield row(title, theirs, 'ms', null, detailOf(times, 'from submitting the job, in a cluster that runs and is warm'));
      yield point({ kind: 'peers.restore', peer: title, entries, threads, durationMs: theirs, runs: times });
      yield row(`Tidemark against ${title}`, theirs / ours, 'times', AIM);
    }
  },
};

async function inTidemark(entries, threads, restores) {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-restore-'));
  // Ten hot records a second keep the job from ending.
  const job = { job: 'hot-keys', args: [entries, 1, 10], threads };
  try {
    const { path } = await measureAlone('fill', { ...job, minimumEntries: entries, directory });
    const runs = [];
    for (let i = 0; i < restores; i++) runs.push((await measureAlone('restore', { ...job, from: path })).durationMs);
    return runs;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function detailOf(runs, text) {
  return `median of ${runs.length}; ${Math.round(Math.min(...runs))} to ${Math.round(Math.max(...runs))} ms; ${text}`;
}
