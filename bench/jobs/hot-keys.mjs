/**
 * Counts by a number of 8 bytes: every key once, and besides, without end, random ones of the first few. Arguments: number of
 * keys, number of hot keys, records of hot keys per second (`Infinity`: as many as can be).
 */
import { discard, gen, generate, job, t } from 'tidemark';

const Numbered = t.record({ key: t.int });

export default job('hot-keys', (flow, [keys, hotKeys, ratePerSecond]) => {
  const all = flow.from(generate({ count: Number(keys), schema: Numbered, fields: { key: gen.index() } })).uid('all');
  const hot = flow
    .from(
      generate({
        seed: 1,
        count: Infinity,
        ratePerSecond: Number(ratePerSecond),
        schema: Numbered,
        fields: { key: gen.int(0, Number(hotKeys)) },
      }),
    )
    .uid('hot');
  all.union(hot).keyBy('key').count({ emit: 'end' }).uid('counts').to(discard());
});
