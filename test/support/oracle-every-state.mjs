/** What the job `every-state` writes when nothing goes wrong, by a plain loop. Shares no code with Tidemark. */

/** @returns {{ states: object[], aggregates: object[], reduced: object[] }} records of each output */
export function everyStateRecords(records, short) {
  const states = [];
  const byKey = new Map();
  for (const [name, length] of [
    ['long', records],
    ['short', short],
  ]) {
    for (const split of [0, 1]) {
      for (let n = 0; n < length; n++) {
        const key = `${name}-${split}-${n % 8}`;
        states.push({ key, n });
        byKey.set(key, [...(byKey.get(key) ?? []), n]);
      }
    }
  }
  const aggregates = [];
  const reduced = [];
  for (const [key, numbers] of byKey) {
    const total = numbers.reduce((a, b) => a + b, 0);
    const known = new Map(numbers.map((n) => [`n${n % 3}`, n % 2 === 0 ? null : { n }]));
    const maybe = new Map(numbers.map((n) => [n % 4, n % 4 === 0 ? 'none' : n]));
    states.push({
      key,
      total,
      seen: numbers.filter((n) => n % 50 < 8),
      known: [...known].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      maybe: [...maybe].toSorted(([a], [b]) => a - b),
      largest: Math.max(...numbers),
      mean: total / numbers.length,
    });
    aggregates.push({ key, count: numbers.length, sum: total });
    reduced.push({ key, n: total });
  }
  return { states, aggregates, reduced };
}
