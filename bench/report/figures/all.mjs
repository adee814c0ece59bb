/**
 * Every figure that a document gives, from its points.
 *
 * A figure is `{ kind: 'line'|'bar'|'table', name, isMain, title, finding, note, table?, ... }` with what `lineChart` or `barChart` takes.
 * `finding` says what to see in it, from its numbers. `name` is that of its file; `isMain` chooses it for publication. Its table says in numbers what it draws.
 */
import { barChart } from '../bar-chart.mjs';
import { lineChart } from '../line-chart.mjs';
import { readable } from '../units.mjs';
import { latencyFigures } from './latency.mjs';
import { microFigures } from './micro.mjs';
import { exchangeFigures, restoreFigures, startupFigures } from './parts.mjs';
import { peerFigures } from './peers.mjs';
import { scalingFigures } from './scaling.mjs';
import { snapshotFigures } from './snapshots.mjs';
import { stateFigures, stateMemoryFigures } from './state.mjs';
import { throughputFigures } from './throughput.mjs';

const DRAW = [
  snapshotFigures,
  peerFigures,
  throughputFigures,
  scalingFigures,
  latencyFigures,
  stateFigures,
  stateMemoryFigures,
  exchangeFigures,
  restoreFigures,
  startupFigures,
  microFigures,
];

/**
 * @param points  of one program
 * @returns { figures, failures }: figures that hold at least one number; and why points could not be drawn, one text for each kind of figure:
 *          a document of another version costs its own figures, not the report
 */
export function figuresOf(points) {
  const figures = [];
  const failures = [];
  for (const draw of DRAW) {
    try {
      for (const figure of draw(points).filter(hasNumbers)) figures.push({ ...figure, table: figure.table ?? tableOf(figure) });
    } catch (error) {
      failures.push(`Some points have another form than this report knows: ${error.message}`);
    }
  }
  return { figures, failures };
}

/**
 * @param id    unique in the document that the picture will be part of
 * @param foot  where the numbers come from, for a picture that stands alone; null for a part of a page
 */
export function picture(figure, id, foot = null) {
  const said = { ...figure, id, foot, description: describe(figure) };
  return figure.kind === 'line' ? lineChart(said) : barChart(said);
}

function hasNumbers(figure) {
  if (figure.kind === 'table') return true;
  if (figure.kind === 'bar') return figure.bars.some(({ value }) => Number.isFinite(value));
  return figure.series.some(({ points }) => points.some(({ y }) => Number.isFinite(y)));
}

/** In words, for those who hear the figure: its axes, and where each line begins and ends. */
function describe({ kind, title, finding, note: conditions, x, y, series, bars }) {
  const note = [finding, conditions].filter(Boolean).join(' ');
  if (kind === 'bar')
    return `${title}. ${note} ${bars.map(({ name, value }) => `${name}: ${readable(value, x.unit)}`).join('; ')}.`;
  const lines = series.map(({ name, points }) => {
    const known = points.filter((p) => Number.isFinite(p.y));
    if (known.length === 0) return `${name}: not measured`;
    const at = (p) => `${readable(p.y, y.unit)} at ${placeOf(p, x)}`;
    return `${name}: ${at(known[0])}${known.length > 1 ? `, ${at(known.at(-1))}` : ''}`;
  });
  return `${y.label} over ${x.label}. ${note} ${lines.join('; ')}.`;
}

function tableOf({ kind, x, y, series, bars }) {
  if (kind === 'bar')
    return {
      head: ['', x.label, 'least', 'most'],
      rows: bars.map((bar) => [bar.name, ...[bar.value, bar.low, bar.high].map((v) => readable(v, x.unit))]),
    };
  return {
    head: ['', x.label, y.label, 'least', 'most'],
    rows: series.flatMap(({ name, points }) =>
      points.map((p) => [name, placeOf(p, x), ...[p.y, p.low, p.high].map((value) => readable(value, y.unit))]),
    ),
  };
}

function placeOf(p, x) {
  return x.kind === 'places' ? x.names[p.x] : readable(p.x, x.unit);
}
