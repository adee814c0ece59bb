/**
 * What every figure has: a ground, a title, lines of explanation, a legend, a line at the foot. A figure is 420 pixels wide, so
 * that its text can be read on a telephone; on a desk it is drawn larger.
 *
 * All text is horizontal, and everything is stacked from the top: no two texts share a place.
 */
import { el, raw } from './markup.mjs';
import { marker } from './marker.mjs';
import { figureStyle } from './style.mjs';
import { fit, TEXT_SIZE, textWidth, wrap } from './text.mjs';

export const WIDTH = 420;
export const MARGIN = 14;
const INNER = WIDTH - 2 * MARGIN;

/**
 * @param id           unique in the document it will be in
 * @param title        what is shown, one sentence without a full stop
 * @param finding      what to see in it, a sentence from its numbers; or null
 * @param note         under which conditions
 * @param description  what a reader who does not see the picture should know
 * @param legend       [{ name, slot, dash, shape, kind: 'line'|'mark'|'area'|'guide' }]
 * @param body         from the y where it may begin to { markup, bottom }
 * @param foot         where the figures come from; only in a figure that stands alone, with its style
 * @returns            the `svg` element
 */
export function frame({ id, title, finding = null, note, description, legend = [], body, foot = null }) {
  let y = MARGIN;
  const head = [];
  for (const line of wrap(title, INNER, TEXT_SIZE.title, true)) head.push(label('title', MARGIN, (y += 17), line));
  y += 2;
  for (const line of wrap(finding ?? '', INNER, TEXT_SIZE.finding)) head.push(label('finding', MARGIN, (y += 17), line));
  y += finding === null ? 0 : 2;
  for (const line of wrap(note, INNER, TEXT_SIZE.note)) head.push(label('note', MARGIN, (y += 16), line));
  const keys = legendAt(y + 18, legend);
  const { markup, bottom } = body(keys.bottom + 8);
  const feet = foot === null ? [] : wrap(foot, INNER, TEXT_SIZE.foot);
  const height = Math.ceil(bottom + 6 + feet.length * 13 + MARGIN / 2);
  return el(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: 'fig',
      viewBox: `0 0 ${WIDTH} ${height}`,
      width: foot === null ? null : WIDTH * 2,
      height: foot === null ? null : height * 2,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-desc`,
    },
    el('title', { id: `${id}-title` }, title),
    el('desc', { id: `${id}-desc` }, description),
    foot === null ? null : el('style', {}, raw(figureStyle(TEXT_SIZE))),
    el('rect', { class: 'ground', width: WIDTH, height, rx: 6 }),
    head,
    keys.markup,
    markup,
    feet.map((line, index) => label('foot', MARGIN, bottom + 16 + index * 13, line)),
  );
}

/** @param anchor  'start', 'middle' or 'end' of the text is at `x`; `y` is its base line */
export function label(className, x, y, text, anchor = 'start') {
  return el('text', { class: className, x, y, 'text-anchor': anchor === 'start' ? null : anchor }, text);
}

function legendAt(top, entries) {
  if (entries.length === 0) return { markup: null, bottom: top - 14 };
  let x = MARGIN;
  let y = top;
  const markup = entries.map(({ name: wanted, slot, dash = slot, shape = slot, kind = 'line' }) => {
    const sample = kind === 'mark' || kind === 'area' ? 16 : 32;
    const name = fit(wanted, INNER - sample, TEXT_SIZE.label);
    const width = sample + textWidth(name, TEXT_SIZE.label) + 9;
    if (x > MARGIN && x + width > WIDTH - MARGIN) {
      x = MARGIN;
      y += 18;
    }
    const left = x;
    x += width;
    const symbol =
      kind === 'area'
        ? el('rect', { class: slot === null ? 'other' : `f${slot}`, x: left, y: y - 4, width: sample - 6, height: 8 })
        : [
            kind === 'mark'
              ? null
              : el('path', { class: kind === 'guide' ? 'guide' : `line s${slot} d${dash}`, d: `M${left} ${y}h${sample - 6}` }),
            shape === null || kind === 'guide' ? null : marker(shape, slot, left + (sample - 6) / 2, y),
          ];
    return [symbol, label('label', left + sample, y + 4, name)];
  });
  return { markup, bottom: y + 6 };
}
