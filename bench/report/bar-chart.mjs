/** A figure with one bar for each name, its value written beside it, and a guide at the one that the others are held against. */
import { frame, label, MARGIN, WIDTH } from './frame.mjs';
import { el } from './markup.mjs';
import { scale } from './scale.mjs';
import { fit, TEXT_SIZE, textWidth } from './text.mjs';
import { tickLabels } from './ticks.mjs';
import { readable } from './units.mjs';

const NAME_HEIGHT = 16;
const UNDER_HEIGHT = 14;
const BAR_HEIGHT = 11;
const GAP = 6;

/**
 * A logarithmic axis has no zero, so its bars begin at its lower end: the label of the axis should say that it is logarithmic.
 *
 * @param x          { label, unit, kind: 'log'|'linear' }
 * @param bars       [{ name, under, detail, value, low, high, slot }], from the top; `under` explains the name below it, `detail` stands behind
 *                   the value, such as `4.0 times`; slot null is for what others are compared with
 * @param reference  { name, value }: a guide; or null
 */
export function barChart({ x, bars, reference = null, legend = [], ...rest }) {
  const entries = reference === null ? legend : [...legend, { name: reference.name, kind: 'guide' }];
  const drawn = bars.filter(({ value }) => Number.isFinite(value));
  return frame({ ...rest, legend: entries, body: (top) => plot({ x, bars: drawn, reference }, top) });
}

function plot({ x, bars, reference }, top) {
  const values = [
    ...bars.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]),
    ...(reference === null ? [] : [reference.value]),
  ];
  // Half of the smallest: its bar, too, is to have a length.
  const least = Math.min(...values.filter((value) => value > 0)) / 2;
  const right = WIDTH - MARGIN - 14;
  const across = scale({ ...x, values: x.kind === 'log' ? [...values, least] : values, range: [MARGIN, right] });
  let lower = top;
  const rows = bars.map((bar) => {
    const row = rowAt(lower, bar, x, across);
    lower = row.bottom;
    return row;
  });
  const markup = [
    across.grid.map((value) => el('path', { class: 'grid', d: `M${across.at(value).toFixed(1)} ${top}V${lower}` })),
    rows.map(({ bar }) => bar),
    // Beside the bars only: a line through all would cross the texts.
    reference === null
      ? null
      : rows.map(({ barAt }) => el('path', { class: 'guide', d: strokeAt(across.at(reference.value), barAt) })),
    rows.map(({ spread }) => spread),
    rows.map(({ texts }) => texts),
    el('path', { class: 'axis', d: `M${MARGIN} ${lower}H${right}` }),
    tickLabels(across, lower),
    label('label', right, lower + 33, x.label, 'end'),
  ];
  return { markup, bottom: lower + 36 };
}

function rowAt(top, { name, under = '', detail = '', value, low, high, slot }, x, across) {
  const said = `${readable(value, x.unit)}${detail === '' ? '' : ` · ${detail}`}`;
  const room = WIDTH - 2 * MARGIN - textWidth(said, TEXT_SIZE.label) - 12;
  const nameAt = top + NAME_HEIGHT - 4;
  const barAt = top + NAME_HEIGHT + (under === '' ? 0 : UNDER_HEIGHT);
  const middle = barAt + BAR_HEIGHT / 2;
  const width = Math.max(across.at(value) - MARGIN, 1);
  const spread = `M${across.at(low).toFixed(1)} ${middle - 3}v6m0 -3H${across.at(high).toFixed(1)}m0 -3v6`;
  const hasSpread = Number.isFinite(low) && Number.isFinite(high) && high > low;
  return {
    bar: el(
      'rect',
      { class: slot === null ? 'other' : `f${slot}`, x: MARGIN, y: barAt, width, height: BAR_HEIGHT },
      el('title', {}, `${name}: ${said}`),
    ),
    spread: hasSpread ? [el('path', { class: 'rim', d: spread }), el('path', { class: 'whisker', d: spread })] : null,
    texts: [
      label('label halo', MARGIN, nameAt, fit(name, room, TEXT_SIZE.label)),
      label('label halo', WIDTH - MARGIN, nameAt, said, 'end'),
      under === '' ? null : label('tick halo', MARGIN, nameAt + UNDER_HEIGHT - 1, fit(under, WIDTH - 2 * MARGIN, TEXT_SIZE.tick)),
    ],
    barAt,
    bottom: barAt + BAR_HEIGHT + GAP,
  };
}

function strokeAt(x, barAt) {
  return `M${x.toFixed(1)} ${barAt - 2}v${BAR_HEIGHT + 4}`;
}
