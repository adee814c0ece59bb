/** Counts the words of text files. Arguments: glob of the input, directory of the output. */
import { files, job, t } from 'tidemark';

const Word = t.record({ word: t.string });

export default job('count-words', (flow, [input, output]) => {
  flow
    .from(files.lines(input))
    .flatMap((line) => line.split(' ').map((word) => ({ word })), { schema: Word })
    .keyBy('word')
    .count({ emit: 'end' })
    .uid('counts')
    .to(files.jsonl(output));
});
