/**
 * Random operations on the state map against a plain Map. fast-check prints the seed and the shortest failing sequence.
 *
 *   TIMES=24 npx vitest run test/state/state-map.property.test.ts     so many times as many sequences
 */
import * as fc from 'fast-check';
import { describe, it } from 'vitest';

import type { StateMapOptions } from '../../src/worker/state/state-map.ts';
import { type Key, keyOf, Model } from './model.ts';

const TIMES = Number(process.env['TIMES'] ?? 1);

/** Two keys of three have 4 or 8 bytes, and their own hash. Few hashes for many of the others, so that runs, collisions and ties occur. */
function keyAt(i: number): Key {
  if (i % 3 !== 0) return keyOf(`${i}`.padStart((i % 3) * 4, 'k'));
  const text = `${'k'.repeat(10 + (i % 23))}${i}`;
  return i % 2 === 0 ? keyOf(text, i % 4 === 0 ? 7 : 0xffffff07) : keyOf(text);
}

const keys = Array.from({ length: 200 }, (_, i) => keyAt(i));
const key = fc.nat(keys.length - 1).map((i) => keys[i]);
const value = fc.oneof(
  { weight: 8, arbitrary: fc.string({ minLength: 8, maxLength: 8, unit: 'binary-ascii' }) },
  { weight: 4, arbitrary: fc.string({ maxLength: 40, unit: 'binary-ascii' }) },
  { weight: 1, arbitrary: fc.integer({ min: 900, max: 9000 }).map((length) => 'v'.repeat(length)) },
);

type Step = (model: Model) => void;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.tuple(key, value).map(
      ([k, v]): Step =>
        (model) =>
          model.set(k, v),
    ),
  },
  // A burst makes segments fill, the index grow and the cleaner find work.
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(199), fc.integer({ min: 20, max: 120 }), value).map(
      ([from, count, v]): Step =>
        (model) => {
          for (let i = 0; i < count; i++) model.set(keys[(from + i * 7) % 200], v.slice(0, 60));
        },
    ),
  },
  // Many at once: the records of a batch, some of whose keys are equal, absent, deleted or of an older epoch.
  {
    weight: 6,
    arbitrary: fc.tuple(fc.array(key, { minLength: 1, maxLength: 20 }), value).map(
      ([many, v]): Step =>
        (model) =>
          model.setMany(many, v.slice(0, 60)),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.array(key, { minLength: 1, maxLength: 20 }).map(
      (many): Step =>
        (model) =>
          model.locateMany(many),
    ),
  },
  {
    weight: 12,
    arbitrary: key.map(
      (k): Step =>
        (model) =>
          model.delete(k),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(199), fc.integer({ min: 20, max: 200 })).map(
      ([from, count]): Step =>
        (model) => {
          for (let i = 0; i < count; i++) model.delete(keys[(from + i * 3) % 200]);
        },
    ),
  },
  {
    weight: 5,
    arbitrary: key.map(
      (k): Step =>
        (model) =>
          model.get(k),
    ),
  },
  { weight: 8, arbitrary: fc.constant<Step>((model) => model.mark()) },
  {
    weight: 5,
    arbitrary: fc.nat().map(
      (n): Step =>
        (model) => {
          const ended = [...model.ended.keys()];
          model.complete(ended[n % ended.length]);
        },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.nat().map(
      (n): Step =>
        (model) => {
          const ended = [...model.ended.keys()];
          model.rollback(ended[n % ended.length]);
        },
    ),
  },
  {
    weight: 8,
    arbitrary: fc.nat(2).map(
      (times): Step =>
        (model) => {
          for (let i = 0; i <= times; i++) model.map.clean(0);
        },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constant<Step>((model) => {
      while (model.map.clean(100));
    }),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.nat(), fc.nat()).map(
      ([a, b]): Step =>
        (model) => {
          const ended = [...model.ended.keys()];
          const from = a % ended.length;
          model.checkDelta(ended[from], ended[from + (b % (ended.length - from))]);
        },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(), fc.nat()).map(
      ([a, b]): Step =>
        (model) => {
          const ended = [...model.ended.keys()];
          const from = a % ended.length;
          model.hold(ended[from], ended[from + (b % (ended.length - from))]);
        },
    ),
  },
  { weight: 3, arbitrary: fc.constant<Step>((model) => model.unhold()) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(), fc.nat()).map(
      ([a, b]): Step =>
        (model) => {
          const ended = [...model.ended.keys()];
          const from = a % ended.length;
          model.promise(ended[from], ended[from + (b % (ended.length - from))]);
        },
    ),
  },
  { weight: 3, arbitrary: fc.constant<Step>((model) => model.fulfil()) },
  {
    weight: 2,
    arbitrary: fc.nat().map(
      (n): Step =>
        (model) => {
          const ended = [...model.ended.keys()];
          model.checkFull(ended[n % ended.length]);
        },
    ),
  },
  { weight: 2, arbitrary: fc.constant<Step>((model) => model.reopen()) },
  { weight: 1, arbitrary: fc.constant<Step>((model) => model.check()) },
);

function property(options: Partial<StateMapOptions>, numRuns: number): void {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 400, size: 'max' }), (steps) => {
      const model = new Model(options);
      for (const run of steps) run(model);
      model.unhold();
      model.fulfil();
      model.check();
    }),
    { numRuns: numRuns * TIMES },
  );
}

describe('state map against a plain Map', { timeout: 30_000 * TIMES }, () => {
  it('state map: any sequence of operations leaves what a plain Map holds', () => property({}, 25));
  it('state map: the same for composite keys, which the index hashes as a whole', () => property({ composite: true }, 8));
  it('state map: the same with segments of 8 KiB', () => property({ segmentBytes: 8192 }, 8));
  it('state map: the same where the hash of short keys is not kept', () => property({ derivesHash: true }, 20));
});
