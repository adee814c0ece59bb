/**
 * Counts generated keys in a store, in this process and on its one JavaScript thread, with a commit each interval, and measures
 * that. Called through `bench/lib/isolated.mjs`, each measurement in a process of its own.
 *
 * A store is what `open({ directory, keys })` of a file in `stores/` returns:
 *
 *     count(from, to)   counts the records of these indexes
 *     within(work)      runs `work`, an interval's counting, inside a transaction; optional
 *     commit()          makes everything counted so far durable. Blocking, or a promise: then `count` goes on meanwhile if
 *                       `commitsInBackground` is set. Absent: nothing is durable
 *     entries()         iterable of [key, count] of all that was counted, or an asynchronous one; absent: nothing is counted
 *     close()
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fingerprintOfCounts, fingerprintOfRecords } from './keys.mjs';

/** Records between two looks at the clock: 1 to 30 ms. */
const CHUNK = 1 << 14;

/**
 * Records per second once the store holds all keys and is warm. The window begins with a commit and ends with one, so that as
 * many commits are in it as intervals.
 *
 * @param store  name of a file in `stores/`
 * @returns {Promise<{ perSecond: number, records: number, elapsedMs: number, cpuMs: number, stallMs: number[] }>} `stallMs`: for
 *          each commit, how long no record was counted
 * @throws when the store's counts are not those of the records
 */
export async function countIn({ store: name, keys, intervalMs, warmUpMs, windowMs }) {
  const { open } = await import(`./stores/${name}.mjs`);
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-peer-'));
  try {
    const store = await open({ directory, keys });
    const { result, records } = await measure(store, { intervalMs, warmUpMs, windowMs });
    if (store.entries !== undefined) verify(name, keys, records, await fingerprintOfCounts(store.entries()));
    await store.close?.();
    return result;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(store, { intervalMs, warmUpMs, windowMs }) {
  const loop = new CountingLoop(store, intervalMs);
  await loop.runFor(warmUpMs);
  const result = await loop.runFor(windowMs);
  await loop.finish();
  return { result, records: loop.records };
}

/** Counts, and commits when the next multiple of the interval has come. What a commit makes late is not made up for. */
class CountingLoop {
  records = 0;
  #store;
  #intervalMs;
  #within;
  #started = performance.now();
  /** @type {Promise<void> | null} the commit that is being written while counting goes on */
  #underWay = null;
  #failure = null;
  #lastCountedAt = 0;
  #commitPending = false;
  #stallMs = [];

  constructor(store, intervalMs) {
    this.#store = store;
    this.#intervalMs = intervalMs;
    this.#within = store.within ?? ((work) => work());
  }

  /** From the last commit to the first one after `ms`. */
  async runFor(ms) {
    this.#stallMs = [];
    const first = this.records;
    const cpu = process.cpuUsage();
    const started = performance.now();
    do {
      await this.#countUntilNextTick();
      await this.#commit();
    } while (performance.now() - started < ms);
    const elapsedMs = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    const records = this.records - first;
    return {
      perSecond: (records / elapsedMs) * 1000,
      records,
      elapsedMs,
      cpuMs: (user + system) / 1000,
      stallMs: this.#stallMs,
    };
  }

  /** Makes the last records durable. */
  async finish() {
    await this.#settled();
    await this.#commit();
    await this.#settled();
  }

  async #countUntilNextTick() {
    const ticks = Math.floor((performance.now() - this.#started) / this.#intervalMs) + 1;
    const due = this.#started + ticks * this.#intervalMs;
    if (this.#store.commitsInBackground) {
      do {
        this.#countChunk();
        // Completions of asynchronous writes are told on this thread.
        await turn();
      } while (performance.now() < due || this.#underWay !== null);
    } else {
      this.#within(() => {
        do this.#countChunk();
        while (performance.now() < due);
      });
    }
  }

  #countChunk() {
    if (this.#commitPending) this.#stallMs.push(performance.now() - this.#lastCountedAt);
    this.#commitPending = false;
    this.#store.count(this.records, this.records + CHUNK);
    this.records += CHUNK;
    this.#lastCountedAt = performance.now();
  }

  async #commit() {
    if (this.#failure !== null) throw this.#failure;
    if (this.#store.commit === undefined) return;
    this.#commitPending = true;
    const durable = this.#store.commit();
    if (!this.#store.commitsInBackground) await durable;
    else {
      // What lmdb returns has `then` only.
      this.#underWay = Promise.resolve(durable)
        .catch((error) => {
          this.#failure = error;
        })
        .finally(() => {
          this.#underWay = null;
        });
    }
  }

  async #settled() {
    await this.#underWay;
    if (this.#failure !== null) throw this.#failure;
  }
}

/** @throws when what was counted is not so many records, the first ones */
export function verify(name, keys, records, counted) {
  const expected = fingerprintOfRecords(keys, 0, records);
  if (counted.records !== records || counted.fingerprint !== expected) {
    throw new Error(
      `${name}: counts add up to ${counted.records} with fingerprint ${counted.fingerprint}; ${records} records with fingerprint ${expected} were counted`,
    );
  }
}
