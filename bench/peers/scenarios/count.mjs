/** Keyed count of the same generated keys by everyone that is installed, in turns. */
import { FILLED } from '../../engine/settings.mjs';
import { callAlone } from '../../lib/isolated.mjs';
import { point } from '../../lib/program.mjs';
import { median, row } from '../../lib/report.mjs';
import { perCoreSecond, spreadOf } from '../../throughput/rates.mjs';
import { fingerprintInFlink, isFlinkBuilt } from '../flink.mjs';
import { fingerprintOfRecords } from '../keys.mjs';
import { aimAt } from '../roster.mjs';

const TIDEMARK = new URL('../tidemark.mjs', import.meta.url).href;
/** Records whose keys are compared with the Java port's: some where an index has more than 32 bits. */
const COMPARED = [0, 2 ** 33 + 5, 2 ** 49];

export const count = {
  name: 'count',
  question: 'How many records does a second of one core count, durable every second?',
  async *rows(settings) {
    const { keys, threads, runs, peers } = settings;
    await compareKeys(peers, keys);
    const checked = await callAlone(TIDEMARK, 'verifyCounts', { keys, threads, minimumEntries: FILLED * keys });
    const results = new Map(peers.map((peer) => [peer, []]));
    // In turns: what else the machine does then weighs on all.
    for (let run = 0; run < runs; run++) {
      for (const peer of peers) results.get(peer).push(await peer.measure(settings));
    }
    yield row(
      'keys',
      keys,
      '',
      null,
      `counts of every run verified; Tidemark's in a run of their own, ${checked.records} records`,
    );
    for (const [peer, measured] of results) yield* rowsOf(peer, measured, keys);
    yield* ratiosOf(results, keys);
  },
};

function* rowsOf(peer, measured, keys) {
  const perCore = measured.map(perCoreSecond);
  const rates = measured.map(({ perSecond }) => perSecond);
  const stallMs = measured.flatMap((result) => result.stallMs);
  const stall = stallMs.length === 0 ? '' : `; ${stallMs.length} commits, longest stop ${Math.round(Math.max(...stallMs))} ms`;
  const wall = `${(median(rates) / 1e6).toFixed(2)} M/s in all`;
  yield row(`${peer.title}, per core`, median(perCore), 'records/s', null, `${spreadOf(perCore)}; ${wall}${stall}`);
  yield point({
    kind: 'peers.count',
    peer: peer.title,
    keys,
    seconds: median(measured.map(({ elapsedMs }) => elapsedMs)) / 1000,
    perSecond: median(rates),
    cpuSeconds: median(measured.map(({ cpuMs }) => cpuMs)) / 1000,
    perSecondPerCore: median(perCore),
    durability: peer.durability,
    configuration: peer.configuration,
    stallMs: stallMs.length === 0 ? null : stallMs,
    runs: measured.map(({ perSecond, cpuMs, elapsedMs, records }) => ({
      perSecond,
      cpuSeconds: cpuMs / 1000,
      seconds: elapsedMs / 1000,
      records,
    })),
  });
}

function* ratiosOf(results, keys) {
  const perCore = new Map([...results].map(([peer, measured]) => [peer.name, median(measured.map(perCoreSecond))]));
  for (const peer of results.keys()) {
    if (peer.name === 'tidemark' || peer.name === 'generator') continue;
    const aim = aimAt(peer, keys);
    const times = perCore.get('tidemark') / perCore.get(peer.name);
    yield row(`Tidemark against ${peer.title}, per core`, times, 'times', aim === null ? null : { atLeast: aim });
  }
}

/** @throws when the Java port of the generator makes other keys */
async function compareKeys(peers, keys) {
  if (!peers.some(({ name }) => name.startsWith('flink')) || !isFlinkBuilt()) return;
  const records = 1_000_000;
  for (const from of COMPARED) {
    const expected = fingerprintOfRecords(keys, from, records);
    const actual = await fingerprintInFlink({ keys, from, records });
    if (actual !== expected) {
      throw new Error(`Keys of records ${from} to ${from + records}: fingerprint ${expected} here, ${actual} in Java.`);
    }
  }
}
