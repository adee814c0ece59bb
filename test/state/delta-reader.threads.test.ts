/** Deltas read by another thread while the owner writes, cleans and completes checkpoints. */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';

import { hashKeyOfWord } from '../../src/format/hash.ts';
import { Memory } from '../../src/format/memory.ts';
import { createStateMap, pinReader } from '../../src/worker/state/log-state-map.ts';

interface Answer {
  readonly after: number;
  readonly upTo: number;
  readonly full: boolean;
  readonly entries: Map<number, number | null>;
  readonly older: Map<number, number | null>;
}

const KEYS = 5000;
const EPOCHS = 30;

describe('delta reader in another thread', () => {
  it('delta reader: sees each epoch as it ended, however much the owner writes meanwhile', async () => {
    const map = createStateMap({ limitBytes: 2 ** 24, segmentBytes: 8192, epoch: 1, label: 'test' });
    const worker = new Worker(new URL('./fixtures/delta-worker.mjs', import.meta.url), {
      workerData: { handles: map.handles() },
    });
    const scratch = Memory.local(8);
    const content = new Map<number, number>();
    const ended = new Map<number, Map<number, number>>([[0, new Map()]]);
    let state = 7;
    const writeSome = (count: number): void => {
      for (let i = 0; i < count; i++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        const key = (state >>> 8) % KEYS;
        scratch.u32[0] = key;
        if ((state & 0xe0) === 0) {
          map.delete(hashKeyOfWord(key), scratch, 0, 4);
          content.delete(key);
        } else {
          map.memory.f64[map.valueAt(map.upsert(hashKeyOfWord(key), scratch, 0, 4, 8)) / 8] = state;
          content.set(key, state);
        }
      }
    };

    try {
      let completed = 0;
      for (let epoch = 1; epoch <= EPOCHS; epoch++) {
        writeSome(2000);
        const full = epoch % 10 === 0;
        pinReader(map.handles(), full ? 'full' : 'delta');
        ended.set(epoch, new Map(content));
        map.mark(epoch + 1);
        const received: Answer[] = [];
        worker.once('message', (answer: Answer) => received.push(answer));
        worker.postMessage({ after: completed, upTo: epoch, full });
        while (received.length === 0) {
          writeSome(300);
          map.clean(0);
          await new Promise((resolve) => setImmediate(resolve));
        }
        const [answer] = received;
        const before = ended.get(completed)!;
        const then = ended.get(epoch)!;
        const seen = full ? new Map<number, number>() : new Map(before);
        for (const [key, value] of answer.entries) {
          if (value === null) seen.delete(key);
          else seen.set(key, value);
          if (!full) expect(answer.older.get(key)).toBe(before.get(key) ?? null);
        }
        expect(seen).toEqual(then);
        // Every third checkpoint fails: the next delta covers two epochs.
        if (epoch % 3 === 0) continue;
        map.complete(epoch);
        completed = epoch;
      }
    } finally {
      await worker.terminate();
    }
  });
});
