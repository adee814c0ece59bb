/** How long a subtask stands still at a barrier, with little state and with much. */
import { measureAlone } from '../../lib/isolated.mjs';
import { percentile, row } from '../../lib/report.mjs';

export const barrierStall = {
  name: 'barrier-stall',
  question: 'How long does processing stand still for a barrier, and does it depend on the size of the state?',
  async *rows({ stall, warmUpMs }) {
    const small = await stalls(stall, stall.small, warmUpMs);
    yield* rowsOf(small);
    const large = await stalls(stall, stall.large, warmUpMs);
    yield* rowsOf(large);
    yield row(
      'p99 with much state against little',
      large.p99 / small.p99,
      'times',
      { atMost: 1.5 },
      `${readableBytes(large.stateBytes)} against ${readableBytes(small.stateBytes)}`,
    );
  },
};

function* rowsOf({ stateBytes, p99, longest, barriers, perSecond }) {
  const size = readableBytes(stateBytes);
  yield row(
    `p99 with ${size} of state`,
    p99,
    'ms',
    { atMost: 1 },
    `${barriers} barriers of subtasks at ${(perSecond / 1e6).toFixed(2)} M records/s`,
  );
  yield row(`longest with ${size} of state`, longest, 'ms');
}

/** Every time a subtask stood still for a barrier, until there were enough checkpoints to speak of one in a hundred. */
async function stalls({ payloadBytes, intervalMs, windowMs, checkpoints: minimumCheckpoints }, keys, warmUpMs) {
  // Each key has an entry for the payload and one for the counter.
  const options = {
    job: 'payloads',
    args: [keys, payloadBytes],
    threads: 2,
    intervalMs,
    minimumEntries: 2 * keys,
    warmUpMs,
    windowMs,
    minimumCheckpoints,
  };
  const { checkpoints, stateBytes, perSecond } = await measureAlone('steadyRate', options);
  const syncMs = checkpoints.flatMap((checkpoint) => checkpoint.subtaskSyncMs ?? []);
  return { stateBytes, perSecond, barriers: syncMs.length, p99: percentile(syncMs, 0.99), longest: Math.max(...syncMs) };
}

function readableBytes(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
