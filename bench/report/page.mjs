/** The report as one HTML file: what was promised and reached, what is missing, then each program with its figures and all its rows. */
import { commandOf, commitOf, machineOf, originOf, PROGRAMS, titleOf } from './documents.mjs';
import { picture } from './figures/all.mjs';
import { el, raw } from './markup.mjs';
import { pageStyle } from './page-style.mjs';
import { promisesOf } from './promises.mjs';
import { distinct, groupBy } from './statistics.mjs';
import { figureStyle } from './style.mjs';
import { aimOf, promiseTable, table, unitValue } from './tables.mjs';
import { TEXT_SIZE } from './text.mjs';

/**
 * @param runs        those that are shown, of `choose`
 * @param programs    the same by program, of `choose`
 * @param passedOver  runs that better ones replace
 * @param problems    [{ file, message }] of files that are no documents
 * @param figures     Map from program to its { figures, failures }
 * @returns           text of the file
 */
export function page({ runs, programs, passedOver, problems, figures }) {
  const missing = PROGRAMS.map(({ bench }) => bench).filter((bench) => !programs.some((program) => program.bench === bench));
  const promises = promisesOf(runs);
  const body = [
    el('header', {}, el('h1', {}, 'Tidemark: what the benchmarks measured'), verdict(promises, runs)),
    el(
      'main',
      {},
      section('targets', 'What is promised', promiseTable(promises, commandOf)),
      missing.length === 0 && problems.length === 0
        ? null
        : section('missing', 'What is missing', missingList(missing), problemList(problems)),
      programs.map((program) => programSection(program, figures.get(program.bench))),
      section('sources', 'Where the figures come from', sources(runs, passedOver)),
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

/** The first question of a reader, for each version of Node: does it hold what it promises? */
function verdict(promises, runs) {
  const values = promises.flatMap(({ targets }) => targets.flatMap((target) => target.values));
  const judged = values.filter(({ quick }) => !quick);
  const lines = [...groupBy(judged, ({ major }) => major)]
    .toSorted(([a], [b]) => b - a)
    .map(([major, own]) => {
      const reached = own.filter(({ row }) => row.pass).length;
      return `Node ${major}: ${reached} of ${own.length} targets reached, ${own.length - reached} missed.`;
    });
  const unmeasured = promises.reduce((sum, { missing }) => sum + missing.length, 0);
  const failed = runs.filter(({ error }) => error).length;
  const more = [
    ...(judged.length === 0 ? ['No full run: no target is judged.'] : []),
    ...(unmeasured > 0 ? [`Scenarios with targets that were not measured at their size: ${unmeasured}.`] : []),
    ...(failed > 0 ? [`Scenarios that failed: ${failed}.`] : []),
  ];
  const quick = distinct(
    runs.filter(({ document }) => document.quick),
    ({ document }) => document,
  ).length;
  const all = distinct(runs, ({ document }) => document).length;
  return [
    [...lines, more.join(' ')].filter((line) => line !== '').map((line) => el('p', { class: 'verdict' }, line)),
    quick === 0
      ? null
      : el(
          'p',
          { class: 'notice' },
          `${quick} of ${all} documents are quick runs: small and short, they show that the programs run and say nothing about the targets.`,
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

function programSection({ bench, title, runs }, { figures, failures }) {
  const documents = distinct(runs, ({ document }) => document);
  const others = runs.filter(({ document }) => document.quick);
  return el(
    'section',
    { id: bench, class: figures.length === 1 ? 'half' : null },
    el('h2', {}, title),
    el('p', { class: 'note' }, originOf(documents)),
    quickNotice(bench, runs, others),
    runs.filter(({ error }) => error).map(({ name, error }) => el('p', { class: 'notice' }, `Scenario ${name} failed: ${error}`)),
    failures.map((failure) => el('p', { class: 'notice' }, failure)),
    [...groupBy(figures, ({ group }) => group ?? '')].map(([name, group]) => [
      name === '' ? null : el('h3', {}, name),
      el(
        'div',
        { class: 'figures' },
        group.map((figure) => figureElement(bench, figure)),
      ),
    ]),
    runs.filter(({ rows }) => rows.length > 0).map(rowsOf),
  );
}

/** Which of the figures are those of quick runs. */
function quickNotice(bench, runs, quick) {
  if (quick.length === 0) return null;
  const which = quick.length === runs.length ? 'A quick run' : `Quick runs of ${quick.map(({ name }) => name).join(', ')}`;
  const text = `${which}: the figures say nothing about the targets. `;
  return el('p', { class: 'notice' }, text, el('code', {}, commandOf(bench)), ' makes a full one.');
}

function figureElement(bench, figure) {
  const numbers = table(figure.table);
  if (figure.kind === 'table')
    return el(
      'figure',
      {},
      el('figcaption', {}, el('strong', {}, figure.title), figure.finding ? el('p', {}, figure.finding) : null),
      numbers,
      el('figcaption', { class: 'note' }, figure.note),
    );
  return el('figure', {}, picture(figure, `${bench}-${figure.name}`), details('The numbers', numbers));
}

function rowsOf({ name, question, rows, document }) {
  const head = ['Measure', 'Value', 'Target', 'Detail'];
  return details(
    `All figures of ${name}${document.quick ? ' (quick)' : ''}: ${question}`,
    table({ head, rows: rows.map((row) => [row.measure, unitValue(row), aimOf(row), row.detail ?? '']) }),
  );
}

function sources(runs, passedOver) {
  const row = (used, use) => {
    const { document } = used[0];
    return [
      document.bench,
      `${use}: ${used.map(({ name }) => name).join(', ')}`,
      document.quick ? 'quick' : 'full',
      `${document.startedAt.slice(0, 16).replace('T', ' ')} UTC`,
      document.machine.node,
      machineOf(document),
      commitOf(document),
      String(document.seed ?? 'unknown'),
      document.file,
    ];
  };
  const byDocument = (list) => [...groupBy(list, ({ document }) => document).values()];
  return table({
    isStacked: true,
    head: ['Program', 'Use', 'Run', 'Begun', 'Node', 'Machine', 'Commit', 'Seed', 'File'],
    rows: [
      ...byDocument(runs).map((used) => row(used, 'reported')),
      ...byDocument(passedOver).map((used) => row(used, 'passed over for better ones')),
    ],
  });
}

function section(id, title, ...children) {
  return el('section', { id }, el('h2', {}, title), children);
}

function details(summary, ...children) {
  return el('details', {}, el('summary', {}, summary), children);
}
