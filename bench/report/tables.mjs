/** Tables of a report: the promises with their targets, and the numbers behind the figures. */
import { el } from './markup.mjs';
import { distinct } from './statistics.mjs';
import { readable } from './units.mjs';

/** A number with at most one word behind it, or the sign for none. */
const NUMBER = /^(–|[≥≤]? ?[\d.,]+)([\u{a0} ]\S{1,12})?$/u;

/**
 * A table that scrolls by itself where the page is too narrow for it; with `isStacked` its rows are written there as cards. Columns of
 * numbers are aligned to the right.
 */
export function table({ head, rows, isStacked = false }) {
  const isNumeric = head.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'string' && NUMBER.test(row[column])),
  );
  const align = (column) => (isNumeric[column] ? 'number' : null);
  return el(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Table: ${head.filter((name) => name !== '').join(', ')}` },
    el(
      'table',
      { class: isStacked ? 'stacked' : null },
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          head.map((name, column) => el('th', { scope: 'col', class: align(column) }, name)),
        ),
      ),
      el(
        'tbody',
        {},
        rows.map((row) =>
          el(
            'tr',
            {},
            row.map((cell, column) => el('td', { class: align(column), 'data-name': isStacked ? head[column] : null }, cell)),
          ),
        ),
      ),
    ),
  );
}

/**
 * Every promise with its targets, the missed and the unmeasured ones included, one column for each version of Node.
 *
 * @param promises   of `promisesOf`
 * @param commandOf  from program to the command that makes its document
 */
export function promiseTable(promises, commandOf) {
  const versions = distinct(
    promises.flatMap(({ targets }) => targets.flatMap(({ values }) => values)),
    ({ major }) => major,
  ).toSorted((a, b) => b - a);
  const head = ['Measure', 'Target', ...versions.map((major) => `Node ${major}`)];
  return el(
    'table',
    { class: 'stacked promises' },
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        head.map((name) => el('th', { scope: 'col' }, name)),
      ),
    ),
    promises.map(({ promise, targets, missing }) =>
      el(
        'tbody',
        {},
        el('tr', { class: 'promise' }, el('th', { colspan: head.length, scope: 'rowgroup' }, promise === '' ? 'More' : promise)),
        targets.map((target) => targetRow(target, versions)),
        missing.map((place) => missingRow(place, versions, commandOf)),
      ),
    ),
  );
}

function targetRow({ bench, scenario, measure, target, unit, values }, versions) {
  return el(
    'tr',
    {},
    el('td', {}, measure, ' ', el('small', {}, bench === scenario ? bench : `${bench}, ${scenario}`)),
    el('td', { 'data-name': 'Target' }, aimOf({ target, unit })),
    versions.map((major) => {
      const found = values.find((value) => value.major === major);
      return el('td', { 'data-name': `Node ${major}` }, found === undefined ? '–' : valueWithVerdict(found));
    }),
  );
}

function valueWithVerdict({ quick, row }) {
  const detail = row.detail ? [' ', el('small', {}, row.detail)] : null;
  return [verdictOf(quick, row), ' ', unitValue(row), detail];
}

/** No document has a row with a target from this scenario: it was not run, or not at the size that the target is about. */
function missingRow(place, versions, commandOf) {
  const [bench, scenario] = place.split('/');
  return el(
    'tr',
    {},
    el('td', {}, el('small', {}, bench === scenario ? bench : `${bench}, ${scenario}`)),
    el(
      'td',
      { colspan: versions.length + 1 },
      el('span', { class: 'open' }, '– not measured'),
      ' ',
      el('small', {}, 'at the size of its target: ', el('code', {}, commandOf(bench))),
    ),
  );
}

/** The value of a row with its unit. Words that are no unit of `readable` stand behind the number. */
export function unitValue({ value, unit }) {
  return readable(value, unit === 'count' ? '' : unit);
}

export function aimOf({ target, unit }) {
  if (target === null || target === undefined) return '';
  return target.atLeast === undefined
    ? `≤ ${unitValue({ value: target.atMost, unit })}`
    : `≥ ${unitValue({ value: target.atLeast, unit })}`;
}

/** The sign says the same as the colour. A quick run reaches and misses nothing. */
function verdictOf(quick, { pass }) {
  if (quick) return el('span', { class: 'open' }, '– quick run:');
  return pass ? el('span', { class: 'reached' }, '✓ reached') : el('span', { class: 'missed' }, '✗ missed');
}
