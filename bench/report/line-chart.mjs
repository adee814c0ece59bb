/** A figure with two axes: lines with markers, spreads, guides, and below the plot lanes for what took a while. */
import { frame, label, MARGIN, WIDTH } from './frame.mjs';
import { marker } from './marker.mjs';
import { el } from './markup.mjs';
import { placeScale, scale } from './scale.mjs';
import { SLOT_COUNT } from './style.mjs';
import { TEXT_SIZE, textWidth } from './text.mjs';
import { tickLabels } from './ticks.mjs';
import { readable } from './units.mjs';

const PLOT_HEIGHT = 190;
const LANE_HEIGHT = 9;
/** Pixels between two labels of the y axis. */
const LINE_ROOM = 30;
/** Checkpoints of a lane up to which each gets a line through the plot: more would be a hatching. */
const MOST_MOMENTS = 25;

/**
 * @param x       { label, unit, kind: 'log'|'linear'|'places', names }: with 'places' the x of a point is an index of `names`
 * @param y       { label, unit, kind: 'log'|'linear' }
 * @param series  [{ name, slot, dash, shape, points: [{ x, y, low, high }] }]; `shape: null` draws no markers, `isScattered` no line; low and high, which may be
 *                absent, are the ends of the spread. A y that is null is not drawn
 * @param guides  [{ name, points: [{ x, y }] }]: what the data is held against
 * @param legend  entries of the legend, see `frame`, where there are fewer than series: two things that vary, each with its own sign
 * @param lanes   [{ name, slot, spans: [{ from, to }] }] in units of x
 */
export function lineChart({ x, y, series, guides = [], lanes = [], legend, ...rest }) {
  const drawn = series.map((one) => ({
    ...one,
    ...looksOf(one),
    ...(one.isScattered && { kind: 'mark' }),
    points: one.points.filter(isNumber),
  }));
  const entries = [
    ...(legend ?? (drawn.length > 1 || guides.length > 0 ? drawn : [])),
    ...guides.map(({ name }) => ({ name, kind: 'guide' })),
    ...lanes.map(({ name, slot }) => ({ name, slot, kind: 'area' })),
  ];
  return frame({ ...rest, legend: entries, body: (top) => plot({ x, y, series: drawn, guides, lanes }, top) });
}

function plot({ x, y, series, guides, lanes }, top) {
  const points = [...series, ...guides].flatMap((one) => one.points);
  const upper = top + 20;
  const lower = upper + PLOT_HEIGHT;
  const vertical = scale({
    ...y,
    values: points.flatMap((p) => [p.y, p.low ?? p.y, p.high ?? p.y]),
    range: [lower, upper],
    room: LINE_ROOM,
  });
  const left = MARGIN + Math.max(...vertical.ticks.map((tick) => textWidth(tick.label, TEXT_SIZE.tick))) + 7;
  const right = WIDTH - MARGIN - 8;
  const ends = lanes.flatMap(({ spans }) => spans.flatMap(({ from, to }) => [from, to]));
  const range = x.kind === 'places' ? [left, right] : [left + 8, right - 8];
  const horizontal =
    x.kind === 'places'
      ? placeScale({ names: x.names, range })
      : scale({ ...x, values: [...points.map((p) => p.x), ...ends], range });
  const place = ({ x: across, y: up }) => [horizontal.at(across), vertical.at(up)];
  const hint = (name, p) => `${name}: ${x.kind === 'places' ? x.names[p.x] : readable(p.x, x.unit)}, ${readable(p.y, y.unit)}`;
  const base = lower + lanes.length * LANE_HEIGHT + (lanes.length > 0 ? 3 : 0);

  const markup = [
    label('label', MARGIN, top + 9, y.label),
    vertical.grid.map((value) =>
      el('path', {
        class: 'grid',
        d: path([
          [left, vertical.at(value)],
          [right, vertical.at(value)],
        ]),
      }),
    ),
    vertical.ticks.map((tick) => label('tick', left - 6, vertical.at(tick.value) + 4, tick.label, 'end')),
    lanes.map((lane, index) => laneOf(lane, horizontal, upper, lower + 3 + index * LANE_HEIGHT)),
    el('path', { class: 'axis', d: `M${left.toFixed(1)} ${base}H${right}` }),
    tickLabels(horizontal, base),
    label('label', right, base + 33, x.label, 'end'),
    guides.map((guide) => el('path', { class: 'guide', d: path(guide.points.map(place)) })),
    series.map(({ slot, points: own }) =>
      own.filter(hasSpread).map((p) => el('path', { class: `spread s${slot}`, d: spreadOf(p, place) })),
    ),
    series.map(({ slot, dash, isScattered, points: own }) =>
      own.length < 2 || isScattered === true ? null : el('path', { class: `line s${slot} d${dash}`, d: path(own.map(place)) }),
    ),
    series.map(({ name, slot, shape, points: own }) =>
      shape === null ? null : own.map((p) => marker(shape, slot, ...place(p), hint(name, p))),
    ),
  ];
  return { markup, bottom: base + 36 };
}

/** More series than colours: the colours begin again, with other shapes and dashes. */
function looksOf({ slot, dash = slot + Math.floor(slot / SLOT_COUNT), shape = slot + Math.floor(slot / SLOT_COUNT) }) {
  return { slot: slot % SLOT_COUNT, dash: dash % SLOT_COUNT, shape };
}

function laneOf({ name, slot, spans }, horizontal, upper, y) {
  return spans.map(({ from, to }) => {
    const [start, end] = [horizontal.at(from), horizontal.at(to)];
    return [
      spans.length > MOST_MOMENTS ? null : el('path', { class: `moment s${slot}`, d: `M${start.toFixed(1)} ${upper}V${y}` }),
      el(
        'rect',
        { class: `f${slot}`, x: start, y, width: Math.max(end - start, 1.5), height: LANE_HEIGHT - 3 },
        el('title', {}, name),
      ),
    ];
  });
}

function spreadOf(p, place) {
  const [x, from] = place({ x: p.x, y: p.low });
  const [, to] = place({ x: p.x, y: p.high });
  return `M${(x - 3).toFixed(1)} ${from.toFixed(1)}h6m-3 0V${to.toFixed(1)}m-3 0h6`;
}

function path(places) {
  return `M${places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L')}`;
}

function isNumber(p) {
  return Number.isFinite(p.x) && Number.isFinite(p.y);
}

function hasSpread(p) {
  return Number.isFinite(p.low) && Number.isFinite(p.high) && p.high > p.low;
}
