/**
 * A counting job in which something goes wrong. FAULTY in the environment says what (a name of `FAULTS`, `load-throws` or
 * `load-exits`), in which operator (`number` in front of the exchange, `count` behind it), and when: `once`, at the first
 * record from number 1,000 on for which there is a second checkpoint (at the barrier of the first a source may have no split yet), or `always`,
 * at record 1,500.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { files, generate, job, t, value } from 'tidemark';

const [fault, place, when] = process.env.FAULTY.split(' ');

/** True for one thread of one process, and for it once. */
function isFirst() {
  try {
    writeFileSync('went-wrong', '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function isDue(index) {
  if (when === 'always') return index === 1_500;
  return index >= 1_000 && isCheckpointed() && isFirst();
}

let checkpointed = false;

function isCheckpointed() {
  // Not recursively: what is being published or deleted may vanish meanwhile.
  checkpointed ||=
    existsSync('chk') &&
    readdirSync('chk').some((jobId) =>
      readdirSync(join('chk', jobId)).some((name) => Number(/^chk-(\d+)$/.exec(name)?.[1]) >= 2),
    );
  return checkpointed;
}

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const FAULTS = {
  throw() {
    throw new Error('bad luck');
  },
  exit() {
    process.exit(7);
  },
  loop() {
    for (;;);
  },
  heap() {
    const kept = [];
    for (;;) kept.push(Array.from({ length: 1000 }, Math.random));
  },
};

if (!isMainThread && fault.startsWith('load-') && (when === 'always' || isFirst())) {
  if (fault === 'load-throws') throw new Error('no database in a thread');
  process.exit(7);
}

function goWrongAt({ index }, here) {
  if (here === place && isDue(index)) FAULTS[fault]();
}

export default job('faulty', (flow) =>
  flow
    .from(
      generate({
        count: 3_000,
        ratePerSecond: 6_000,
        schema: t.record({ index: t.int, k: t.i32 }),
        make: (index) => ({ index, k: index % 7 }),
      }),
    )
    .map((record) => {
      // Slower than its rate until there is a checkpoint to go on from, however slow the machine.
      if (when === 'once' && record.index >= 1_000 && !isCheckpointed()) sleep(5);
      goWrongAt(record, 'number');
      return record;
    })
    .name('number')
    .keyBy('k')
    .process({
      state: { n: value(t.int, 0) },
      onRecord(record, { state, emit }) {
        goWrongAt(record, 'count');
        state.n.update((n) => n + 1);
        emit({ index: record.index });
      },
      onEnd({ key, state, emit }) {
        emit({ k: key, n: state.n.get() });
      },
    })
    .name('count')
    .uid('count')
    .to(files.jsonl('out')),
);
