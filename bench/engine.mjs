/**
 * Does the engine reach what it aims at? Runs jobs against plain programs of one thread and compares with the targets.
 *
 *     npm run bench engine                          all scenarios, 5 to 9 minutes; wants the machine for itself
 *     npm run bench engine -- --only word-count     one of them; may be repeated
 *     npm run bench engine -- --quick               small and short: shows that they run, not how fast
 *     npm run bench engine -- --json                one JSON document on stdout; --out <file>: into a file
 *
 * Exit code 1 when a target is missed or a scenario fails, except with --quick, where only failures count. What each scenario
 * measures is told in docs/benchmarks.md.
 */
import { barrierStall } from './engine/scenarios/barrier-stall.mjs';
import { checkpointCost } from './engine/scenarios/checkpoint-cost.mjs';
import { cpuHeavy } from './engine/scenarios/cpu-heavy.mjs';
import { countInProcess, countNumbers, countStrings } from './scenarios/keyed-count.mjs';
import { restore } from './scenarios/restore.mjs';
import { startup } from './scenarios/startup.mjs';
import { wordCount } from './engine/scenarios/word-count.mjs';
import { FULL, QUICK } from './engine/settings.mjs';
import { benchProgram } from './lib/program.mjs';

const scenarios = [
  countNumbers,
  countStrings,
  countInProcess,
  wordCount,
  cpuHeavy,
  barrierStall,
  checkpointCost,
  restore,
  startup,
];

await benchProgram({ bench: 'engine', scenarios, quick: QUICK, full: FULL });
