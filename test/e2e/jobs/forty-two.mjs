/**
 * Sums over 42 keys, key k getting the value k again and again. When a key has got as many as it is to get, its sum leaves with the
 * subtask that has it. Arguments: elements of each key, how many of the keys get one more, directory of the output, `end` or `wait`.
 */
import { files, job, t, value } from 'tidemark';

const KEYS = 42;

export default job('forty-two', (flow, [elements, extraKeys, out, then]) => {
  const wanted = (key) => Number(elements) + (key < Number(extraKeys) ? 1 : 0);
  const ROW = KEYS / 3;
  /** How many records a split has by now, and the key of each. */
  const splits = [
    ...[0, 1, 2].map((split) => ({ count: Number(elements) * ROW, keyOf: (index) => (index % ROW) * 3 + split })),
    { count: Number(extraKeys), keyOf: (index) => index },
  ];
  flow
    .from({
      name: 'elements',
      bounded: then === 'end',
      splits: () => splits.map((_, split) => ({ id: `split-${split}`, data: split })),
      open({ data }, position) {
        const { count, keyOf } = splits[data];
        let next = position ?? 0;
        return {
          read(limit, output) {
            for (; next < count && !output.full; next++) output.emit({ key: keyOf(next) });
            if (next < count) return 'more';
            return then === 'end' ? 'end' : 60_000;
          },
          position: () => next,
          close() {},
        };
      },
    })
    .returns(t.record({ key: t.i32 }))
    .keyBy('key')
    .process({
      state: { sum: value(t.f64, 0), elements: value(t.int, 0), note: value(t.string, '') },
      onRecord({ key }, { state, emit, subtask }) {
        const sum = state.sum.update((n) => n + key);
        if (state.note.get() === '') state.note.set(`${key} `.repeat(200));
        if (state.elements.update((n) => n + 1) === wanted(key)) emit({ key, sum, subtask });
      },
    })
    .uid('sums')
    .to(files.jsonl(out));
});
