/** How long does a subtask stand still at a barrier while updates come at full speed? */
import { point } from '../../lib/program.mjs';
import { percentile, row } from '../../lib/report.mjs';
import { entriesOf } from '../settings.mjs';
import { inTemporary, measureSnapshots, withFilled } from '../temporary.mjs';

const CHANGED_SHARE = 0.01;

export const stall = {
  name: 'stall',
  question: 'How long does a subtask stand still at a barrier, under updates at full speed?',
  async *rows({ seed, stall: { stateBytes, valueBytes, stream } }) {
    const entries = entriesOf(stateBytes, valueBytes);
    const changes = Math.max(1, Math.round((entries * CHANGED_SHARE * stream.intervalMs) / 1000));
    const state = { entries, valueBytes, distribution: 'uniform', seed };
    const measured = await withFilled(state, ({ path: from }) =>
      inTemporary((directory) => measureSnapshots('measureStream', { state, changes, from, stream, directory })),
    );
    const { stallMs } = measured;
    yield point({ kind: 'snapshots.stall', stateBytes, ...state, changes, ...stream, ...measured });
    const what = `${stateBytes / 1e6} MB, ${stallMs.length} barriers`;
    yield row('stall, median', percentile(stallMs, 0.5), 'ms', null, what);
    yield row('stall, p99', percentile(stallMs, 0.99), 'ms', { atMost: 1 });
    yield row('stall, longest', Math.max(...stallMs), 'ms');
  },
};
