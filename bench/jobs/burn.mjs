/** Work that is all CPU, for each record the same. Arguments: iterations of the loop. */
import { discard, gen, generate, job, t } from 'tidemark';
import { burn } from '../engine/burn.mjs';

const Numbered = t.record({ index: t.int });
const Burnt = t.record({ index: t.int, result: t.i32 });

export default job('burn', (flow, [iterations]) => {
  const loops = Number(iterations);
  flow
    .from(generate({ count: Infinity, schema: Numbered, fields: { index: gen.index() } }))
    .map(({ index }) => ({ index, result: burn(index, loops) }), { schema: Burnt })
    .to(discard());
});
