/** The report as one HTML file: what was reached, what is missing, then each program with its figures and all its rows. */
import { commandOf, orderOf, PROGRAMS } from './documents.mjs';
import { picture } from './figures/all.mjs';
import { el, raw } from './markup.mjs';
import { pageStyle } from './page-style.mjs';
import { groupBy } from './statistics.mjs';
import { figureStyle } from './style.mjs';
import { aimOf, table, targetTable, unitValue } from './tables.mjs';
import { TEXT_SIZE } from './text.mjs';

/**
 * @param drawn       Map from program to the document that is drawn
 * @param judged      documents whose targets are listed
 * @param passedOver  documents that a better one replaces
 * @param problems    [{ file, message }] of files that are no documents
 * @param figures     Map from program to its { figures, failures }
 * @returns           text of the file
 */
export function page({ drawn, judged, passedOver, problems, figures }) {
  const benches = [...new Set([...PROGRAMS.map(({ bench }) => bench), ...drawn.keys()])].toSorted(
    (a, b) => orderOf(a) - orderOf(b),
  );
  const missing = benches.filter((bench) => !drawn.has(bench));
  const body = [
    el('header', {}, el('h1', {}, 'Tidemark: what the benchmarks measured'), verdict(judged)),
    el(
      'main',
      {},
      section('targets', 'Targets', targetTable(judged)),
      missing.length === 0 && problems.length === 0
        ? null
        : section('missing', 'What is missing', missingList(missing), problemList(problems)),
      benches.filter((bench) => drawn.has(bench)).map((bench) => programSection(drawn.get(bench), figures.get(bench))),
      section('sources', 'Where the figures come from', sources(judged, passedOver)),
    ),
  ];
  const head = el(
    'head',
    {},
    el('meta', { charset: 'utf-8' }),
    el('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    el('meta', { name: 'color-scheme', content: 'light dark' }),
    el('title', {}, 'Tidemark: benchmarks'),
    el('style', {}, raw(pageStyle), raw(figureStyle(TEXT_SIZE))),
  );
  return `<!doctype html>\n${el('html', { lang: 'en' }, head, el('body', {}, body)).source}\n`;
}

function verdict(judged) {
  const rows = judged.filter(({ quick }) => !quick).flatMap(({ scenarios }) => scenarios.flatMap((scenario) => scenario.rows));
  const reached = rows.filter(({ pass }) => pass === true).length;
  const missed = rows.filter(({ pass }) => pass === false).length;
  const failed = judged.flatMap(({ scenarios }) => scenarios).filter(({ error }) => error).length;
  const parts = [`${reached} targets reached`, `${missed} missed`, ...(failed > 0 ? [`${failed} scenarios failed`] : [])];
  const quick = judged.filter((document) => document.quick).length;
  return [
    el('p', { class: 'verdict' }, `${parts.join(', ')}.`),
    quick === 0
      ? null
      : el(
          'p',
          { class: 'notice' },
          `${quick} of ${judged.length} documents are quick runs: small and short, they show that the programs run and say nothing about the targets.`,
        ),
  ];
}

function missingList(missing) {
  if (missing.length === 0) return null;
  return [
    el('p', {}, 'No document of these programs was found. Each is made by its command:'),
    el(
      'ul',
      { class: 'plain' },
      missing.map((bench) => el('li', {}, el('strong', {}, titleOf(bench)), el('br'), el('code', {}, commandOf(bench)))),
    ),
  ];
}

function problemList(problems) {
  if (problems.length === 0) return null;
  return [
    el('p', {}, 'These files are no documents of a benchmark:'),
    el(
      'ul',
      { class: 'plain' },
      problems.map(({ file, message }) => el('li', {}, el('code', {}, file), `: ${message}`)),
    ),
  ];
}

function programSection(document, { figures, failures }) {
  const { bench, scenarios, quick } = document;
  return el(
    'section',
    { id: bench, class: figures.length === 1 ? 'half' : null },
    el('h2', {}, titleOf(bench)),
    el('p', { class: 'note' }, originOf(document)),
    quick
      ? el(
          'p',
          { class: 'notice' },
          'A quick run: the figures say nothing about the targets. ',
          el('code', {}, commandOf(bench)),
          ' makes a full one.',
        )
      : null,
    scenarios
      .filter(({ error }) => error)
      .map(({ name, error }) => el('p', { class: 'notice' }, `Scenario ${name} failed: ${error}`)),
    failures.map((failure) => el('p', { class: 'notice' }, failure)),
    [...groupBy(figures, ({ group }) => group ?? '')].map(([name, group]) => [
      name === '' ? null : el('h3', {}, name),
      el(
        'div',
        { class: 'figures' },
        group.map((figure) => figureElement(bench, figure)),
      ),
    ]),
    scenarios.filter(({ rows }) => rows.length > 0).map(rowsOf),
  );
}

function figureElement(bench, figure) {
  const numbers = table(figure.table);
  if (figure.kind === 'table')
    return el('figure', {}, el('figcaption', {}, el('strong', {}, figure.title), el('br'), figure.note), numbers);
  return el('figure', {}, picture(figure, `${bench}-${figure.name}`), details('The numbers', numbers));
}

function rowsOf({ name, question, rows }) {
  const head = ['Measure', 'Value', 'Target', 'Detail'];
  return details(
    `All figures of ${name}: ${question}`,
    table({ head, rows: rows.map((row) => [row.measure, unitValue(row), aimOf(row), row.detail ?? '']) }),
  );
}

function sources(judged, passedOver) {
  const row = (document, use) => [
    document.bench,
    use,
    document.quick ? 'quick' : 'full',
    `${document.startedAt.slice(0, 16).replace('T', ' ')} UTC`,
    document.machine.node,
    machineOf(document),
    shortCommit(document.commit),
    String(document.seed ?? 'unknown'),
    document.file,
  ];
  return table({
    isStacked: true,
    head: ['Program', 'Use', 'Run', 'Begun', 'Node', 'Machine', 'Commit', 'Seed', 'File'],
    rows: [
      ...judged.map((document) => row(document, 'reported')),
      ...passedOver.map((document) => row(document, 'passed over for a better one')),
    ],
  });
}

/** Machine, version of Node, commit, seed and day, in one line. */
export function originOf(document) {
  const { machine, commit, seed, startedAt } = document;
  return `Node ${machine.node}, ${machineOf(document)}; commit ${shortCommit(commit)}, seed ${seed}, ${startedAt.slice(0, 10)}`;
}

function machineOf({ machine: { cores, cpu, memoryBytes, platform } }) {
  return `${cores} cores of ${cpu}, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${platform}`;
}

function shortCommit(commit) {
  if (typeof commit !== 'string') return 'unknown';
  return `${commit.slice(0, 10)}${commit.endsWith('+') ? '+' : ''}`;
}

function section(id, title, ...children) {
  return el('section', { id }, el('h2', {}, title), children);
}

function details(summary, ...children) {
  return el('details', {}, el('summary', {}, summary), children);
}

function titleOf(bench) {
  return PROGRAMS.find((program) => program.bench === bench)?.title ?? bench;
}
