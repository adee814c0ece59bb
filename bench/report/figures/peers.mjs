/** The same count by other means: records a second and core, how long each stops to be durable, how long each takes to be back. */
import { ascending, groupBy, quantile, spreadOf, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';

const OWN = 0;
const OTHER = null;
const REFERENCE = 1;

export function peerFigures(points) {
  const of = (kind) => points.filter((point) => point.kind === kind);
  const byKeys = [...groupBy(of('peers.count'), ({ keys }) => keys)].toSorted(([a], [b]) => ascending(a, b));
  return [
    ...byKeys.flatMap(([keys, peers], index) => [perCore(keys, peers, index === 0), stallsOfCount(keys, peers, index === 0)]),
    stalls(of('peers.stall')),
    ...restores(of('peers.restore')),
  ].filter((figure) => figure !== null);
}

function perCore(keys, peers, isMain) {
  // Measured in parts, each peer is held against the Map of its own part: what else the machine did then weighed on both.
  const drawn = [...groupBy(peers, ({ peer }) => peer).values()].map(([best]) => best);
  const mapOf = ({ document }) => peers.find((peer) => isMapLoop(peer) && peer.document === document) ?? peers.find(isMapLoop);
  const sorted = drawn.toSorted((a, b) => b.perSecondPerCore - a.perSecondPerCore);
  const bars = sorted.map((peer) => {
    const { low, high } = summary(
      peer.runs.map(({ perSecond, cpuSeconds, seconds = peer.seconds }) => (perSecond * seconds) / cpuSeconds),
    );
    const map = mapOf(peer);
    return {
      name: peer.peer,
      under: `durability: ${peer.durability}`,
      value: peer.perSecondPerCore,
      low,
      high,
      detail: map === undefined ? '' : `${readable(peer.perSecondPerCore / map.perSecondPerCore, '')}×`,
      slot: slotOf(peer),
    };
  });
  const map = peers.find(isMapLoop);
  return {
    kind: 'bar',
    name: isMain ? 'peers' : `peers-${keys}`,
    isMain: true,
    title: `Keyed count over ${keys.toLocaleString('en-US')} keys, per core`,
    finding: countSentence(sorted, peers),
    note: `Records for each second of processor time of the whole process tree; median of ${countOfRuns(drawn)}, strokes from the slowest to the fastest.${map === undefined ? '' : ` × is against the ${map.peer}.`}`,
    x: { label: 'records per second and core, log', unit: 'count', kind: 'log' },
    bars,
    legend: [
      { name: 'Tidemark', slot: OWN, kind: 'area' },
      ...(map === undefined ? [] : [{ name: 'not durable', slot: REFERENCE, kind: 'area' }]),
      { name: 'others', slot: OTHER, kind: 'area' },
    ],
    reference: map === undefined ? null : { name: map.peer, value: map.perSecondPerCore },
    table: {
      head: ['Peer', 'Durability', 'Records/s and core', 'Records/s', 'CPU seconds', 'Runs', 'Configuration'],
      rows: drawn.map((peer) => [
        peer.peer,
        peer.durability,
        readable(peer.perSecondPerCore, 'count'),
        readable(peer.perSecond, 'count'),
        readable(peer.cpuSeconds, 's'),
        String(peer.runs.length),
        peer.configuration,
      ]),
    },
  };
}

/** Tidemark against each of the others, the nearest first; each against the Tidemark of its own part, where there is one. */
function countSentence(peers, all) {
  const own = all.filter(isOwn);
  const others = peers.filter((peer) => !isOwn(peer) && !isGenerator(peer));
  if (own.length === 0 || others.length === 0) return null;
  const said = others.map((peer) => {
    const ours = own.find(({ document }) => document === peer.document) ?? own[0];
    return `${readable(ours.perSecondPerCore / peer.perSecondPerCore, 'times')} ${peer.peer}`;
  });
  return `Tidemark counts ${said.join(', ')}.`;
}

function countOfRuns(peers) {
  const counts = peers.map(({ runs }) => runs.length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${least} ${least === 1 ? 'run' : 'runs'}` : `${least} to ${most} runs`;
}

function stallsOfCount(keys, peers, isMain) {
  return stallFigure({
    name: isMain ? 'peers-count-stall' : `peers-count-stall-${keys}`,
    isMain: false,
    title: `How long the count stops to be durable, ${keys.toLocaleString('en-US')} keys`,
    peers,
    nameOf: ({ peer }) => peer,
  });
}

/** The scenario that measures nothing else, with about 1 GB. */
function stalls(peers) {
  return stallFigure({
    name: 'peers-stall',
    isMain: true,
    title: 'How long work stops for a durable copy of the state',
    peers,
    nameOf: ({ peer, bytes }) => `${peer}, ${readable(bytes, 'bytes')}`,
  });
}

function stallFigure({ name, isMain, title, peers, nameOf }) {
  const bars = peers
    .filter(({ stallMs }) => stallMs?.length > 0)
    .map((peer) => ({
      name: nameOf(peer),
      under: `${peer.stallMs.length} stops, median ${readable(quantile(peer.stallMs, 0.5), 'ms')}`,
      value: quantile(peer.stallMs, 0.99),
      low: quantile(peer.stallMs, 0.5),
      high: quantile(peer.stallMs, 1),
      slot: slotOf(peer),
    }))
    .toSorted((a, b) => a.value - b.value);
  if (bars.length === 0) return null;
  const own = bars.find(({ slot }) => slot === OWN);
  const longest = bars.findLast(({ slot }) => slot !== OWN);
  return {
    kind: 'bar',
    name,
    isMain,
    title,
    finding:
      own === undefined || longest === undefined
        ? null
        : `p99 of ${own.name}: ${readable(own.value, 'ms')}; of ${longest.name}: ${readable(longest.value, 'ms')}, ${readable(longest.value / own.value, 'times')} as long.`,
    note: 'The bar is p99; strokes from the median to the longest.',
    x: { label: 'stop, p99, log', unit: 'ms', kind: 'log' },
    bars,
  };
}

function restores(points) {
  return [...groupBy(points, ({ entries }) => entries)].map(([entries, peers], index) => {
    const sorted = peers.toSorted((a, b) => a.durationMs - b.durationMs);
    const own = sorted.find(isOwn);
    const said = sorted
      .filter((peer) => !isOwn(peer))
      .map(({ peer, durationMs }) => `${peer} takes ${readable(durationMs / (own?.durationMs ?? NaN), 'times')} as long`);
    return {
      kind: 'bar',
      name: index === 0 ? 'peers-restore' : `peers-restore-${entries}`,
      isMain: index === 0,
      title: `Time to restore ${readable(entries, 'count')} entries`,
      finding: own === undefined || said.length === 0 ? null : `Tidemark ${readable(own.durationMs, 'ms')}; ${said.join('; ')}.`,
      note: 'Until the last subtask has its state. Tidemark starts its threads in that time; Flink runs already and is warm, and with RocksDB it copies files that are read later.',
      x: { label: 'restore, log', unit: 'ms', kind: 'log' },
      bars: sorted.map((peer) => ({ name: peer.peer, value: peer.durationMs, ...spreadOf(peer.runs), slot: slotOf(peer) })),
    };
  });
}

function slotOf(peer) {
  if (isOwn(peer)) return OWN;
  return isMapLoop(peer) ? REFERENCE : OTHER;
}

function isOwn({ peer }) {
  return /tidemark/i.test(peer);
}

/** Counts nothing: shown so that nobody takes the speed of the generator for that of a count. */
function isGenerator({ peer }) {
  return /generated|generator/i.test(peer);
}

/** The plain loop over a `Map`, without durability. */
function isMapLoop({ peer, durability = '' }) {
  return /\bmap\b/i.test(peer) && /none|^no\b|without/i.test(durability);
}
