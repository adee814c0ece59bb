/** Axes: every value has a place on them, and the ticks say which. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scale } from '../../bench/report/scale.mjs';

const RANGE = [20, 400] as const;

describe('scale', () => {
  it('log: every value lies between its ends, in order, with at least two ticks that do not crowd', () => {
    const values = fc.array(fc.double({ min: 1e-6, max: 1e13, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(fc.property(values, (drawn) => check('log', drawn)));
  });

  it('linear: begins at 0, and every value lies between its ends', () => {
    const values = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e13, noNaN: true })), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(values, (drawn) => {
        check('linear', drawn);
        expect(scale({ kind: 'linear', values: drawn, range: RANGE, unit: 'count' }).low).toBe(0);
      }),
    );
  });

  it('log: what has no logarithm is put at the lower end', () => {
    const axis = scale({ kind: 'log', values: [0, 5, 5000], range: RANGE, unit: 'ms' });
    expect(axis.at(0)).toBe(RANGE[0]);
    expect(axis.at(5)).toBeGreaterThanOrEqual(RANGE[0]);
  });

  it('log: labels are powers of ten in their units', () => {
    const axis = scale({ kind: 'log', values: [0.002, 900], range: RANGE, unit: 'ms' });
    expect(axis.ticks.map(({ label }) => label.replace('\u00a0', ' '))).toEqual([
      '10 µs',
      '100 µs',
      '1 ms',
      '10 ms',
      '100 ms',
      '1 s',
    ]);
  });
});

function check(kind: 'log' | 'linear', values: readonly number[]): void {
  const axis = scale({ kind, values, range: RANGE, unit: 'count' });
  for (const value of values) {
    expect(axis.at(value)).toBeGreaterThanOrEqual(RANGE[0] - 0.1);
    expect(axis.at(value)).toBeLessThanOrEqual(RANGE[1] + 0.1);
  }
  const places = axis.ticks.map(({ value }) => axis.at(value));
  expect(places.length).toBeGreaterThanOrEqual(2);
  for (const [index, place] of places.entries()) if (index > 0) expect(place - places[index - 1]).toBeGreaterThan(30);
}
