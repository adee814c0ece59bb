/**
 * Counts the words of text files, the smallest useful job.
 *
 *     npx tidemark run examples/word-count.ts ['docs/*.md'] [output]
 *
 * What it shows: files read in parallel (a big one in byte ranges), a function that gives several records for one, and a
 * built-in aggregate, which counts within each thread first and stays in binary. Each word is written once, when all input
 * has been read.
 */
import { count, files, job, t } from 'tidemark';

export default job('word-count', (flow, [input = 'docs/*.md', output = 'out/word-count']) => {
  flow
    .from(files.lines(input))
    .flatMap((line) => words(line), { schema: t.record({ word: t.string }) })
    .keyBy('word')
    .aggregate({ count: count() }, { emit: 'end' })
    .uid('counts')
    .to(files.jsonl(output));
});

function* words(line: string): Iterable<{ word: string }> {
  for (const word of line.toLowerCase().split(/[^\p{L}\p{N}]+/u)) {
    if (word !== '') yield { word };
  }
}
