/**
 * How fast is the keyed state map, and how much memory does it take? Run: node bench/state-map.ts (Node 24); jiti would measure its own
 * translation of private fields. Each figure is the best of twelve rounds, the slowest follows.
 */
import { hashKey, hashKeyOfWord } from '../src/format/hash.ts';
import { Memory } from '../src/format/memory.ts';
import { openDeltaReader } from '../src/worker/state/delta-reader.ts';
import { createStateMap } from '../src/worker/state/log-state-map.ts';
import type { StateMap } from '../src/worker/state/state-map.ts';

const BATCH = 1024;
const scratch = Memory.local(BATCH * 16);

/** Runs `round` a few times; prints millions per second of CPU time, of the best round and of the slowest. */
function measure(name: string, count: number, round: () => void, rounds = 12): void {
  const rates: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const before = cpuMs();
    round();
    rates.push(count / (cpuMs() - before) / 1000);
  }
  rates.sort((a, b) => b - a);
  console.log(`${name.padEnd(64)} ${rates[0].toFixed(1).padStart(7)} M/s   (slowest ${rates[rates.length - 1].toFixed(1)})`);
}

/** CPU time of this process: a neighbour on the machine changes it less than the time of day. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Random key numbers, the same for every run. */
function randomKeys(count: number, range: number): Uint32Array {
  const keys = new Uint32Array(count);
  let state = 0x9e3779b9;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    keys[i] = (state >>> 0) % range;
  }
  return keys;
}

/** What an open-addressing table costs that can do nothing else: the same index, the same record size, no epochs. */
function bareTable(range: number, updates: Uint32Array): void {
  let slots = 64;
  while (slots * 0.625 < range) slots *= 2;
  const mask = slots - 1;
  const index = new Int32Array(new SharedArrayBuffer((slots + 1024) * 8));
  const log = new Int32Array(new SharedArrayBuffer(range * 32 + 64));
  const values = new Float64Array(log.buffer);
  let tail = 4;
  measure(`bare table, ${range} keys`, updates.length, () => {
    for (let i = 0; i < updates.length; i++) {
      const key = updates[i];
      const hash = hashKeyOfWord(key) | 0;
      let at = (hash & mask) * 2;
      let address = 0;
      for (;;) {
        address = index[at + 1];
        if (address === 0 || (index[at] === hash && log[address * 2 + 5] === (key | 0))) break;
        at += 2;
      }
      if (address === 0) {
        address = tail;
        tail += 4;
        index[at] = hash;
        index[at + 1] = address;
        log[address * 2 + 5] = key;
      }
      values[address + 3]++;
    }
  });
}

function countOneByOne(map: StateMap, updates: Uint32Array): void {
  const { f64 } = map.memory;
  for (let i = 0; i < updates.length; i++) {
    const key = updates[i];
    scratch.u32[0] = key;
    const address = map.upsert(hashKeyOfWord(key), scratch, 0, 4, 8);
    f64[map.valueAt(address) / 8]++;
  }
}

const hashes = new Uint32Array(BATCH);
const addresses = new Uint32Array(BATCH);

function countBatched(map: StateMap, updates: Uint32Array): void {
  const { f64 } = map.memory;
  for (let from = 0; from < updates.length; from += BATCH) {
    const keys = updates.subarray(from, from + BATCH);
    for (let i = 0; i < keys.length; i++) hashes[i] = hashKeyOfWord(keys[i]);
    map.upsertWords(hashes, keys, 1, keys.length, 8, addresses);
    for (let i = 0; i < keys.length; i++) f64[map.valueAt(addresses[i]) / 8]++;
  }
}

function countStrings(map: StateMap, updates: Uint32Array): void {
  const { f64 } = map.memory;
  for (let i = 0; i < updates.length; i++) {
    const key = updates[i];
    scratch.u32[0] = key;
    scratch.u32[1] = 0x72657375;
    scratch.u32[2] = key ^ 0x2d2d2d2d;
    scratch.u32[3] = 0x30303030;
    const address = map.upsert(hashKey(scratch, 0, 16), scratch, 0, 16, 8);
    f64[map.valueAt(address) / 8]++;
  }
}

const newMap = (): StateMap => createStateMap({ limitBytes: 2 ** 31, epoch: 1, label: 'bench' });

const updates = 2 ** 20;
for (const range of [2 ** 16, 2 ** 20]) {
  const keys = randomKeys(updates, range);
  bareTable(range, keys);
  const one = newMap();
  measure(`upsert one by one, ${range} keys`, updates, () => countOneByOne(one, keys));
  const many = newMap();
  measure(`upsertWords, ${range} keys`, updates, () => countBatched(many, keys));
  const strings = newMap();
  measure(`upsert of 16-byte keys, ${range} keys`, updates, () => countStrings(strings, keys));
}

const range = 2 ** 20;
const distinct = Uint32Array.from({ length: range }, (_, i) => i);
{
  const map = newMap();
  countBatched(map, distinct);
  let epoch = 1;
  measure(`first touch after a mark, all ${range} keys in order`, range, () => {
    map.mark(++epoch);
    map.complete(epoch - 1);
    countBatched(map, distinct);
    while (map.clean(1000));
  });
  map.mark(++epoch);
  const reader = openDeltaReader(map.handles());
  measure(`collect a delta of ${range} records`, range, () => reader.collect(epoch - 2, epoch - 1));
  measure(`collectFull of ${range} entries`, range, () => reader.collectFull(epoch - 1));
}

measure(`load of ${range} entries`, range, () => {
  const map = createStateMap({ limitBytes: 2 ** 31, expectedEntries: range, epoch: 1, label: 'bench' });
  for (const key of distinct) {
    scratch.u32[0] = key;
    map.load(hashKeyOfWord(key), scratch, 0, 4, scratch, 0, 8);
  }
});

/** Random updates, 5 % of the keys between two marks, cleaned as a worker would: memory against the content. */
for (const [keyBytes, valueBytes] of [
  [4, 8],
  [8, 8],
  [16, 8],
  [16, 100],
] as const) {
  const entries = 2 ** 18;
  const map = newMap();
  const keys = randomKeys(entries * 20, entries);
  const perEpoch = Math.floor(entries / 20);
  let epoch = 1;
  let cleaningMs = 0;
  let peakBytes = 0;
  const upsert = (key: number): void => {
    scratch.u32.fill(key, 0, 4);
    map.upsert(hashKey(scratch, 0, keyBytes), scratch, 0, keyBytes, valueBytes);
  };
  for (let key = 0; key < entries; key++) upsert(key);
  const start = cpuMs();
  for (let i = 0; i < keys.length; i++) {
    upsert(keys[i]);
    if (i % perEpoch !== 0) continue;
    map.mark(++epoch);
    map.complete(epoch - 1);
    const before = cpuMs();
    while (map.clean(1000));
    cleaningMs += cpuMs() - before;
    if (i > keys.length / 2) peakBytes = Math.max(peakBytes, map.usedBytes);
  }
  const ratio = peakBytes / entries / (keyBytes + valueBytes + 16);
  console.log(
    `keys of ${keyBytes} B, values of ${valueBytes} B: ${(peakBytes / entries).toFixed(1)} B an entry, ${ratio.toFixed(2)} x (key + value + 16); cleaning ${((cleaningMs / (cpuMs() - start)) * 100).toFixed(0)} % of the time`,
  );
}
