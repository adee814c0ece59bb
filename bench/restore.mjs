/**
 * How fast does a job get its state back from a checkpoint? Ten million entries are written once and restored several times.
 *
 *     npm run bench restore                      a minute; 500 MB of temporary files
 *     npm run bench restore -- --quick           200,000 entries: shows that it runs, not how fast
 *     npm run bench restore -- --entries 1e6     another size
 *     npm run bench restore -- --json            one JSON document on stdout; --out <file>: into a file
 *
 * The files are in the page cache when they are read. How it is measured is told in docs/benchmarks.md.
 */
import { benchProgram } from './lib/program.mjs';
import { restore } from './scenarios/restore.mjs';

await benchProgram({
  bench: 'restore',
  scenarios: [restore],
  quick: { restoreEntries: 200_000, restores: 1, restoreThreads: [1, 2] },
  full: { restoreEntries: 10_000_000, restores: 5, restoreThreads: [1, 2] },
  options: { entries: { type: 'string' } },
  settle(settings, { entries }) {
    if (entries === undefined) return settings;
    const restoreEntries = Number(entries);
    if (!Number.isInteger(restoreEntries) || restoreEntries < 1) throw new Error(`--entries takes a count, not '${entries}'.`);
    return { ...settings, restoreEntries };
  },
});
