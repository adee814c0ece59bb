/** A keyed state with a current key that the benchmark moves, and loops that move it as the operators do. */
import { hashKeyOfTwoWords } from '../../dist/format/hash.js';
import { CurrentKey } from '../../dist/worker/state/handles/current-key.js';
import { openState } from '../../dist/worker/state/handles/open-state.js';
import { createStateMap } from '../../dist/worker/state/log-state-map.js';

/** Keys that are looked up together, as in the keyed operators (`CHUNK_ROWS`). */
const BATCH = 128;
const LIMIT_BYTES = 2 ** 31;

export function newStateMap(composite = false) {
  return createStateMap({ limitBytes: LIMIT_BYTES, epoch: 1, composite, derivesHash: !composite, label: 'bench' });
}

/** @param spec  `StateSpec` of the engine  @returns {{ handle, map, key: CurrentKey }} */
export function open(spec) {
  const key = new CurrentKey();
  const info = { uid: 'bench', name: 'state', keyType: 'int' };
  const { handle, map, isHead } = openState(spec, info, key, ({ composite }) => newStateMap(composite));
  // Only states that are found by the user's key alone are looked up ahead.
  key.locatedIn = isHead === null ? map : null;
  return { handle, map, key };
}

/** Moves to the key in 8 bytes of `keys`. */
export function moveTo(key, keys, i) {
  const { ref } = key;
  ref.memory = keys;
  ref.at = i * 8;
  ref.length = 8;
  ref.hash = hashKeyOfTwoWords(keys.u32[2 * i], keys.u32[2 * i + 1]);
  key.moved();
}

/** A loop that moves to each of the first `count` keys of a stream and acts on it. */
export function oneByOne(key, act) {
  return (stream, count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      moveTo(key, stream, i);
      sum += act();
    }
    return sum;
  };
}

/** The same, with the entries of a batch of keys looked up together before the first of them is acted on. */
export function inBatches(key, map, act) {
  const batch = new KeyBatch();
  const located = new Uint32Array(BATCH);
  const { ref } = key;
  return (stream, count) => {
    let sum = 0;
    for (let from = 0; from < count; from += BATCH) {
      const size = batch.gather(stream, from, count);
      map.locateWords(batch.hashes, batch.words, 2, size, located);
      for (let i = 0; i < size; i++) {
        ref.memory = stream;
        ref.at = (from + i) * 8;
        ref.length = 8;
        ref.hash = batch.hashes[i];
        key.moved(located[i]);
        sum += act();
      }
    }
    return sum;
  };
}

/** A loop that adds 1 to the f64 of each key, as the built-in aggregates do; missing entries are made. */
export function addInBatches(map) {
  const batch = new KeyBatch();
  const addresses = new Uint32Array(BATCH);
  return (stream, count) => {
    const { f64 } = map.memory;
    for (let from = 0; from < count; from += BATCH) {
      const size = batch.gather(stream, from, count);
      map.upsertWords(batch.hashes, batch.words, 2, size, 8, addresses);
      // Keys are equally long, so the value is at the same distance from every entry.
      const distance = map.valueAt(addresses[0]) / 8 - addresses[0];
      for (let i = 0; i < size; i++) f64[addresses[i] + distance]++;
    }
    return map.size;
  };
}

/** Words and hashes of up to `BATCH` keys. */
class KeyBatch {
  words = new Uint32Array(2 * BATCH);
  hashes = new Uint32Array(BATCH);

  /** @returns how many keys of a stream were taken, from `from` on and before `count` */
  gather({ u32 }, from, count) {
    const { words, hashes } = this;
    const size = Math.min(BATCH, count - from);
    for (let i = 0; i < size; i++) {
      const word = 2 * (from + i);
      words[2 * i] = u32[word];
      words[2 * i + 1] = u32[word + 1];
      hashes[i] = hashKeyOfTwoWords(u32[word], u32[word + 1]);
    }
    return size;
  }
}
