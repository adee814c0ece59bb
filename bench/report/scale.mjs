/**
 * From values to pixels, with ticks: logarithmic, linear, or one place for each name.
 *
 * A scale is `{ at(value), ticks: [{ value, label }], grid: [value], low, high }`. Every value of the data lies in [low, high]; on a
 * logarithmic scale what is 0 or less has no place, and is put at the lower end.
 */
import { readable } from './units.mjs';

/**
 * @param values  the data; at least one of them is finite
 * @param range   [pixel of the low end, pixel of the high end]
 * @param unit    of the labels, see `readable`
 * @param kind    'log' or 'linear'; linear scales begin at 0
 * @param room    pixels between two labels at least
 */
export function scale({ kind, values, range, unit, room = 46 }) {
  const finite = values.filter((value) => Number.isFinite(value));
  return kind === 'log' ? logScale(finite, range, unit, room) : linearScale(finite, range, unit, room);
}

/** One place for each name, in their order. `at` takes the index. */
export function placeScale({ names, range: [from, to] }) {
  const step = (to - from) / names.length;
  const at = (index) => from + step * (index + 0.5);
  const ticks = names.map((label, value) => ({ value, label }));
  return { at, ticks, grid: names.map((_, index) => index), low: 0, high: names.length - 1 };
}

function logScale(values, [from, to], unit, room) {
  const positive = values.filter((value) => value > 0);
  const [low, high] = logEnds(positive.length === 0 ? [1] : positive);
  const pixelsPerDecade = Math.abs(to - from) / Math.log10(high / low);
  const at = (value) => from + ((to - from) * Math.log10(Math.max(value, low) / low)) / Math.log10(high / low);
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const step of [1, 2, 5]) all.push({ value: step * 10 ** power, step, power });
  const inside = all.filter(({ value }) => value >= low * 0.999 && value <= high * 1.001);
  // As there is room: 1, 2 and 5 of each decade (the nearest two are 0.3 apart), only its first, or every second or third decade.
  const spacing = pixelsPerDecade * 0.3 >= room ? 0 : Math.max(1, Math.ceil(room / pixelsPerDecade));
  const labelled = inside.filter(({ step, power }) => spacing === 0 || (step === 1 && power % spacing === 0));
  return {
    at,
    ticks: labelled.map(({ value }) => ({ value, label: readable(value, unit) })),
    grid: inside.filter(({ step }) => step === 1 || spacing === 0).map(({ value }) => value),
    low,
    high,
  };
}

/** The data's ends, moved outwards to 1, 2 or 5 times a power of ten, and a decade apart at least. */
function logEnds(values) {
  let low = outwards(Math.min(...values), -1);
  let high = outwards(Math.max(...values), 1);
  if (high / low < 9.99) {
    low = outwards(low * 0.49, -1);
    high = Math.max(high, low * 10);
  }
  return [low, high];
}

function outwards(value, direction) {
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
  const steps = [1, 2, 5, 10].map((step) => step * power);
  if (direction > 0) return steps.find((step) => step >= value * 0.9999);
  return steps.findLast((step) => step <= value * 1.0001);
}

function linearScale(values, [from, to], unit, space) {
  const top = Math.max(...values, 0) || 1;
  const room = Math.max(2, Math.floor(Math.abs(to - from) / space));
  const power = 10 ** Math.floor(Math.log10(top / room));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => top / size <= room);
  const count = Math.ceil(top / step - 1e-9);
  const high = count * step;
  const at = (value) => from + ((to - from) * Math.max(value, 0)) / high;
  const ticks = Array.from({ length: count + 1 }, (_, index) => {
    const value = Number((index * step).toPrecision(12));
    return { value, label: readable(value, unit) };
  });
  return { at, ticks, grid: ticks.map(({ value }) => value), low: 0, high };
}
