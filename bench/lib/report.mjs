/** Rows of a report: one figure each, with its target where it has one. */

/**
 * @param target  { atLeast } or { atMost }; absent: the figure is for information
 * @returns row; `pass` is null without a target
 */
export function row(measure, value, unit, target = null, detail = '') {
  const pass = target === null ? null : target.atLeast === undefined ? value <= target.atMost : value >= target.atLeast;
  return { measure, value, unit, target, pass, detail };
}

export function printHeading(text) {
  console.log(`\n${text}`);
}

export function printRow({ measure, value, unit, target, pass, detail }) {
  const aim = target === null ? '' : target.atLeast === undefined ? `<= ${target.atMost}` : `>= ${target.atLeast}`;
  const verdict = pass === null ? '' : pass ? 'pass' : 'FAIL';
  console.log(
    `  ${measure.padEnd(54)} ${readable(value).padStart(10)} ${unit.padEnd(11)} ${aim.padEnd(10)} ${verdict.padEnd(5)} ${detail}`.trimEnd(),
  );
}

/** Four digits that count. */
function readable(value) {
  if (value >= 1e9) return `${(value / 1e9).toPrecision(4)} G`;
  if (value >= 1e6) return `${(value / 1e6).toPrecision(4)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(4)} k`;
  return Number(value.toPrecision(4)).toString();
}

/** The value that `share` of the values do not exceed; of few values the largest. */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

export function median(values) {
  return percentile(values, 0.5);
}
