/** For how long processing stands still: a barrier here, a dump of a Map there. */
import { callAlone, measureAlone } from '../../lib/isolated.mjs';
import { point } from '../../lib/program.mjs';
import { median, percentile, row } from '../../lib/report.mjs';

const DUMP = new URL('../dump-stall.mjs', import.meta.url).href;

export const stall = {
  name: 'stall',
  question: 'For how long does processing stand still when state is made durable?',
  async *rows({ threads, warmUpMs, stall: { keys, payloadBytes, intervalMs, windowMs, dumps } }) {
    const { stallMs: dumpMs, bytes } = await callAlone(DUMP, 'dumpStalls', { keys, payloadBytes, runs: dumps });
    yield row('v8.serialize of a Map', median(dumpMs), 'ms', null, `median of ${dumps}; ${megabytes(bytes)}`);

    const job = { job: 'payloads', args: [keys, payloadBytes], threads, intervalMs, minimumEntries: 2 * keys };
    const { checkpoints, stateBytes } = await measureAlone('steadyRate', { ...job, warmUpMs, windowMs });
    const stallMs = checkpoints.map(({ syncMs }) => syncMs);
    const p99 = percentile(stallMs, 0.99);
    yield row('Tidemark, p99', p99, 'ms', null, `${stallMs.length} barriers, ${megabytes(stateBytes)} of state`);
    yield row('the dump against the p99', median(dumpMs) / p99, 'times', { atLeast: 100 });
    yield point({ kind: 'peers.stall', peer: 'Map, v8.serialize', bytes, stallMs: dumpMs });
    yield point({ kind: 'peers.stall', peer: 'Tidemark', bytes: stateBytes, stallMs });
  },
};

function megabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`;
}
