/** The documents that benchmark programs stored, which of them the report draws, and which it misses. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

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
      documents.push({ ...checked(JSON.parse(readFileSync(file, 'utf8'))), file });
    } catch (error) {
      problems.push({ file, message: error.message });
    }
  }
  return { documents, problems };
}

/**
 * One document of each program is drawn: a full run rather than a quick one, then the newest. Targets are judged by the best document of each
 * program and major version of Node, in the same sense.
 *
 * @returns { drawn: Map from program to document, judged: [document], passedOver: [document] }
 */
export function choose(documents) {
  const best = documents.toSorted((a, b) => Number(a.quick) - Number(b.quick) || b.startedAt.localeCompare(a.startedAt));
  const drawn = new Map();
  const judged = new Map();
  for (const document of best) {
    const under = `${document.bench} ${majorOf(document)}`;
    if (!drawn.has(document.bench)) drawn.set(document.bench, document);
    if (!judged.has(under)) judged.set(under, document);
  }
  const kept = [...judged.values()].toSorted((a, b) => orderOf(a.bench) - orderOf(b.bench));
  return { drawn, judged: kept, passedOver: best.filter((document) => !kept.includes(document)) };
}

/** Place of a program in the report. */
export function orderOf(bench) {
  const index = PROGRAMS.findIndex((program) => program.bench === bench);
  return index < 0 ? PROGRAMS.length : index;
}

function majorOf({ machine }) {
  return machine.node.split('.')[0];
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
