/** The documents that benchmark programs stored, which of their runs the report shows, and which programs it misses. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { samePointOf } from './points.mjs';
import { distinct, groupBy } from './statistics.mjs';

/** What a whole report has, in its order. A document of another program is reported by its rows, behind these. */
export const PROGRAMS = [
  { bench: 'snapshots', title: 'Snapshots: incremental against full' },
  { bench: 'peers', title: 'Peers: the same count by other means' },
  { bench: 'throughput', title: 'Throughput' },
  { bench: 'scaling', title: 'Scaling' },
  { bench: 'latency', title: 'Latency' },
  { bench: 'state', title: 'State operations' },
  { bench: 'exchange', title: 'Exchange between stages' },
  { bench: 'restore', title: 'Restore' },
  { bench: 'startup', title: 'Start' },
  { bench: 'engine', title: 'Engine' },
  { bench: 'micro', title: 'Parts' },
];

/** The command that makes a document, as the report and the documentation name it. */
export function commandOf(bench) {
  return `npm run bench ${bench} -- --full --out bench/results/${bench}.json`;
}

/**
 * @param paths  files, and directories of which the `.json` files are read
 * @returns      { documents, problems: [{ file, message }] }; a document has `file` beside what the program stored. A file that cannot be
 *               read as one is a problem, not an error: the others still make a report
 */
export function readDocuments(paths) {
  const documents = [];
  const problems = [];
  for (const file of paths.flatMap(filesOf)) {
    try {
      documents.push({ ...checked(JSON.parse(readFileSync(file, 'utf8'))), file: nameOf(file) });
    } catch (error) {
      problems.push({ file: nameOf(file), message: error.message });
    }
  }
  return { documents, problems };
}

/**
 * Long programs are measured in parts, each with a document of its own, so what is chosen are runs: one scenario of one document. Of a
 * program, major version of Node and scenario a full run replaces the quick ones; of runs with the same settings one without an
 * error counts, then the newest. Runs with other settings, such as another size of state, stand beside one another.
 *
 * @returns { runs: all that are shown, programs: [{ bench, title, node, runs, points }] in the order of the report, passedOver: [run] },
 *          where a run is a scenario with its `document`. A program is drawn under one version of Node: that of which there are the most full
 *          runs, then the highest. A point has `document` beside what the program stored
 */
export function choose(documents) {
  const best = documents
    .flatMap((document) => document.scenarios.map((scenario) => ({ ...scenario, document })))
    .toSorted(
      (a, b) =>
        Number(a.document.quick) - Number(b.document.quick) ||
        Number(Boolean(a.error)) - Number(Boolean(b.error)) ||
        b.document.startedAt.localeCompare(a.document.startedAt),
    );
  const kept = [];
  const passedOver = [];
  for (const run of best) (kept.some((other) => replaces(other, run)) ? passedOver : kept).push(run);
  const runs = kept.toSorted((a, b) => orderOf(a.document.bench) - orderOf(b.document.bench));
  const programs = [...groupBy(runs, ({ document }) => document.bench)].map(([bench, own]) => programOf(bench, own));
  return { runs, programs, passedOver };
}

function replaces(better, run) {
  const [a, b] = [better.document, run.document];
  if (a.bench !== b.bench || majorOf(a) !== majorOf(b) || better.name !== run.name) return false;
  return (b.quick && !a.quick) || JSON.stringify(a.settings) === JSON.stringify(b.settings);
}

function programOf(bench, all) {
  const versions = [...groupBy(all, ({ document }) => majorOf(document))].map(([major, runs]) => ({
    major,
    runs,
    full: runs.filter(({ document }) => !document.quick).length,
  }));
  const [{ major, runs }] = versions.toSorted((a, b) => b.full - a.full || b.major - a.major);
  const points = runs.flatMap((run) => (run.points ?? []).map((point) => ({ ...point, document: run.document })));
  return { bench, title: titleOf(bench), node: major, runs, points: withoutRepetition(points) };
}

/** The best run comes first, so its points are the ones that stay. */
function withoutRepetition(points) {
  return [...groupBy(points, samePointOf).values()].map(([first]) => first);
}

export function titleOf(bench) {
  return PROGRAMS.find((program) => program.bench === bench)?.title ?? bench;
}

/** Place of a program in the report. */
export function orderOf(bench) {
  const index = PROGRAMS.findIndex((program) => program.bench === bench);
  return index < 0 ? PROGRAMS.length : index;
}

/** @returns the major version of Node, a number; NaN where the document names none */
export function majorOf({ machine }) {
  return Number(/^v?(\d+)/.exec(machine.node)?.[1]);
}

/** Machine, version of Node, commit, seed and day of one document or of several, in one line. */
export function originOf(documents) {
  const all = (valueOf) => distinct(documents, valueOf).join(', ');
  const machines = all(machineOf);
  const days = all(({ startedAt }) => startedAt.slice(0, 10));
  return `Node ${all(({ machine }) => machine.node)}, ${machines}; commit ${all(commitOf)}, seed ${all(({ seed }) => seed)}, ${days}`;
}

export function machineOf({ machine: { cores, cpu, memoryBytes, platform } }) {
  return `${cores} cores of ${cpu}, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${platform}`;
}

/** Ten digits; with `+` where files were changed since. */
export function commitOf({ commit }) {
  if (typeof commit !== 'string') return 'unknown';
  return `${commit.slice(0, 10)}${commit.endsWith('+') ? '+' : ''}`;
}

/** As one would type it here, where that is shorter. */
function nameOf(file) {
  const fromHere = relative('', file);
  return fromHere.startsWith('..') ? file : fromHere;
}

function filesOf(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => join(path, name));
}

/** The fields that the report cannot do without; where a program failed half-way, scenarios may still be missing points. */
function checked(document) {
  if (typeof document !== 'object' || document === null) throw new Error('it is not an object');
  for (const field of ['bench', 'startedAt'])
    if (typeof document[field] !== 'string') throw new Error(`it has no \`${field}\`, as every document of a benchmark has`);
  if (typeof document.machine?.node !== 'string')
    throw new Error('it does not say on which machine and version of Node it was measured');
  if (!Array.isArray(document.scenarios)) throw new Error('it has no list of `scenarios`');
  for (const scenario of document.scenarios)
    if (!Array.isArray(scenario.rows) || !Array.isArray(scenario.points ?? []))
      throw new Error(`its scenario ${JSON.stringify(scenario.name)} has no rows or points`);
  return document;
}
