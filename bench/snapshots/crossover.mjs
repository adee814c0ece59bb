/** From which share of changed keys is a full checkpoint cheaper than an incremental one? Pure. */
import { median } from '../lib/report.mjs';
import { leastSquares } from './least-squares.mjs';

/** From this share on the runtime itself writes all (`FULL_SHARE` in src/worker/subtask.ts): there is no delta to be measured. */
export const FULL_SHARE = 0.5;

/**
 * The line through the costs of deltas, over the share that changed, against the cost of a full checkpoint.
 *
 * @param points  [{ mode, changedShare, cost }] of one state
 * @returns the share at which the line reaches the full cost, which may lie above `FULL_SHARE`, and above 1: then it never does in
 *          fact; null with less than two measured shares of deltas
 */
export function crossover(points) {
  const deltas = points.filter(({ mode, changedShare }) => mode === 'incremental' && changedShare < FULL_SHARE);
  const full = points.filter(({ mode }) => mode === 'full');
  if (deltas.length < 2 || full.length === 0) return null;
  const { coefficients } = leastSquares(
    deltas.map(({ changedShare }) => [1, changedShare]),
    deltas.map(({ cost }) => cost),
  );
  const [fixed, slope] = coefficients;
  return slope <= 0 ? null : Math.max(0, (median(full.map(({ cost }) => cost)) - fixed) / slope);
}

/** A sentence for a person. */
export function crossoverSentence({ byTime, byBytes }) {
  const where = [describe('time until durable', byTime), describe('bytes written with merging', byBytes)].join('; ');
  const share = FULL_SHARE * 100;
  return `Full is cheaper ${where}. From ${share} % on the runtime writes all of it anyway: incremental then costs what full does.`;
}

function describe(what, share) {
  if (share === null) return `by ${what}: not known, it takes two shares below ${FULL_SHARE * 100} %`;
  if (share > 1) return `by ${what} at no share`;
  const how = share >= FULL_SHARE ? ', by the line through smaller shares' : '';
  return `by ${what} from ${(share * 100).toPrecision(2)} % of the keys${how}`;
}
