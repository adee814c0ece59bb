/** The programs that peers are measured with. Those that need packages of their own are tried by `npm run bench peers -- --quick`. */
import { describe, expect, test } from 'vitest';

interface Counted {
  records: number;
  fingerprint: number;
}
interface KeysModule {
  keyAt(index: number, keys: number): number;
  fingerprintOfRecords(keys: number, from: number, count: number, stride?: number): number;
  fingerprintOfCounts(entries: Iterable<[number, number]>): Promise<Counted>;
}
interface CountingModule {
  countIn(options: Record<string, unknown>): Promise<{ records: number; stallMs: number[] }>;
  verify(name: string, keys: number, records: number, counted: Counted): void;
}
interface TidemarkModule {
  verifyCounts(options: Record<string, unknown>): Promise<{ records: number; entries: number }>;
}

const load = (name: string): Promise<unknown> => import(new URL(`../../bench/peers/${name}`, import.meta.url).href);
const keysModule = (await load('keys.mjs')) as KeysModule;
const counting = (await load('counting.mjs')) as CountingModule;
const tidemark = (await load('tidemark.mjs')) as TidemarkModule;

const KEYS = 1000;
const RECORDS = 20_000;

function countsOfFirstRecords(): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = 0; i < RECORDS; i++) {
    const key = keysModule.keyAt(i, KEYS);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

describe('peers: what a store counted', () => {
  test('is accepted when it is what the records add up to, in whatever order and however the records were divided', async () => {
    const counted = await keysModule.fingerprintOfCounts([...countsOfFirstRecords()].toReversed());
    expect(counted.records).toBe(RECORDS);
    expect(() => counting.verify('all', KEYS, RECORDS, counted)).not.toThrow();
    const even = keysModule.fingerprintOfRecords(KEYS, 0, RECORDS / 2, 2);
    const odd = keysModule.fingerprintOfRecords(KEYS, 1, RECORDS / 2, 2);
    expect((even + odd) >>> 0).toBe(counted.fingerprint);
  });

  test('is refused when an update was lost, or counted for another key', async () => {
    const counts = countsOfFirstRecords();
    counts.set(7, (counts.get(7) ?? 0) - 1);
    const afterLoss = await keysModule.fingerprintOfCounts(counts);
    expect(() => counting.verify('lossy', KEYS, RECORDS, afterLoss)).toThrow(/lossy: counts add up to 19999/);
    counts.set(8, (counts.get(8) ?? 0) + 1);
    const afterMove = await keysModule.fingerprintOfCounts(counts);
    expect(afterMove.records).toBe(RECORDS);
    expect(() => counting.verify('confused', KEYS, RECORDS, afterMove)).toThrow(/confused: counts add up to 20000/);
  });
});

describe('peers: the counting loop', () => {
  test.each(['map', 'map-dump'])('%s counts every record that it says, and commits when it is to be durable', async (store) => {
    const { records, stallMs } = await counting.countIn({ store, keys: KEYS, intervalMs: 20, warmUpMs: 20, windowMs: 100 });
    expect(records).toBeGreaterThan(0);
    expect(stallMs.length > 0).toBe(store === 'map-dump');
  });
});

test("peers: the counts in a job's checkpoint are those of the records that its sources made", async () => {
  const { records, entries } = await tidemark.verifyCounts({ keys: KEYS, threads: 2, minimumEntries: KEYS / 2 });
  expect(entries).toBeGreaterThanOrEqual(KEYS / 2);
  expect(records).toBeGreaterThanOrEqual(entries);
});
