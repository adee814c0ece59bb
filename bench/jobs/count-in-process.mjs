/** The count of `count-numbers.mjs` by a user function. Arguments: number of keys, `reuse` for `objectReuse`. */
import { discard, gen, generate, job, t, value } from 'tidemark';

const Numbered = t.record({ key: t.i32 });
const Counted = t.record({ key: t.i32, count: t.f64 });

export default job('count-in-process', (flow, [keys, reuse]) => {
  flow
    .from(generate({ seed: 1, count: Infinity, schema: Numbered, fields: { key: gen.int(0, Number(keys)) } }))
    .keyBy('key')
    .process(
      {
        state: { count: value(t.f64, 0) },
        // It reads its record, as functions do: a reused view that nobody reads would cost nothing.
        onRecord(record, { state }) {
          if (record.key >= 0) state.count.update((n) => n + 1);
        },
        onEnd({ key, state, emit }) {
          emit({ key, count: state.count.get() });
        },
      },
      { schema: Counted, objectReuse: reuse === 'reuse' },
    )
    .uid('counts')
    .to(discard());
});
