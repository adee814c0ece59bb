/**
 * A job that has much to do at times, and in between nothing: a first burst of records with each key once, then bursts with a share of the
 * keys, chosen at random, after a pause each; and then its input waits. Arguments: keys, bursts, keys of a burst, milliseconds of a pause.
 */
import { discard, job, t, value } from 'tidemark';

const Change = t.record({ key: t.int });

function bursts(keys, count, size, pauseMs) {
  return {
    name: 'bursts',
    bounded: false,
    schema: Change.schema,
    splits: () => [{ id: 'all', data: null }],
    open(_split, position) {
      let next = position ?? 0;
      const total = keys + count * size;
      return {
        read(limit, out) {
          for (let i = 0; i < limit && next < total && !out.full; i++, next++) {
            const pausing = next >= keys && (next - keys) % size === 0 && i > 0;
            if (pausing) return pauseMs;
            out.emit({ key: next < keys ? next : (Math.imul(next, 0x9e3779b1) >>> 0) % keys });
          }
          return next < total ? 'more' : 60_000;
        },
        position: () => next,
        close() {},
      };
    },
  };
}

export default job('bursts', (flow, [keys, count, size, pauseMs]) =>
  flow
    .from(bursts(Number(keys), Number(count), Number(size), Number(pauseMs)))
    .keyBy('key')
    .process({
      state: { changes: value(t.f64, 0) },
      onRecord(_change, { state }) {
        state.changes.update((n) => n + 1);
      },
    })
    .uid('changes')
    .to(discard()),
);
