/** Memory after random updates with checkpoints, against what is live. */
import { point } from '../../lib/program.mjs';
import { median, row } from '../../lib/report.mjs';
import { KEY_BYTES } from '../measure.mjs';
import { entriesOf } from '../settings.mjs';
import { inTemporary, measureSnapshots, withFilled } from '../temporary.mjs';

const CHANGED_SHARE = 0.05;
/** What the target allows an entry besides key and value, before its factor. */
const ENTRY_BYTES = 16;
/** The process itself, its threads and its rings: the same job with next to no state. */
const SMALL = { entries: 1000, durationMs: 1500 };

export const memory = {
  name: 'memory',
  question: 'How much memory does an entry take after random updates with checkpoints?',
  async *rows({ seed, memory: { stateBytes, valueBytes, intervalMs, durationMs } }) {
    const entries = entriesOf(stateBytes, valueBytes);
    const small = await samples(
      { entries: SMALL.entries, valueBytes, distribution: 'uniform', seed },
      intervalMs,
      Math.min(SMALL.durationMs, durationMs),
    );
    const large = await samples({ entries, valueBytes, distribution: 'uniform', seed }, intervalMs, durationMs);
    const ofProcess = median(small.rssBytes);
    const resident = Math.max(...large.rssBytes.slice(-Math.ceil(large.rssBytes.length / 4)));
    const allowed = entries * (KEY_BYTES + valueBytes + ENTRY_BYTES);
    yield point({
      kind: 'snapshots.memory',
      stateBytes,
      entries,
      valueBytes,
      intervalMs,
      durationMs,
      processBytes: ofProcess,
      ...large,
    });
    yield row('process with next to no state', ofProcess / 1e6, 'MB');
    yield row(
      'process with it, highest in the last quarter',
      resident / 1e6,
      'MB',
      null,
      `${entries} entries, ${large.records} updates, ${large.checkpoints} checkpoints`,
    );
    yield row('segments of the state in use', large.stateBytes / allowed, 'times', null, 'key + value + 16 bytes an entry');
    yield row(
      'memory beyond that of the process',
      (resident - ofProcess) / allowed,
      'times',
      { atMost: 1.6 },
      'key + value + 16 bytes an entry',
    );
  },
};

function samples(state, intervalMs, durationMs) {
  const changes = Math.max(1, Math.round(state.entries * CHANGED_SHARE));
  return withFilled(state, ({ path: from }) =>
    inTemporary((directory) => measureSnapshots('measureMemory', { state, changes, intervalMs, durationMs, directory, from })),
  );
}
