/**
 * Every kind of state, fed by two sources, one of which ends early, behind a union; and built-in results beside. All records of a key
 * are of one split, so that nothing depends on the order of arrival. An operator fails again and again: for the n-th time at the first
 * record from number n * `step` of its split on, as a file `failures` has it on record.
 * Arguments: directory, records of a split, records of a split of the short source, milliseconds between ten records, failures, step.
 */
import { appendFileSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { aggregating, count, files, job, list, map, reducing, sum, t, value } from 'tidemark';

const Item = t.record({ key: t.string, n: t.int });
const mean = {
  create: () => ({ numbers: 0, total: 0 }),
  add: ({ numbers, total }, n) => ({ numbers: numbers + 1, total: total + n }),
  result: ({ numbers, total }) => total / numbers,
};

const items = (name, records, pauseMs) => ({
  name,
  bounded: true,
  splits: () => [0, 1].map((split) => ({ id: `${name}-${split}`, data: split })),
  open({ data }, position) {
    let next = position ?? 0;
    return {
      read(limit, out) {
        const end = Math.min(records, next + 10);
        for (; next < end && !out.full; next++) out.emit({ key: `${name}-${data}-${next % 8}`, n: next });
        return next === records ? 'end' : pauseMs;
      },
      position: () => next,
      close() {},
    };
  },
});

export default job('every-state', (flow, [directory, records, short, pauseMs, failures, step]) => {
  const record = join(directory, 'failures');
  const happened = () => (existsSync(record) ? statSync(record).size : 0);
  const failWhenDue = (n) => {
    const before = happened();
    if (before >= Number(failures) || n < (before + 1) * Number(step)) return;
    appendFileSync(record, 'x');
    throw new Error(`failure ${before + 1}`);
  };
  const from = (name, length) =>
    flow
      .from(items(name, length, Number(pauseMs)))
      .returns(Item)
      .uid(name);
  const all = from('long', Number(records)).union(from('short', Number(short)));
  all
    .keyBy('key')
    .process({
      state: {
        total: value(t.f64, 0),
        seen: list(t.int),
        known: map(t.string, t.any()),
        maybe: map(t.i32, t.optional(t.int)),
        largest: reducing(t.int, (a, b) => Math.max(a, b)),
        mean: aggregating(mean),
      },
      onRecord({ key, n }, { state, emit }) {
        // One key is in one subtask, so that an attempt fails once.
        if (key === 'long-0-0') failWhenDue(n);
        state.total.update((total) => total + n);
        if (n % 50 < 8) state.seen.add(n);
        state.known.set(`n${n % 3}`, n % 2 === 0 ? null : { n });
        state.maybe.set(n % 4, n % 4 === 0 ? undefined : n);
        state.largest.add(n);
        state.mean.add(n);
        emit({ key, n });
      },
      onEnd({ key, state, emit }) {
        emit({
          key,
          total: state.total.get(),
          seen: state.seen.get(),
          known: [...state.known.entries()],
          maybe: [...state.maybe.entries()].map(([k, v]) => [k, v ?? 'none']),
          largest: state.largest.get(),
          mean: state.mean.get(),
        });
      },
    })
    .uid('states')
    .to(files.jsonl(join(directory, 'out/states')));
  const byKey = all.keyBy('key');
  byKey
    .aggregate({ count: count(), sum: sum('n') }, { emit: 'end' })
    .uid('aggregates')
    .to(files.jsonl(join(directory, 'out/aggregates')));
  byKey
    .reduce((a, b) => ({ key: a.key, n: a.n + b.n }), { emit: 'end' })
    .uid('reduced')
    .to(files.jsonl(join(directory, 'out/reduced')));
});
