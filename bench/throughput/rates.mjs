/** Rates of several runs. */

/** Records per second of CPU time. @param measured  a result of `steadyRate`, of a job or of a plain loop */
export function perCoreSecond({ records, cpuMs }) {
  return (records / cpuMs) * 1000;
}

/** "median of 3; 9.1 M to 9.6 M": beside the median. */
export function spreadOf(values) {
  if (values.length === 1) return 'one run';
  return `median of ${values.length}; ${brief(Math.min(...values))} to ${brief(Math.max(...values))}`;
}

function brief(value) {
  return value >= 1e6 ? `${(value / 1e6).toFixed(2)} M` : value.toPrecision(3);
}
