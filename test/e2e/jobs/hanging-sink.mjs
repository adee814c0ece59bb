/**
 * Counts to 400 into a sink whose epochs become files. HANG in the environment says which method of it never returns, how (`awaits` or
 * `loops`; or it `throws`), and when: `once`, at its second call in a job, `first`, at its first one only, or `always`.
 */
import { appendFileSync, existsSync, renameSync, writeFileSync } from 'node:fs';
import { generate, job, t } from 'tidemark';

const [method, how, when] = (process.env.HANG ?? '').split(' ');

/** True for one thread of one process, and for it once. */
function isFirst(name) {
  try {
    writeFileSync(name, '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function hangIn(here) {
  if (here !== method) return undefined;
  appendFileSync('calls', `${here}\n`);
  if (when === 'once' && (isFirst('first-call') || !isFirst('hangs'))) return undefined;
  if (when === 'first' && !isFirst('hangs')) return undefined;
  if (how === 'throws') throw new Error('stuck');
  if (how === 'loops') for (;;);
  return new Promise(() => {});
}

function makeVisible({ pending, final }) {
  if (existsSync(pending)) renameSync(pending, final);
}

const sink = {
  name: 'epochs',
  open({ subtask, attempt }) {
    let numbers = [];
    return {
      write: ({ n }) => void numbers.push(n),
      flush: () => hangIn('flush'),
      async prepare(checkpointId) {
        await hangIn('prepare');
        if (numbers.length === 0) return null;
        const final = `out-${checkpointId}-${subtask}`;
        const pending = `.${final}-${attempt}`;
        writeFileSync(pending, numbers.map((n) => `${n}\n`).join(''), { flush: true });
        numbers = [];
        return { pending, final };
      },
      onCheckpoint: () => void hangIn('onCheckpoint'),
      async close() {
        appendFileSync('closed', `${subtask}\n`);
        await hangIn('close');
      },
    };
  },
  persist: () => hangIn('persist'),
  async commit(committable) {
    await hangIn('commit');
    makeVisible(committable);
  },
  async recover(committables) {
    await hangIn('recover');
    committables.forEach(makeVisible);
  },
};

export default job('hanging-sink', (flow) =>
  flow
    .from(generate({ count: 400, ratePerSecond: 800, schema: t.record({ n: t.int }), make: (n) => ({ n }) }))
    .to(sink)
    .uid('rows'),
);
