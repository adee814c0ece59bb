/**
 * What does an incremental checkpoint cost against a full one, and from which share of changed keys is full cheaper? The same job and the
 * same updates with both, over state size, share of the keys that change in an interval, their distribution, and size of a value.
 *
 *     npm run bench:snapshots                              quick: one state of 30 MB, under a minute
 *     npm run bench:snapshots -- --full                    the whole grid and all scenarios; hours
 *     npm run bench:snapshots -- --only grid --state 10mb,1gb --changed 0.1,1 --value 8,100 --distribution uniform,zipf
 *     npm run bench:snapshots -- --full --only stall --state 4gb
 *     npm run bench:snapshots -- --full --only memory --minutes 60
 *     npm run bench:snapshots -- --json                    one JSON document on stdout; --out <file>: into a file
 *
 * Scenarios: grid, growth (needs grid), frequent, stall, memory. Options choose parts of whichever run it is, quick or full: sizes of a state
 * are bytes of keys and values in powers of ten, shares are percent. How it is measured: docs/benchmarks.md.
 */
import { benchProgram } from './lib/program.mjs';
import { BENCH_OPTIONS, FULL, QUICK, settle } from './snapshots/settings.mjs';
import { frequent } from './snapshots/scenarios/frequent.mjs';
import { grid } from './snapshots/scenarios/grid.mjs';
import { growth } from './snapshots/scenarios/growth.mjs';
import { memory } from './snapshots/scenarios/memory.mjs';
import { stall } from './snapshots/scenarios/stall.mjs';

await benchProgram({
  bench: 'snapshots',
  scenarios: [grid, growth, frequent, stall, memory],
  quick: QUICK,
  full: FULL,
  byDefault: 'quick',
  options: BENCH_OPTIONS,
  settle,
});
