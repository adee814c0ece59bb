/** A list of measurements as one point with its spread. */
import { median, percentile } from '../lib/report.mjs';

/** @returns { value, low, high }: median, least and greatest; null for all three when nothing was measured */
export function summary(values) {
  const finite = (values ?? []).filter((value) => Number.isFinite(value));
  if (finite.length === 0) return { value: null, low: null, high: null };
  return { value: median(finite), low: Math.min(...finite), high: Math.max(...finite) };
}

/** Only the ends: for a point whose value the program chose itself. */
export function spreadOf(values) {
  const { low, high } = summary(values);
  return { low, high };
}

/** The value that `share` of the values do not exceed; null of none. */
export function quantile(values, share) {
  return values.length === 0 ? null : percentile(values, share);
}

/** Lists under the text of their key, in the order in which the keys first came. */
export function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  return groups;
}

export function distinct(items, valueOf) {
  return [...new Set(items.map(valueOf))];
}

export function ascending(a, b) {
  return a - b;
}
