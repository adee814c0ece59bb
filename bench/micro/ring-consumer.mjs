/** The consumer of the ring in its own thread. It never sleeps, so it is there only while its task runs. */
import { parentPort, workerData } from 'node:worker_threads';
import { Memory } from '../../dist/format/memory.js';
import { ChannelReader } from '../../dist/worker/channel.js';
import { CONSUMED, LAYOUT, sumOfSlot } from './ring.mjs';

const reader = new ChannelReader(new Memory(workerData.memory), 0, 0, LAYOUT);
const shared = new Int32Array(workerData.shared);
parentPort.postMessage('ready');

/** Kept, so that reading the frames is not optimised away. */
let sum = 0;
while (Number.isInteger(sum)) {
  if (!reader.ready()) continue;
  const frames = reader.slotFrames(reader.slot);
  sum ^= sumOfSlot(reader);
  Atomics.add(shared, CONSUMED, frames);
}
