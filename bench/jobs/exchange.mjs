/**
 * Small records from one stage to the next, which only counts them. Arguments: how they travel (`hash` or `rebalance`, or `none` to
 * stay in the first stage), bytes of text in a record besides its key.
 */
import { discard, gen, generate, job, t } from 'tidemark';

const Small = t.record({ key: t.i32 });
const Large = t.record({ key: t.i32, text: t.string });

export default job('exchange', (flow, [kind, textBytes]) => {
  const key = gen.int(0, 2 ** 30);
  const text = gen.constant('x'.repeat(Number(textBytes)));
  const records =
    Number(textBytes) === 0
      ? flow.from(generate({ seed: 1, count: Infinity, schema: Small, fields: { key } }))
      : flow.from(generate({ seed: 1, count: Infinity, schema: Large, fields: { key, text } }));
  // Reused views that nobody reads: what a user function would cost is not the exchange's.
  if (kind === 'hash')
    records
      .keyBy('key')
      .process({ state: {}, onRecord() {} }, { objectReuse: true })
      .to(discard());
  else if (kind === 'rebalance')
    records
      .rebalance()
      .filter(() => false, { objectReuse: true })
      .to(discard());
  else records.filter(() => false, { objectReuse: true }).to(discard());
});
