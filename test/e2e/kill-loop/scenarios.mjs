/**
 * The jobs of the kill loop: each with its arguments, its input, and what an independent program says must come out.
 * `intervalMs` is the checkpoint interval; a job works for 2 to 4 s, so that it is killed some times before it ends.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ledgerRecords } from '../../support/oracle-ledger.mjs';
import { nearDuplicateRecords } from '../../support/oracle-near-duplicates.mjs';
import { wordCountRecords } from '../../support/oracle-word-count.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** name -> (working directory of the job, random numbers) -> scenario */
export const SCENARIOS = {
  ledger() {
    const [entries, accounts, ratePerSecond] = [40_000, 300, 16_000];
    return {
      name: 'ledger',
      job: here('../jobs/ledger.mjs'),
      args: [String(entries), String(accounts), String(ratePerSecond), 'out'],
      intervalMs: 50,
      /** State that depends on the order of arrival has no digest to compare. */
      isOrderFree: true,
      expected: () => ledgerRecords(entries, accounts),
    };
  },

  'near-duplicates'(work) {
    const tree = here('../../../node_modules/zod');
    return {
      name: 'near-duplicates',
      job: here('../../../examples/near-duplicates.ts'),
      args: [relative(work, tree), 'out'],
      intervalMs: 80,
      isOrderFree: true,
      expected: () => nearDuplicateRecords(tree, relative(work, tree)),
    };
  },

  'word-count'(work, random) {
    mkdirSync(join(work, 'in'));
    for (let file = 0; file < 6; file++) writeFileSync(join(work, 'in', `${file}.txt`), text(random, 4_000_000));
    return {
      name: 'word-count',
      job: here('../../../examples/word-count.ts'),
      args: ['in/*.txt', 'out'],
      intervalMs: 50,
      isOrderFree: true,
      expected: () => wordCountRecords(readdirSync(join(work, 'in')).map((name) => join(work, 'in', name))),
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
