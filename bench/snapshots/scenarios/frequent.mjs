/** A checkpoint every 100 ms: what is left of the throughput? */
import { point } from '../../lib/program.mjs';
import { median, percentile, row } from '../../lib/report.mjs';
import { entriesOf } from '../settings.mjs';
import { inTemporary, measureSnapshots, withFilled } from '../temporary.mjs';

const CHANGED_PER_SECOND = 0.01;
const TARGET = { stateBytes: 1e9, kept: { atLeast: 95 } };

export const frequent = {
  name: 'frequent',
  question: 'What does a durable checkpoint every 100 ms cost when 1 % of the keys change in a second?',
  async *rows({ seed, frequent: { stateBytes, valueBytes, stream } }) {
    const entries = entriesOf(stateBytes, valueBytes);
    const changes = Math.max(1, Math.round((entries * CHANGED_PER_SECOND * stream.intervalMs) / 1000));
    const state = { entries, valueBytes, distribution: 'uniform', seed };
    const measured = await withFilled(state, ({ path: from }) =>
      inTemporary((directory) => measureSnapshots('measureStream', { state, changes, from, stream, directory })),
    );
    const { perSecondWith, perSecondWithout, stallMs, streamed } = measured;
    yield point({ kind: 'snapshots.frequent', stateBytes, ...state, changes, ...stream, ...measured });
    const kept = perSecondWith.map((perSecond, pair) => (perSecond / perSecondWithout[pair]) * 100);
    yield row('without checkpoints, median', median(perSecondWithout), 'records/s', null, `of ${perSecondWithout.length}`);
    yield row('with checkpoints, median', median(perSecondWith), 'records/s', null, `${streamed.length} checkpoints`);
    yield row(
      'throughput kept, median of the pairs',
      median(kept),
      '%',
      stateBytes === TARGET.stateBytes ? TARGET.kept : null,
      `${kept.map((share) => share.toFixed(0)).join(', ')}; ${stateBytes / 1e6} MB, values of ${valueBytes} B`,
    );
    yield row('time until durable, median', median(streamed.map(({ durationMs }) => durationMs)), 'ms');
    yield row('stall, p99', percentile(stallMs, 0.99), 'ms');
  },
};
