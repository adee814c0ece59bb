/** Who takes part in the keyed count: how each is set up, what it needs, how it is measured, and what is aimed at against it. */
import { createRequire } from 'node:module';
import { FILLED } from '../engine/settings.mjs';
import { callAlone, measureAlone } from '../lib/isolated.mjs';
import { countInFlink, isFlinkBuilt } from './flink.mjs';

const COUNTING = new URL('./counting.mjs', import.meta.url).href;
const require = createRequire(import.meta.url);
const always = () => true;
const hasPackage = (name) => () => {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
};

const NPM = 'npm ci --prefix bench/peers';
const MAVEN = 'mvn -q -f bench/peers/flink package';
const COMMIT = 'one transaction a second, synced';

/**
 * Each is `{ name, title, isInstalled(), install, durability, configuration, aim, measure(settings) }`:
 *
 * - `aim`: at least how many times its records per core Tidemark should count, by number of keys; null: shown only
 * - `measure`: gives `{ perSecond, records, elapsedMs, cpuMs, stallMs }`, of one process of its own
 */
export const PEERS = [
  {
    ...inNode('generator', null, 'none', 'the keys alone'),
    title: 'generated keys, nothing counted',
    // It is at its speed after some milliseconds, and shown for comparison only.
    measure: ({ keys, intervalMs }) =>
      callAlone(COUNTING, 'countIn', { store: 'generator', keys, intervalMs, warmUpMs: 200, windowMs: 500 }),
  },
  {
    name: 'tidemark',
    title: 'Tidemark',
    isInstalled: always,
    install: null,
    durability: 'an incremental checkpoint every second, files and directories synced',
    configuration: 'bench/jobs/count-numbers.mjs',
    aim: null,
    measure: tidemark,
  },
  {
    ...inNode('map', null, 'none', 'Map<number, number> in a loop, 1 thread'),
    title: 'Map, not durable',
    aim: { [2 ** 20]: 1.5, [2 ** 23]: 1.2 },
  },
  {
    ...inNode(
      'map-dump',
      null,
      'v8.serialize of the whole Map every second, synced and renamed',
      'written while counting goes on',
    ),
    title: 'Map, v8.serialize',
  },
  {
    ...inNode('lmdb', 'lmdb', COMMIT, 'keyEncoding uint32, get and put in transactionSync'),
    title: 'lmdb',
    aim: { [2 ** 20]: 20 },
  },
  {
    ...inNode('lmdb-write-behind', 'lmdb', COMMIT, "increments of a second in a Map, then put in key order by lmdb's thread"),
    title: 'lmdb behind a Map',
    aim: { [2 ** 20]: 20 },
  },
  {
    ...inNode('sqlite', 'better-sqlite3', COMMIT, 'WAL, synchronous = FULL, a prepared upsert for each record'),
    title: 'better-sqlite3',
    aim: { [2 ** 20]: 20 },
  },
  {
    ...inNode(
      'sqlite-write-behind',
      'better-sqlite3',
      COMMIT,
      'WAL, synchronous = FULL, increments of a second in a Map, then upserts in key order',
    ),
    title: 'better-sqlite3 behind a Map',
    aim: { [2 ** 20]: 20 },
  },
  {
    ...inNode(
      'level',
      'classic-level',
      'one batch a second, synced',
      'increments of a second in a Map, 512 MiB of block cache, 64 MiB write buffer, no compression',
    ),
    title: 'classic-level behind a Map',
  },
  { ...inFlink('hashmap', 'a full checkpoint every second, files synced'), title: 'Flink, hash map', aim: { [2 ** 20]: 4 } },
  {
    ...inFlink('rocksdb', 'an incremental checkpoint every second, files synced'),
    title: 'Flink, RocksDB',
    aim: { [2 ** 20]: 10 },
  },
];

/** @returns {number | null} times */
export function aimAt({ aim }, keys) {
  return aim?.[keys] ?? null;
}

function inNode(store, packageName, durability, configuration) {
  return {
    name: store,
    isInstalled: packageName === null ? always : hasPackage(packageName),
    install: packageName === null ? null : NPM,
    durability,
    configuration,
    aim: null,
    measure: ({ keys, intervalMs, warmUpMs, windowMs }) =>
      callAlone(COUNTING, 'countIn', { store, keys, intervalMs, warmUpMs, windowMs }),
  };
}

function inFlink(backend, durability) {
  return {
    name: `flink-${backend}`,
    isInstalled: isFlinkBuilt,
    install: MAVEN,
    durability,
    configuration: `mini cluster of one task manager, ${backend}, object reuse, incremental, 6 GB heap, 1 GB managed memory`,
    measure: ({ keys, intervalMs, flinkWarmUpMs, windowMs, threads }) =>
      countInFlink({ backend, keys, intervalMs, warmUpMs: flinkWarmUpMs, windowMs, parallelism: threads }),
  };
}

async function tidemark({ keys, intervalMs, warmUpMs, windowMs, threads }) {
  const minimumEntries = FILLED * keys;
  const job = { job: 'count-numbers', args: [keys], threads, intervalMs, minimumEntries, warmUpMs, windowMs };
  const { checkpoints, ...rates } = await measureAlone('steadyRate', job);
  return { ...rates, stallMs: checkpoints.map(({ syncMs }) => syncMs) };
}
