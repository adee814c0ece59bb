/** What checkpoints cost a job that changes one key in a hundred between them: throughput and bytes. */
import { measureAlone } from '../../lib/isolated.mjs';
import { median, row } from '../../lib/report.mjs';

/** Changed share of the keys per interval. */
const CHANGED = 0.01;
const KEY_BYTES = 8;
const VALUE_BYTES = 8;
/** What the target allows an entry besides its key and its value. */
const ENTRY_BYTES = 8;

export const checkpointCost = {
  name: 'checkpoint-cost',
  question: 'What do checkpoints cost when 1 % of the keys change between them: throughput, and bytes written?',
  async *rows({ hot, intervalMs, warmUpMs, windowMs }) {
    const args = [hot.keys, Math.round(hot.keys * CHANGED), 'Infinity'];
    const options = { job: 'hot-keys', args, threads: 2, minimumEntries: hot.keys, warmUpMs, windowMs };
    const without = [];
    const withThem = [];
    // In turns: what else the machine does then weighs on both.
    for (let pair = 0; pair < hot.pairs; pair++) {
      without.push(await measureAlone('steadyRate', { ...options, intervalMs: null }));
      withThem.push(await measureAlone('steadyRate', { ...options, intervalMs }));
    }
    yield row(
      'without checkpoints, median',
      median(without.map(({ perSecond }) => perSecond)),
      'records/s',
      null,
      `of ${hot.pairs}`,
    );
    yield row(
      'with checkpoints, median',
      median(withThem.map(({ perSecond }) => perSecond)),
      'records/s',
      null,
      `of ${hot.pairs}`,
    );
    // What the machine does besides is more alike within a pair than over all of them.
    const kept = withThem.map(({ perSecond }, pair) => (perSecond / without[pair].perSecond) * 100);
    yield row(
      'throughput kept, median of the pairs',
      median(kept),
      '%',
      { atLeast: 95 },
      kept.map((share) => share.toFixed(0)).join(', '),
    );
    // Of a checkpoint whose manifest was gone before it was read nothing is known; one of few changes says nothing.
    const checkpoints = withThem
      .flatMap((run) => run.checkpoints)
      .filter(({ changedEntries }) => changedEntries !== null && changedEntries > 0);
    if (checkpoints.length === 0) throw new Error('no checkpoint with changes was seen');
    const ratios = checkpoints.map(
      ({ newBytes, changedEntries }) => newBytes / (changedEntries * (KEY_BYTES + VALUE_BYTES + ENTRY_BYTES)),
    );
    const changed = median(checkpoints.map(({ changedEntries }) => changedEntries));
    yield row(
      'changed entries per checkpoint, median',
      changed,
      'entries',
      null,
      `${((changed / hot.keys) * 100).toFixed(2)} % of ${hot.keys} keys`,
    );
    yield row(
      'new bytes / (key + value + 8), median',
      median(ratios),
      'times',
      { atMost: 1.2 },
      `of ${checkpoints.length} checkpoints`,
    );
  },
};
