/** Bars of runs. */

/** Above this ratio a linear axis would leave the shorter bars without a length. */
const LINEAR_UP_TO = 40;

/** Linear where all bars have a length that can be seen. */
export function barAxis(label, points, valueOf = ({ perSecond }) => perSecond) {
  const values = points.map(valueOf).filter((value) => value > 0);
  const isLinear = Math.max(...values) / Math.min(...values) <= LINEAR_UP_TO;
  return { label: isLinear ? label : `${label}, log`, unit: 'count', kind: isLinear ? 'linear' : 'log' };
}

/** A run is its rate, or has it. */
export function rateOf(run) {
  return typeof run === 'number' ? run : run.perSecond;
}
