/** Counts records by a generated number. Arguments: number of keys. */
import { discard, gen, generate, job, t } from 'tidemark';

const Numbered = t.record({ key: t.i32 });

export default job('count-numbers', (flow, [keys]) => {
  flow
    .from(generate({ seed: 1, count: Infinity, schema: Numbered, fields: { key: gen.int(0, Number(keys)) } }))
    .keyBy('key')
    .count({ emit: 'end' })
    .uid('counts')
    .to(discard());
});
