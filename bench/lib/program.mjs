/**
 * The frame of a benchmark program: options, scenarios one after the other, a table for people or a document for programs.
 *
 * A scenario is `{ name, question, rows(settings) }`, where `rows` is an async generator that yields
 *  - figures for the table: `row()` of `report.mjs`, each with its target where it has one;
 *  - points for plots: `point()`, any object with raw samples; they go only into the document;
 *  - lines for people: `line()`, a table of its own or a sentence; they go only onto the screen.
 *
 * The document (`--json` on stdout, `--out <file>` into a file), which `bench/report.mjs` reads:
 *
 *     { bench, startedAt, commit, seed, quick, settings, machine: { node, cpu, cores, memoryBytes, platform },
 *       passed, missed, failed,
 *       scenarios: [{ name, question, error, rows: [{ measure, value, unit, target, pass, detail }], points: [...] }] }
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { commit, describeMachine, machine } from './machine.mjs';
import { printHeading, printRow } from './report.mjs';

/** Something for a plot rather than for the table. @param value  an object that JSON can hold */
export function point(value) {
  return { point: value };
}

/** Something to be read rather than judged. @param text  one line or several */
export function line(text) {
  return { line: text };
}

/**
 * Runs the program to its end and sets the exit code: 2 for wrong options, 1 when a scenario failed, or, unless `--quick` is set,
 * when a target was missed.
 *
 * @param bench      its name, as `tidemark bench` knows it
 * @param scenarios  in their order; `--only <name>`, which may be repeated, chooses among them
 * @param quick      settings of a run of at most a minute
 * @param full       settings of a whole run
 * @param byDefault  which of the two runs without `--quick` and `--full`
 * @param options    more options, as `parseArgs` describes them
 * @param settle     from settings and the values of all options to the settings that are used; throws for values it cannot take
 */
export async function benchProgram({
  bench,
  scenarios,
  quick,
  full,
  byDefault = 'full',
  options: more = {},
  settle = (settings) => settings,
}) {
  const { values, settings, isQuick } = readOptions({ scenarios, quick, full, byDefault, more, settle });
  const chosen = scenarios.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
  const startedAt = new Date().toISOString();
  if (!values.json) {
    console.log(describeMachine());
    if (isQuick) console.log('Quick: the figures say nothing about the targets.');
  }
  const reports = [];
  for (const scenario of chosen) reports.push(await runScenario(scenario, settings, values.json));

  const rows = reports.flatMap((report) => report.rows);
  const passed = rows.filter(({ pass }) => pass === true).length;
  const missed = rows.filter(({ pass }) => pass === false).length;
  const failed = reports.filter(({ error }) => error !== null).length;
  const seed = Number(values.seed);
  const head = { bench, startedAt, commit: commit(), seed, quick: isQuick, settings, machine, passed, missed, failed };
  const text = JSON.stringify({ ...head, scenarios: reports }, null, 2);
  if (values.out !== undefined) {
    mkdirSync(dirname(resolve(values.out)), { recursive: true });
    writeFileSync(values.out, `${text}\n`);
  }
  if (values.json) console.log(text);
  else console.log(`\n${passed} targets reached, ${missed} missed, ${failed} scenarios failed.`);
  process.exitCode = failed > 0 || (missed > 0 && !isQuick) ? 1 : 0;
}

async function runScenario(scenario, settings, isSilent) {
  const { name, question } = scenario;
  if (!isSilent) printHeading(`${name}: ${question}`);
  const report = { name, question, error: null, rows: [], points: [] };
  try {
    for await (const item of scenario.rows(settings)) {
      if (item.point !== undefined) report.points.push(item.point);
      else if (item.line !== undefined) {
        if (!isSilent) console.log(item.line.replace(/^/gm, '  '));
      } else {
        report.rows.push(item);
        if (!isSilent) printRow(item);
      }
    }
  } catch (error) {
    // The other scenarios still have something to say.
    report.error = error.message;
    console.error(`  ${name} failed: ${error.stack}`);
  }
  return report;
}

function readOptions({ scenarios, quick, full, byDefault, more, settle }) {
  const names = scenarios.map(({ name }) => name);
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        quick: { type: 'boolean', default: false },
        full: { type: 'boolean', default: false },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        out: { type: 'string' },
        ...more,
      },
    });
    if (values.quick && values.full) throw new Error('--quick and --full exclude each other.');
    if (!Number.isSafeInteger(Number(values.seed))) throw new Error(`--seed takes an integer, not '${values.seed}'.`);
    const unknown = values.only.find((name) => !names.includes(name));
    if (unknown !== undefined) throw new Error(`There is no scenario '${unknown}'. There are ${names.join(', ')}.`);
    const isQuick = values.quick || (!values.full && byDefault === 'quick');
    const settings = settle({ ...(isQuick ? quick : full), seed: Number(values.seed) }, values);
    return { values, settings, isQuick };
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}
