/**
 * Does the engine reach what it aims at? Runs jobs against plain programs of one thread and compares with the targets.
 *
 *     npm run bench engine                          all scenarios, 3 to 5 minutes; wants the machine for itself
 *     npm run bench engine -- --only word-count     one of them; may be repeated
 *     npm run bench engine -- --quick               small and short: shows that they run, not how fast
 *     npm run bench engine -- --json                one JSON document on stdout
 *
 * Exit code 1 when a target is missed or a scenario fails, except with --quick, where only failures count. What each scenario
 * measures is told in docs/benchmarks.md.
 */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { printHeading, printRow } from './engine/report.mjs';
import { barrierStall } from './engine/scenarios/barrier-stall.mjs';
import { checkpointCost } from './engine/scenarios/checkpoint-cost.mjs';
import { cpuHeavy } from './engine/scenarios/cpu-heavy.mjs';
import { countInProcess, countNumbers, countStrings } from './engine/scenarios/keyed-count.mjs';
import { restore } from './engine/scenarios/restore.mjs';
import { startup } from './engine/scenarios/startup.mjs';
import { wordCount } from './engine/scenarios/word-count.mjs';
import { FULL, QUICK } from './engine/settings.mjs';

const SCENARIOS = [
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

const options = readOptions();
const chosen = SCENARIOS.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
const settings = options.quick ? QUICK : FULL;
const machine = {
  node: process.version,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  platform: `${process.platform} ${process.arch}`,
};

if (!options.json) {
  console.log(
    `Node ${machine.node}, ${machine.cores} cores of ${machine.cpu}, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, ${machine.platform}`,
  );
  if (options.quick) console.log('Quick: the figures say nothing about the targets.');
}
const reports = [];
for (const scenario of chosen) {
  const { name, question } = scenario;
  if (!options.json) printHeading(`${name}: ${question}`);
  const report = { name, question, rows: [], error: null };
  reports.push(report);
  try {
    for await (const row of scenario.rows(settings)) {
      report.rows.push(row);
      if (!options.json) printRow(row);
    }
  } catch (error) {
    // The other scenarios still have something to say.
    report.error = error.message;
    console.error(`  ${name} failed: ${error.stack}`);
  }
}

const rows = reports.flatMap((report) => report.rows);
const passed = rows.filter(({ pass }) => pass === true).length;
const missed = rows.filter(({ pass }) => pass === false).length;
const failed = reports.filter(({ error }) => error !== null).length;
if (options.json)
  console.log(JSON.stringify({ machine, quick: options.quick, passed, missed, failed, scenarios: reports }, null, 2));
else console.log(`\n${passed} targets reached, ${missed} missed, ${failed} scenarios failed.`);
process.exitCode = failed > 0 || (missed > 0 && !options.quick) ? 1 : 0;

function readOptions() {
  const names = SCENARIOS.map(({ name }) => name);
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const unknown = values.only.find((name) => !names.includes(name));
    if (unknown !== undefined) throw new Error(`There is no scenario '${unknown}'. There are ${names.join(', ')}.`);
    return values;
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}
