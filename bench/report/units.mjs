/** Numbers as people read them: three digits that count, and the unit beside them. */

const NBSP = '\u{a0}';

const SCALES = {
  bytes: [
    [1e12, 'TB'],
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
    [1, 'B'],
  ],
  ms: [
    [1000, 's'],
    [1, 'ms'],
    [1e-3, 'µs'],
  ],
  count: [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
    [1, ''],
  ],
};

/**
 * @param value  finite number, or null for what was not measured
 * @param unit   'bytes', 'ms' (a time given in milliseconds), 'count', 'share' (1 is 100 %), or any other text, which is written behind
 * @returns      such as `1.02 MB`, `350 µs`, `18.1 M`, `0.1 %`, `4 times`
 */
export function readable(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (unit === 'share') return `${digits(value * 100)}${NBSP}%`;
  if (Object.hasOwn(SCALES, unit)) return withPrefix(value, unit);
  const number = Math.abs(value) >= 1e4 ? withPrefix(value, 'count') : digits(value);
  return unit === '' ? number : `${number}${NBSP}${unit}`;
}

function withPrefix(value, unit) {
  const steps = SCALES[unit];
  // 999.7 kB is written as 1000 kB by its digits: what rounds up to the next step belongs to it.
  const [size, name] =
    steps.find(([step]) => Math.abs(value) >= step * 0.9995) ?? (value === 0 && unit === 'ms' ? [1, 'ms'] : steps.at(-1));
  return name === '' ? digits(value / size) : `${digits(value / size)}${NBSP}${name}`;
}

function digits(value) {
  if (value === 0) return '0';
  const rounded = Number(value.toPrecision(3));
  if (Math.abs(rounded) >= 1e6 || Math.abs(rounded) < 1e-4) return value.toExponential(2);
  return rounded.toLocaleString('en-US', { maximumSignificantDigits: 3, useGrouping: Math.abs(rounded) >= 1e4 });
}
