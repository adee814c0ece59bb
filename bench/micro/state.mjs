/** The state map: probes of its index, appending to its log, finding what changed, restoring. */
import { hashKeyOfTwoWords } from '../../dist/format/hash.js';
import { openDeltaReader } from '../../dist/worker/state/delta-reader.js';
import { createStateMap } from '../../dist/worker/state/log-state-map.js';
import { longKeys, streamOf } from '../state/keys.mjs';
import { addInBatches, newStateMap } from '../state/loops.mjs';

/** The maps are larger than the caches; one that is not shows what the instructions cost. */
const ENTRIES = 2 ** 19;
const FEW = 2 ** 12;
const PROBES = 4096;
const PIECES = 64;
const CHANGED = 2 ** 14;
const LOADED = 2 ** 14;

export const state = {
  name: 'state',
  question: 'What do probes, appends, the collecting of changes and the loading of entries cost?',
  tasks: [
    findTask('in memory', 'memory', ENTRIES),
    updateTask('in memory', 'memory', ENTRIES),
    findTask('in the cache', 'cache', FEW),
    updateTask('in the cache', 'cache', FEW),
    {
      // After a barrier the first change of a key appends a copy.
      task: 'append to the log after a barrier, cleaning up',
      unit: 'key',
      reference: 'cache',
      items: CHANGED,
      make() {
        const { keys, map, addAll } = filled(CHANGED);
        let epoch = 1;
        return () => {
          map.mark(++epoch);
          map.complete(epoch - 1);
          addAll(keys, CHANGED);
          while (map.clean(1000));
          return map.size;
        };
      },
    },
    {
      task: 'collect and sort the changes of an epoch',
      unit: 'key',
      reference: 'cache',
      items: CHANGED,
      make() {
        const { map } = filled(CHANGED);
        map.mark(2);
        const reader = openDeltaReader(map.handles());
        return () => reader.collect(0, 1).length;
      },
    },
    {
      // As a restore does. Memory of a new map is touched for the first time: that is part of it.
      task: 'load entries into a new map',
      unit: 'entry',
      reference: 'memory',
      items: LOADED,
      make() {
        const keys = longKeys(LOADED);
        const { u32 } = keys;
        const hashes = new Uint32Array(LOADED);
        const addresses = new Uint32Array(LOADED);
        return () => {
          const map = createStateMap({
            limitBytes: 2 ** 24,
            expectedEntries: LOADED,
            epoch: 1,
            derivesHash: true,
            label: 'bench',
          });
          for (let i = 0; i < LOADED; i++) {
            hashes[i] = hashKeyOfTwoWords(u32[2 * i], u32[2 * i + 1]);
            addresses[i] = map.place(hashes[i], keys, i * 8, 8, keys, i * 8, 8);
          }
          map.addPlaced(hashes, addresses, LOADED);
          return map.size;
        };
      },
    },
  ],
};

function findTask(where, reference, entries) {
  return {
    task: `find one at a time, ${where}`,
    unit: 'key',
    reference,
    items: PROBES,
    make() {
      const { map, nextPiece } = filled(entries);
      return () => {
        const piece = nextPiece();
        const { u32 } = piece;
        let sum = 0;
        for (let i = 0; i < PROBES; i++) sum ^= map.find(hashKeyOfTwoWords(u32[2 * i], u32[2 * i + 1]), piece, i * 8, 8);
        return sum;
      };
    },
  };
}

function updateTask(where, reference, entries) {
  return {
    task: `update in batches, ${where}`,
    unit: 'key',
    reference,
    items: PROBES,
    make() {
      const { addAll, nextPiece } = filled(entries);
      return () => addAll(nextPiece(), PROBES);
    },
  };
}

/** A map of so many keys; pieces of a random stream of them, another one at each call, so that nothing is in the cache by chance. */
function filled(entries) {
  const keys = longKeys(entries);
  const map = newStateMap();
  const addAll = addInBatches(map);
  addAll(keys, entries);
  const pieces = Array.from({ length: PIECES }, (_, seed) => streamOf(keys, PROBES, entries, seed));
  let call = 0;
  return { keys, map, addAll, nextPiece: () => pieces[call++ % PIECES] };
}
