/**
 * State of which exactly the wished share changes between two checkpoints. The benchmark's driver releases intervals, one after
 * another; the source reads in shared memory which one it is, emits a record for each key that changes in it, and waits for the
 * next, or goes on with those keys. Arguments: number of keys, bytes of a value (8: a number), `uniform` or `zipf`, seed.
 */
import { discard, job, t, value } from 'tidemark';
import { changesOf } from '../snapshots/changes.mjs';
import { changesOfSplit, keysOfSplit, openControls, SPLITS } from '../snapshots/controls.mjs';

const Change = t.record({ key: t.int, interval: t.f64 });
/** Nothing to emit: how long until the source looks again. */
const WAIT_MS = 1;

export default job('chosen-changes', (flow, [keys, valueBytes, distribution, seed]) => {
  const source = chosenChanges({ keys: Number(keys), distribution, seed: Number(seed) });
  flow
    .from(source)
    .keyBy('key')
    .process(Number(valueBytes) === 8 ? numbers() : buffers(Number(valueBytes)), { objectReuse: true })
    .uid('values')
    .to(discard());
});

function numbers() {
  return {
    state: { value: value(t.f64, 0) },
    onRecord({ interval }, { state }) {
      state.value.set(interval);
    },
  };
}

function buffers(bytes) {
  const buffer = new Uint8Array(bytes).fill(1);
  const head = new DataView(buffer.buffer);
  return {
    state: { value: value(t.bytes) },
    onRecord({ interval }, { state }) {
      head.setFloat64(0, interval);
      state.value.set(buffer);
    },
  };
}

function chosenChanges({ keys, distribution, seed }) {
  return {
    name: 'chosen-changes',
    bounded: false,
    schema: Change.schema,
    splits: () => Array.from({ length: SPLITS }, (_, split) => ({ id: String(split), data: split })),
    open({ data: split }) {
      const controls = openControls();
      const owned = keysOfSplit(keys, split);
      let interval = 0;
      let barriers = 0;
      let changes = null;
      const begin = () => {
        const count = changesOfSplit(controls.changes, keys, split);
        changes = changesOf(distribution, { keys: owned, count, seed: seed + (interval + barriers) * SPLITS + split });
      };
      const read = (_limit, out) => {
        const released = controls.released;
        if (released !== interval) {
          interval = released;
          begin();
        } else if (changes === null || (changes.left === 0 && !controls.goesOn)) return WAIT_MS;
        while (!out.full && (changes.left > 0 || controls.goesOn)) out.emit({ key: changes.next() * SPLITS + split, interval });
        if (changes.left === 0) controls.finish(split, interval);
        return 'more';
      };
      // What is read next is the driver's to say: there is nothing to be remembered over a restart.
      const position = () => {
        if (controls.goesOnToBarrier) {
          barriers++;
          begin();
        }
        return interval;
      };
      return { read, position, close: () => {} };
    },
  };
}
