/**
 * What did the benchmarks measure, as one page to look at? Draws the documents that the other programs stored.
 *
 *     npm run bench report                                      from bench/results into bench/results/report.html
 *     npm run bench report -- <file or directory> ...           from other documents
 *     npm run bench report -- --out <file>                      into another file
 *     npm run bench report -- --figures <directory>             and the main figures as SVG files, from full runs only
 *     npm run bench report -- --json                            what was written and what is missing, as one JSON document
 *
 * Exit code 2 for wrong options, or when there is no document at all. What the page shows is told in docs/benchmarks.md.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { choose, commandOf, originOf, PROGRAMS, readDocuments } from './report/documents.mjs';
import { figuresOf, picture } from './report/figures/all.mjs';
import { page } from './report/page.mjs';
import { distinct } from './report/statistics.mjs';

const RESULTS = fileURLToPath(new URL('results', import.meta.url));

const { paths, out, figuresDirectory, isJson } = readOptions();
const { documents, problems } = readDocuments(paths);
if (documents.length === 0) {
  for (const { file, message } of problems) console.error(`${file}: ${message}`);
  refuse(`There is no document of a benchmark in ${paths.join(', ')}. For example, this makes one: ${commandOf('snapshots')}`);
}

const { runs, programs, passedOver } = choose(documents);
const figures = new Map(programs.map(({ bench, points }) => [bench, figuresOf(points)]));
write(out, page({ runs, programs, passedOver, problems, figures }));
const pictures = figuresDirectory === null ? [] : writePictures(figuresDirectory);
const missing = PROGRAMS.map(({ bench }) => bench).filter((bench) => !figures.has(bench));

if (isJson)
  console.log(
    JSON.stringify({ out, pictures, problems, missing: missing.map((bench) => ({ bench, command: commandOf(bench) })) }, null, 2),
  );
else {
  console.log([out, ...pictures].join('\n'));
  for (const { file, message } of problems) console.error(`Left out ${file}: ${message}`);
  for (const bench of missing) console.error(`Missing ${bench}: ${commandOf(bench)}`);
}

/** @returns the files. A quick run is not for publication, so no figure has points of one. */
function writePictures(directory) {
  const files = [];
  for (const { bench, points } of programs) {
    const measured = points.filter(({ document }) => !document.quick);
    if (measured.length < points.length) console.error(`No figures of what was a quick run of ${bench}. ${commandOf(bench)}`);
    for (const figure of figuresOf(measured).figures.filter(({ isMain, kind }) => isMain && kind !== 'table')) {
      const file = join(directory, `${figure.name}.svg`);
      const origin = originOf(distinct(measured, ({ document }) => document));
      write(file, `${picture(figure, figure.name, `npm run bench ${bench}; ${origin}`).source}\n`);
      files.push(file);
    }
  }
  return files;
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { out: { type: 'string' }, figures: { type: 'string' }, json: { type: 'boolean', default: false } },
    });
    const wanted = positionals.length === 0 ? [RESULTS] : positionals.map((path) => resolve(path));
    const absent = wanted.find((path) => !existsSync(path));
    if (absent !== undefined)
      throw new Error(`${absent} does not exist. For example, this makes a document: ${commandOf('snapshots')}`);
    return {
      paths: wanted,
      out: resolve(values.out ?? join(RESULTS, 'report.html')),
      figuresDirectory: values.figures === undefined ? null : resolve(values.figures),
      isJson: values.json,
    };
  } catch (error) {
    return refuse(error.message);
  }
}

function refuse(message) {
  console.error(message);
  process.exit(2);
}
