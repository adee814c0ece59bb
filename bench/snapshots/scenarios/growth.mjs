/** Does the time of a checkpoint grow with what changed, and with nothing else? From the points of the grid. */
import { point } from '../../lib/program.mjs';
import { median, row } from '../../lib/report.mjs';
import { FULL_SHARE } from '../crossover.mjs';
import { leastSquares } from '../least-squares.mjs';

/** With fewer a line fits whatever they are. */
const LEAST_POINTS = 4;

export const growth = {
  name: 'growth',
  question:
    'Is the time until an incremental checkpoint is durable proportional to what changed, whatever the size of the state?',
  async *rows({ gridPoints = [], values }) {
    for (const valueBytes of values) {
      const deltas = gridPoints.filter(
        (at) => at.mode === 'incremental' && at.changedShare < FULL_SHARE && at.valueBytes === valueBytes,
      );
      if (deltas.length < LEAST_POINTS) {
        yield row(
          `points below ${FULL_SHARE * 100} %, values of ${valueBytes} B`,
          deltas.length,
          'points',
          null,
          'too few for a line',
        );
        continue;
      }
      const samples = deltas.map(({ checkpoints }) => ({
        changedEntries: checkpoints[0].changedEntries,
        durableMs: median(checkpoints.map(({ durableMs }) => durableMs)),
      }));
      const { coefficients, rSquared } = leastSquares(
        samples.map(({ changedEntries }) => [1, changedEntries]),
        samples.map(({ durableMs }) => durableMs),
      );
      const [fixedMs, perEntryMs] = coefficients;
      yield point({ kind: 'snapshots.growth', valueBytes, fixedMs, perEntryMs, rSquared, samples });
      yield row(
        `R^2 of time over changed entries, values of ${valueBytes} B`,
        rSquared,
        '',
        { atLeast: 0.98 },
        `${fixedMs.toFixed(1)} ms + ${(perEntryMs * 1e6).toFixed(0)} ns an entry, ${deltas.length} points`,
      );
    }
  },
};
