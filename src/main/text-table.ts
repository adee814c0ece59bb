/** Tables of text that fit into a width: columns that matter less are left out, and one column of names is cut. */
import { truncate, visibleWidth } from './terminal.ts';

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Columns with higher numbers are left out first; 0 is never left out. */
  readonly dropOrder: number;
  /** May be cut down to this width; absent: never cut. Only for unstyled cells. */
  readonly minWidth?: number;
}

const GAP = '  ';

/**
 * @param rows   a cell per column
 * @param width  columns of the terminal; Infinity: no limit
 * @returns the title line and a line per row, none wider than `width` as far as the columns of order 0 allow
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], width = Infinity): string[] {
  let kept = columns.map((_, index) => index);
  const natural = columns.map((column, index) =>
    Math.max(visibleWidth(column.title), ...rows.map((row) => visibleWidth(row[index]))),
  );
  const smallest = (index: number): number => Math.min(natural[index], columns[index].minWidth ?? Infinity);
  const total = (indices: readonly number[], widthOf: (index: number) => number): number =>
    indices.reduce((sum, index) => sum + widthOf(index), GAP.length * (indices.length - 1));

  while (total(kept, smallest) > width) {
    const least = Math.max(...kept.map((index) => columns[index].dropOrder));
    if (least === 0) break;
    kept = kept.filter((index) => columns[index].dropOrder !== least);
  }
  const excess = Math.max(0, total(kept, (index) => natural[index]) - width);
  const widths = natural.map((own, index) =>
    columns[index].minWidth === undefined ? own : Math.max(smallest(index), own - excess),
  );

  const line = (cells: readonly string[]): string =>
    kept
      .map((index) => cell(cells[index], widths[index], columns[index].align))
      .join(GAP)
      .trimEnd();
  return [line(columns.map((column) => column.title)), ...rows.map(line)];
}

function cell(text: string, width: number, align: 'left' | 'right'): string {
  const fitted = visibleWidth(text) > width ? truncate(text, width) : text;
  const padding = ' '.repeat(Math.max(0, width - visibleWidth(fitted)));
  return align === 'left' ? fitted + padding : padding + fitted;
}
