/** The same count by other means: records a second and core, and how long each stops while it makes its state durable. */
import { ascending, groupBy, quantile, summary } from '../statistics.mjs';
import { readable } from '../units.mjs';

const OWN = 0;
const OTHER = null;
const REFERENCE = 1;

export function peerFigures(points) {
  const counts = points.filter(({ kind }) => kind === 'peers.count');
  const byKeys = [...groupBy(counts, ({ keys }) => keys)].toSorted(([a], [b]) => ascending(a, b));
  return byKeys
    .flatMap(([keys, peers], index) => [perCore(keys, peers, index === 0), stalls(keys, peers, index === 0)])
    .filter(Boolean);
}

function perCore(keys, peers, isMain) {
  const map = peers.find(isMapLoop);
  const bars = peers
    .toSorted((a, b) => b.perSecondPerCore - a.perSecondPerCore)
    .map((peer) => {
      const { low, high } = summary(
        peer.runs.map(({ perSecond, cpuSeconds, seconds = peer.seconds }) => (perSecond * seconds) / cpuSeconds),
      );
      const detail = map === undefined ? '' : `${readable(peer.perSecondPerCore / map.perSecondPerCore, '')}×`;
      return {
        name: peer.peer,
        under: `durability: ${peer.durability}`,
        value: peer.perSecondPerCore,
        low,
        high,
        detail,
        slot: slotOf(peer),
      };
    });
  return {
    kind: 'bar',
    name: isMain ? 'peers' : `peers-${keys}`,
    isMain: true,
    title: `Keyed count over ${keys.toLocaleString('en-US')} keys, per core`,
    note: `Records for each second of processor time of the whole process tree; median of the runs, strokes from the slowest to the fastest.${map === undefined ? '' : ` × is against the ${map.peer}.`}`,
    x: { label: 'records per second and core, log', unit: 'count', kind: 'log' },
    bars,
    reference: map === undefined ? null : { name: map.peer, value: map.perSecondPerCore },
    table: {
      head: ['Peer', 'Durability', 'Records/s and core', 'Records/s', 'CPU seconds', 'Runs', 'Configuration'],
      rows: peers.map((peer) => [
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

function stalls(keys, peers, isMain) {
  const stopping = peers.filter(({ stallMs }) => stallMs?.length > 0);
  if (stopping.length === 0) return null;
  return {
    kind: 'bar',
    name: isMain ? 'peers-stall' : `peers-stall-${keys}`,
    isMain,
    title: `How long the work stops for durability, ${keys.toLocaleString('en-US')} keys`,
    note: 'p99 of the stops; strokes from the median to the longest.',
    x: { label: 'stop, p99, log', unit: 'ms', kind: 'log' },
    bars: stopping
      .map((peer) => ({
        name: peer.peer,
        value: quantile(peer.stallMs, 0.99),
        low: quantile(peer.stallMs, 0.5),
        high: quantile(peer.stallMs, 1),
        slot: slotOf(peer),
      }))
      .toSorted((a, b) => a.value - b.value),
  };
}

function slotOf(peer) {
  if (/tidemark/i.test(peer.peer)) return OWN;
  return isMapLoop(peer) ? REFERENCE : OTHER;
}

/** The plain loop over a `Map`, without durability. */
function isMapLoop({ peer, durability }) {
  return /\bmap\b/i.test(peer) && /none|^no\b|without/i.test(durability);
}
