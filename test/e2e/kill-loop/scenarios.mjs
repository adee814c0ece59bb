/**
 * The jobs of the kill loop: each with its arguments, its input, and what an independent program says must come out. A job works
 * for 2 to 4 s on an idle machine, so that it is killed some times before it ends.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ledgerRecords } from '../../support/oracle-ledger.mjs';
import { nearDuplicateRecords } from '../../support/oracle-near-duplicates.mjs';
import { wordCountRecords } from '../../support/oracle-word-count.mjs';
import { withoutTypes } from './job-file.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * name -> (directory for what the job needs, random numbers) -> scenario. Jobs write to `out` in their working directory. All of them
 * end with a state that does not depend on the order of arrival.
 */
export const SCENARIOS = {
  ledger() {
    const [entries, accounts, ratePerSecond] = [40_000, 300, 16_000];
    return {
      name: 'ledger',
      job: here('../jobs/ledger.mjs'),
      args: [String(entries), String(accounts), String(ratePerSecond), 'out'],
      intervalMs: 50,
      expected: [...ledgerRecords(entries, accounts)],
    };
  },

  async 'near-duplicates'(directory) {
    const tree = here('../../../node_modules/fast-check/lib');
    return {
      name: 'near-duplicates',
      job: await withoutTypes('examples/near-duplicates.ts', directory),
      args: [tree, 'out'],
      intervalMs: 80,
      expected: [...nearDuplicateRecords(tree, tree)],
    };
  },

  async 'word-count'(directory, random) {
    const texts = Array.from({ length: 6 }, (_, file) => join(directory, `${file}.txt`));
    mkdirSync(directory);
    for (const file of texts) writeFileSync(file, text(random, 4_000_000));
    return {
      name: 'word-count',
      job: await withoutTypes('examples/word-count.ts', directory),
      args: [`${directory}/*.txt`, 'out'],
      intervalMs: 50,
      expected: [...wordCountRecords(texts)],
    };
  },
};

/** Words of which a few are frequent and many are rare, in lines of different length, some ended by CRLF. */
function text(random, length) {
  const lines = [];
  for (let written = 0; written < length; ) {
    const words = [];
    for (let left = random.int(20); left > 0; left--) words.push(`w${Math.floor(1 / (random.float() + 1e-5))}`);
    const line = words.join(random.int(10) === 0 ? ', ' : ' ') + (random.int(50) === 0 ? '\r\n' : '\n');
    lines.push(line);
    written += line.length;
  }
  return lines.join('').trimEnd();
}
