/**
 * Finds near-duplicate source code in a directory: sections (functions, classes, ...) that share most of their text with a
 * section elsewhere, whether copied, bundled twice or compiled for two module systems.
 *
 *     npm start                                                             node_modules, with a report at the end
 *     npx tidemark run examples/near-duplicates.ts [directory] [output]     any directory
 *
 * What it shows: CPU-heavy functions on all cores, one stream used three times, joins that keep what they wait for in keyed
 * state, and output that is the same after any number of crashes. How it works (Broder, "On the resemblance and containment
 * of documents", 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3):
 *
 *     files -> sections -+-> MinHash bands -> [by band: members] -> candidate pairs -+
 *                        |                                                           v
 *                        +------------------------------------------> [by left section: shingles] -+
 *                        |                                                                         v
 *                        +--------------------------------------------------------> [by right section: shingles] -> pairs
 *
 * Two sections meet in a bucket when all rows of a band agree; a candidate pair then visits its left section, takes its
 * shingles along, and is compared exactly at its right section. A visitor that comes before its section waits in state, so
 * the pairs found do not depend on the order in which anything arrives.
 */
import { files, job, list, map, t, value } from 'tidemark';
import { bandsOf, cutIntoSections, resemblance } from './near-duplicates/similarity.ts';

/** Pairs that resemble each other less are not reported. 64 bands of 8 rows find 99.999 % of the others. */
const THRESHOLD = 0.8;

/** `shingles`: 32-bit hashes of all windows of five tokens, ascending and distinct, as bytes. */
const Section = t.record({ id: t.string, shingles: t.bytes });
const Bucket = t.record({ band: t.i32, id: t.string });
const Pair = t.record({ left: t.string, right: t.string });
const Duplicate = t.record({ left: t.string, right: t.string, similarity: t.f64, shared: t.i32 });

/** A section itself, or a visitor to it. */
const AtLeft = t.record({ id: t.string, shingles: t.optional(t.bytes), right: t.optional(t.string) });
const AtRight = t.record({ id: t.string, shingles: t.bytes, left: t.optional(t.string) });
type Arrival = t.infer<typeof AtRight>;

export default job(
  'near-duplicates',
  (flow, [directory = 'node_modules', output = 'out/near-duplicates']) => {
    const sections = flow
      .from(files.whole(`${directory}/**/*.{js,mjs,cjs,ts}`))
      .flatMap(({ path, text }) => cutIntoSections(path, text), { schema: Section })
      .name('cut into sections');

    const pairs = sections
      // A file of many sections is one record, read in one place; the expensive part goes to all subtasks alike.
      .rebalance()
      .flatMap(({ id, shingles }) => bandsOf(shingles).map((band) => ({ band, id })), { schema: Bucket })
      .name('MinHash')
      .keyBy('band')
      .process(
        {
          state: { members: map(t.string, t.boolean) },
          onRecord({ id }, { state, emit }) {
            for (const other of state.members.keys()) {
              emit(id < other ? { left: id, right: other } : { left: other, right: id });
            }
            state.members.set(id, true);
          },
        },
        { schema: Pair },
      )
      .uid('buckets');

    const visitors = sections
      .map(({ id, shingles }) => ({ id, shingles }), { schema: AtLeft })
      .union(pairs.map(({ left, right }) => ({ id: left, right }), { schema: AtLeft }))
      .keyBy('id')
      .process(
        {
          // A pair comes once for each band in which its sections agree: `rights` also makes it unique.
          state: { shingles: value(t.bytes), rights: map(t.string, t.boolean) },
          onRecord({ id, shingles, right }, { state, emit }) {
            if (shingles !== undefined) {
              state.shingles.set(shingles);
              for (const waiting of state.rights.keys()) emit({ id: waiting, shingles, left: id });
            } else if (right !== undefined && !state.rights.has(right)) {
              state.rights.set(right, true);
              const own = state.shingles.get();
              if (own !== undefined) emit({ id: right, shingles: own, left: id });
            }
          },
        },
        { schema: AtRight },
      )
      .uid('left');

    sections
      .map(({ id, shingles }): Arrival => ({ id, shingles }), { schema: AtRight })
      .union(visitors)
      .keyBy('id')
      .process(
        {
          state: { shingles: value(t.bytes), waiting: list(AtRight) },
          onRecord(arrival, { state, emit }) {
            const compare = (visitor: Arrival, own: Uint8Array): void => {
              const { similarity, shared } = resemblance(visitor.shingles, own);
              if (similarity >= THRESHOLD) emit({ left: visitor.left ?? '', right: visitor.id, similarity, shared });
            };
            if (arrival.left === undefined) {
              state.shingles.set(arrival.shingles);
              for (const visitor of state.waiting.get()) compare(visitor, arrival.shingles);
              state.waiting.clear();
            } else {
              const own = state.shingles.get();
              if (own === undefined) state.waiting.add(arrival);
              else compare(arrival, own);
            }
          },
        },
        { schema: Duplicate },
      )
      .uid('right')
      .to(files.jsonl(output));
  },
  {
    config: {
      'execution.checkpointing.interval': '1 s',
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
      'execution.checkpointing.num-retained': 10,
      'state.checkpoints.dir': 'checkpoints/near-duplicates',
    },
  },
);
