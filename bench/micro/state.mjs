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
const CHANGED = 2 ** 14;
const LOADED = 2 ** 14;

export const state = {
  name: 'state',
  question: 'What do probes, appends, the collecting of changes and the loading of entries cost?',
  tasks() {
    return [...probes('in memory', 'memory', ENTRIES), ...probes('in the cache', 'cache', FEW), ...changes(), loading()];
  },
};

function probes(where, reference, entries) {
  const keys = longKeys(entries);
  const map = newStateMap();
  const addAll = addInBatches(map);
  addAll(keys, entries);
  // Another piece of the stream at each call, so that nothing is in the cache that would not be.
  const stream = streamOf(keys, PROBES * 64, entries, 1);
  const piece = { u32: null, f64: null };
  let call = 0;
  const nextPiece = () => {
    const from = (call++ % 64) * PROBES;
    piece.u32 = stream.u32.subarray(2 * from, 2 * (from + PROBES));
    return from;
  };
  return [
    {
      task: `find one at a time, ${where}`,
      unit: 'key',
      reference,
      items: PROBES,
      run() {
        const from = nextPiece();
        const { u32 } = stream;
        let sum = 0;
        for (let i = from; i < from + PROBES; i++)
          sum ^= map.find(hashKeyOfTwoWords(u32[2 * i], u32[2 * i + 1]), stream, i * 8, 8);
        return sum;
      },
    },
    {
      task: `update in batches, ${where}`,
      unit: 'key',
      reference,
      items: PROBES,
      run() {
        nextPiece();
        return addAll(piece, PROBES);
      },
    },
  ];
}

/** After a barrier the first change of a key appends a copy; then the changes are collected, as for a checkpoint. */
function changes() {
  const keys = longKeys(CHANGED);
  const map = newStateMap();
  const addAll = addInBatches(map);
  addAll(keys, CHANGED);
  let epoch = 1;
  const reader = openDeltaReader(map.handles());
  return [
    {
      task: 'append to the log after a barrier, cleaning up',
      unit: 'key',
      reference: 'cache',
      items: CHANGED,
      run() {
        map.mark(++epoch);
        map.complete(epoch - 1);
        addAll(keys, CHANGED);
        while (map.clean(1000));
        return map.size;
      },
    },
    {
      task: 'collect and sort the changes of an epoch',
      unit: 'key',
      reference: 'cache',
      items: CHANGED,
      before() {
        map.mark(++epoch);
        addAll(keys, CHANGED);
        map.mark(++epoch);
      },
      run: () => reader.collect(epoch - 2, epoch - 1).length,
    },
  ];
}

/** As a restore does. Memory of a new map is touched for the first time: that is part of it. */
function loading() {
  const keys = longKeys(LOADED);
  const addresses = new Uint32Array(LOADED);
  return {
    task: 'load entries into a new map',
    unit: 'entry',
    reference: 'memory',
    items: LOADED,
    run() {
      const map = createStateMap({ limitBytes: 2 ** 24, expectedEntries: LOADED, epoch: 1, label: 'bench' });
      for (let i = 0; i < LOADED; i++)
        addresses[i] = map.place(hashKeyOfTwoWords(keys.u32[2 * i], keys.u32[2 * i + 1]), keys, i * 8, 8, keys, i * 8, 8);
      map.addPlaced(addresses, LOADED);
      return map.size;
    },
  };
}
