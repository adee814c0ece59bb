/**
 * What does an operation on keyed state cost, against a bare hash table? Values, maps and lists of 500,000 entries with keys of 8
 * bytes, one record at a time and with their entries looked up together; the memory that an entry takes.
 *
 *     npm run bench state                        1 to 2 minutes
 *     npm run bench state -- --quick             small and short: shows that it runs, not how fast
 *     npm run bench state -- --only operations   one scenario: operations, after-barrier, memory; may be repeated
 *     npm run bench state -- --json              one JSON document on stdout; --out <file>: into a file
 *
 * No job runs: these are the state maps and the handles that a user's function gets. More in docs/benchmarks.md.
 */
import { benchProgram } from './lib/program.mjs';
import { afterBarrier } from './state/after-barrier.mjs';
import { memory } from './state/memory.mjs';
import { operations } from './state/against-table.mjs';

await benchProgram({
  bench: 'state',
  scenarios: [operations, afterBarrier, memory],
  quick: {
    operations: { entries: 50_000, operations: 2 ** 16, rounds: 3, warmUpRounds: 2 },
    afterBarrier: { entries: 2 ** 15, rounds: 3 },
    memory: { entries: 2 ** 14, updatesPerEntry: 8, changedShare: 0.05 },
  },
  full: {
    operations: { entries: 500_000, operations: 2 ** 20, rounds: 11, warmUpRounds: 4 },
    afterBarrier: { entries: 2 ** 20, rounds: 7 },
    memory: { entries: 2 ** 18, updatesPerEntry: 40, changedShare: 0.05 },
  },
});
