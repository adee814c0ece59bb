/** When two points of different documents measure the same thing, so that the better one replaces the other. */

/**
 * Of each kind what was chosen, not measured. Points of a kind that is not here are all kept; of `peers.count`, since each peer is held
 * against what was measured in the same run.
 */
const CHOSEN = {
  'snapshots.grid': ['mode', 'stateBytes', 'valueBytes', 'distribution', 'changedShare'],
  'snapshots.crossover': ['stateBytes', 'valueBytes', 'distribution'],
  'snapshots.growth': ['valueBytes'],
  'snapshots.frequent': ['stateBytes', 'valueBytes'],
  'snapshots.stall': ['stateBytes', 'valueBytes'],
  'snapshots.memory': ['entries', 'valueBytes', 'durationMs'],
  'throughput.series': ['job', 'threads', 'intervalMs'],
  'throughput.against-map': ['keys', 'threads'],
  'throughput.growth': ['keys', 'threads', 'intervalMs'],
  'scaling.point': ['job', 'threads'],
  'latency.point': ['share', 'rate', 'intervalMs'],
  'state.operation': ['operation', 'mode', 'entries'],
  'state.memory': ['keyBytes', 'valueBytes', 'entries'],
  'exchange.point': ['exchange', 'threads', 'recordBytes'],
  'exchange.generator': ['threads', 'recordBytes'],
  'restore.point': ['entries', 'threads'],
  'peers.restore': ['peer', 'entries', 'threads'],
  'peers.stall': ['peer'],
  'micro.task': ['group', 'task'],
};

let kept = 0;

/** @returns a text that only points have which measure the same */
export function samePointOf(point) {
  const fields = CHOSEN[point.kind];
  if (fields === undefined) return `${(kept += 1)}`;
  return JSON.stringify([point.kind, ...fields.map((field) => point[field] ?? null)]);
}
