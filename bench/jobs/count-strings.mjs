/** Counts records by a generated name, `user-<n>`. Arguments: number of keys. */
import { discard, gen, generate, job, t } from 'tidemark';

const Named = t.record({ key: t.string });

export default job('count-strings', (flow, [keys]) => {
  flow
    .from(generate({ seed: 1, count: Infinity, schema: Named, fields: { key: gen.label('user-', gen.int(0, Number(keys))) } }))
    .keyBy('key')
    .count({ emit: 'end' })
    .uid('counts')
    .to(discard());
});
