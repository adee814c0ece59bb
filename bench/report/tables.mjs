/** Tables of a report: the targets, and the numbers behind the figures. */
import { el } from './markup.mjs';
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

/** Every row that has a target, the missed ones included, in the order of the report. */
export function targetTable(documents) {
  const rows = documents.flatMap((document) =>
    document.scenarios.flatMap((scenario) =>
      scenario.rows.filter((row) => row.target !== null && row.target !== undefined).map((row) => ({ document, scenario, row })),
    ),
  );
  if (rows.length === 0) return el('p', {}, 'No document has a row with a target.');
  return table({
    isStacked: true,
    head: ['', 'Measure', 'Value', 'Target', 'Numbers behind it', 'Program', 'Node'],
    rows: rows.map(({ document, scenario, row }) => [
      verdictOf(document, row),
      row.measure,
      unitValue(row),
      aimOf(row),
      row.detail ?? '',
      `${document.bench}, ${scenario.name}`,
      document.machine.node,
    ]),
  });
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
function verdictOf({ quick }, { pass }) {
  if (quick) return el('span', { class: 'open' }, '– quick run');
  return pass ? el('span', { class: 'reached' }, '✓ reached') : el('span', { class: 'missed' }, '✗ missed');
}
