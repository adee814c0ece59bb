/**
 * The operations of keyed state, each in up to three ways, which take turns in one process:
 *
 * - `one`       finds its entry by itself
 * - `batched`   128 keys are looked up together first, as the keyed operators do; not for states of composite keys, whose
 *               entries the operators do not look up ahead
 * - `baseline`  the bare table
 */
import { hashKeyOfTwoWords } from '../../dist/format/hash.js';
import { BareCompositeTable, BareTable } from './bare-table.mjs';
import { longKeys, streamOf } from './keys.mjs';
import { addInBatches, inBatches, moveTo, newStateMap, oneByOne, open } from './loops.mjs';

/** Map keys of a key, and elements that a list grows by in a round or so. */
const SUB_KEYS = 10;
const F64 = { type: 'f64' };

/**
 * Each makes its loops, which go over a stream of keys and return something that depends on the work. `keyCount` is the number of
 * keys in the stream's range, `perKey` the operations for each of them.
 */
const OPERATIONS = {
  /** Reads a value state. */
  get({ keys, entries }) {
    const { handle, map, key } = filledValues(keys, entries);
    const table = filledTable(keys, entries);
    const act = () => handle.get();
    return {
      one: oneByOne(key, act),
      batched: inBatches(key, map, act),
      baseline: overKeys((low, high) => table.get(low, high)),
    };
  },

  /** Changes a value state by a function of its value. */
  update({ keys, entries }) {
    const { handle, map, key } = filledValues(keys, entries);
    const table = filledTable(keys, entries);
    const next = (n) => n + 1;
    const act = () => handle.update(next);
    return {
      one: oneByOne(key, act),
      batched: inBatches(key, map, act),
      baseline: overKeys((low, high) => table.add(low, high, 1)),
    };
  },

  /** Adds to a number in place, as the built-in aggregates do. */
  add({ keys, entries }) {
    const map = newStateMap();
    const table = filledTable(keys, entries);
    const addEach = (stream, count) => {
      const { u32 } = stream;
      const { f64 } = map.memory;
      for (let i = 0; i < count; i++) {
        const hash = hashKeyOfTwoWords(u32[2 * i], u32[2 * i + 1]);
        f64[map.valueAt(map.upsert(hash, stream, i * 8, 8, 8)) / 8]++;
      }
      return map.size;
    };
    addEach(keys, entries);
    return {
      one: addEach,
      batched: addInBatches(map),
      baseline: overKeys((low, high) => table.add(low, high, 1)),
    };
  },

  /** Reads one entry of a map state. */
  'map-get'({ keys, entries }) {
    const { handle, key, table, keyCount } = filledMaps(keys, entries);
    const nextSub = subKeys();
    const nextBare = subKeys();
    return {
      keyCount,
      one: oneByOne(key, () => handle.get(nextSub())),
      baseline: overKeys((low, high) => table.get(low, high, nextBare())),
    };
  },

  /** Writes one entry of a map state that is there. */
  'map-put'({ keys, entries }) {
    const { handle, key, table, keyCount } = filledMaps(keys, entries);
    const nextSub = subKeys();
    const nextBare = subKeys();
    return {
      keyCount,
      one: oneByOne(key, () => {
        handle.set(nextSub(), 1);
        return 1;
      }),
      baseline: overKeys((low, high) => table.set(low, high, nextBare(), 1)),
    };
  },

  /** Reads all entries of a key's map state; an operation is an entry. */
  'map-iterate'({ keys, entries }) {
    const { handle, key, table, keyCount } = filledMaps(keys, entries);
    return {
      keyCount,
      perKey: SUB_KEYS,
      one: oneByOne(key, () => {
        let sum = 0;
        for (const [, entry] of handle.entries()) sum += entry;
        return sum;
      }),
      baseline: overKeys((low, high) => {
        let sum = 0;
        for (let sub = 1; sub <= SUB_KEYS; sub++) sum += table.get(low, high, sub);
        return sum;
      }),
    };
  },

  /** Adds an element to a list state. */
  'list-append'({ entries, appended }) {
    const keyCount = entries / SUB_KEYS;
    const { handle, key } = open({ kind: 'list', schema: F64 });
    const table = new BareCompositeTable(keyCount, appended);
    return {
      keyCount,
      one: oneByOne(key, () => {
        handle.add(1);
        return 1;
      }),
      baseline: overKeys((low, high) => table.append(low, high, 1)),
    };
  },
};

export const OPERATION_NAMES = Object.keys(OPERATIONS);

/**
 * Called in a process of its own.
 *
 * @param operation   one of `OPERATION_NAMES`
 * @param entries     keys, or map keys of a tenth as many keys; a multiple of 10
 * @param operations  in a round
 * @param rounds      that are measured
 * @returns {{ rates: Record<'one' | 'batched' | 'baseline', number[]> }} operations per second of CPU time, of each round
 */
export function measureOperation({ operation, entries, operations, rounds, warmUpRounds, seed }) {
  const keys = longKeys(entries);
  const appended = operations * (rounds + warmUpRounds);
  const { perKey = 1, keyCount = entries, ...ways } = OPERATIONS[operation]({ keys, entries, appended });
  const count = Math.ceil(operations / perKey);
  const stream = streamOf(keys, count, keyCount, seed);
  const rates = Object.fromEntries(Object.keys(ways).map((mode) => [mode, []]));
  let checksum = 0;
  for (let round = 0; round < warmUpRounds + rounds; round++)
    for (const [mode, work] of Object.entries(ways)) {
      const before = cpuMs();
      checksum += work(stream, count);
      if (round >= warmUpRounds) rates[mode].push(((count * perKey) / (cpuMs() - before)) * 1000);
    }
  // The checksum goes along so that no loop is without a use.
  return { rates, checksum };
}

/** CPU time of this process: a neighbour on the machine changes it less than the time of day. */
function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A loop over the keys of a stream as two words each. */
function overKeys(act) {
  return ({ i32 }, count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += act(i32[2 * i], i32[2 * i + 1]);
    return sum;
  };
}

/** The map keys 1 to `SUB_KEYS` in turn. */
function subKeys() {
  let visit = 0;
  return () => (visit = (visit % SUB_KEYS) + 1);
}

function filledValues(keys, entries) {
  const { handle, map, key } = open({ kind: 'value', schema: F64, initial: 0 });
  for (let i = 0; i < entries; i++) {
    moveTo(key, keys, i);
    handle.set(i);
  }
  return { handle, map, key };
}

function filledTable({ i32 }, entries) {
  const table = new BareTable(entries);
  for (let i = 0; i < entries; i++) table.set(i32[2 * i], i32[2 * i + 1], i);
  return table;
}

/** Maps of `SUB_KEYS` numbers, in the state and in the bare table. */
function filledMaps(keys, entries) {
  const keyCount = entries / SUB_KEYS;
  const { handle, key } = open({ kind: 'map', keySchema: { type: 'i32' }, schema: F64 });
  const table = new BareCompositeTable(entries);
  for (let i = 0; i < keyCount; i++) {
    moveTo(key, keys, i);
    for (let sub = 1; sub <= SUB_KEYS; sub++) {
      handle.set(sub, sub);
      table.set(keys.i32[2 * i], keys.i32[2 * i + 1], sub, sub);
    }
  }
  return { handle, key, table, keyCount };
}
