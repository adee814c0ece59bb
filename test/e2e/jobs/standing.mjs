/**
 * A job whose input never ends: it reads so many records of each of four splits and then waits, so that its state stands still
 * while savepoints are taken. All records of a key are from one split, so the state does not depend on the order of arrival.
 * Arguments: records of a split, output, milliseconds between two batches of 100.
 */
import { files, job, map, t, value } from 'tidemark';

const Count = t.record({ key: t.string, n: t.int });

function paced(records, pauseMs) {
  return {
    name: 'paced',
    bounded: false,
    splits: () => [0, 1, 2, 3].map((split) => ({ id: `split-${split}`, data: split })),
    open(split, position) {
      let next = position ?? 0;
      return {
        read(limit, out) {
          const end = Math.min(records, next + (pauseMs > 0 ? 100 : limit));
          for (; next < end && !out.full; next++) out.emit({ key: `key-${split.data}-${(next * 7) % 60}`, n: next });
          if (next < records) return pauseMs > 0 ? pauseMs : 'more';
          return 60_000;
        },
        position: () => next,
        close() {},
      };
    },
  };
}

export default job('standing', (flow, [records = '1000', out = 'out', pauseMs = '0']) =>
  flow
    .from(paced(Number(records), Number(pauseMs)))
    .returns(Count)
    .keyBy('key')
    .process({
      state: { total: value(t.f64, 0), last: map(t.i32, t.int), odd: value(t.string) },
      onRecord(record, { state, emit }) {
        state.total.update((total) => total + record.n);
        state.last.set(record.n % 3, record.n);
        // Comes and goes: deletions are a part of the history, and not of the state.
        if (record.n % 2 === 1) state.odd.set(`odd ${record.n}`);
        else state.odd.clear();
        emit(record);
      },
    })
    .uid('totals')
    .to(files.jsonl(out)),
);
