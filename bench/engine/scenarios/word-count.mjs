/** Word count over text files, against a plain program. Both must find the same words. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { baselineAlone, measureAlone } from '../../lib/isolated.mjs';
import { row } from '../../lib/report.mjs';
import { writeText } from '../text.mjs';

export const wordCount = {
  name: 'word-count',
  question: 'How fast are the words of text files counted, against a plain program that reads, splits and counts?',
  async *rows({ textBytes, intervalMs }) {
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-text-'));
    try {
      const input = join(directory, 'in');
      const output = join(directory, 'out');
      mkdirSync(input);
      // Just written, so both read from the page cache.
      const megabytes = writeText(input, textBytes) / 1e6;
      const plain = await baselineAlone('countWords', { directory: input });
      yield row(
        'plain program, 1 thread, no durability',
        megabytes / (plain.elapsedMs / 1000),
        'MB/s',
        null,
        `${plain.words} words, ${plain.distinct} distinct`,
      );
      const job = await measureAlone('timeToEnd', {
        job: 'count-words',
        args: [join(input, '*.txt'), output],
        threads: 2,
        intervalMs,
      });
      requireSame(plain, readCounts(output));
      yield row('2 threads', megabytes / (job.elapsedMs / 1000), 'MB/s', null, `the same words, ${job.checkpoints} checkpoints`);
      yield row('2 threads against the plain program', plain.elapsedMs / job.elapsedMs, 'times', { atLeast: 1.5 });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

function readCounts(output) {
  const counts = readdirSync(output)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(output, name), 'utf8').trimEnd().split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).count);
  return { distinct: counts.length, words: counts.reduce((sum, count) => sum + count, 0) };
}

function requireSame(plain, job) {
  if (plain.words === job.words && plain.distinct === job.distinct) return;
  throw new Error(
    `the plain program counted ${plain.words} words, ${plain.distinct} distinct; the job ${job.words}, ${job.distinct}`,
  );
}
