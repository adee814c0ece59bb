/** Rings: frames of 24 bytes from a producer to a consumer, in one thread and between two. */
import { Worker } from 'node:worker_threads';
import { Memory } from '../../dist/format/memory.js';
import { ChannelReader, ChannelWriter } from '../../dist/worker/channel.js';
import { channelBytes } from '../../dist/worker/protocol.js';
import { CONSUMED, LAYOUT, sumOfSlot, WORDS } from './ring.mjs';

const FRAME_BYTES = 24;
const FRAMES = 8192;
/** Frames that are appended together, as an exchange does with those of a run; fewer than a slot takes. */
const RUN = 512;
const CONSUMER = new URL('./ring-consumer.mjs', import.meta.url);

export const rings = {
  name: 'rings',
  question: 'What does it cost to hand a record to another stage, in one thread and between two?',
  tasks: [
    { task: 'hand over in one thread', make: inOneThread },
    { task: 'hand over between two threads', make: betweenTwo },
  ].map((task) => ({ ...task, unit: 'frame', reference: 'cache', items: FRAMES })),
};

function someFrames() {
  const frames = Memory.local(FRAMES * FRAME_BYTES);
  const words = new Uint32Array(FRAMES);
  for (let i = 0; i < FRAMES; i++) {
    words[i] = (i * FRAME_BYTES) / 4;
    frames.u32[words[i]] = FRAME_BYTES;
    frames.u32[words[i] + 1] = i;
  }
  return { frames, words };
}

function inOneThread() {
  const { frames, words } = someFrames();
  const memory = Memory.shared(channelBytes(LAYOUT));
  const writer = new ChannelWriter(memory, 0, 0, LAYOUT, []);
  const reader = new ChannelReader(memory, 0, 0, LAYOUT);
  return () => {
    let sum = 0;
    for (let i = 0; i < FRAMES; i += RUN) {
      writer.appendFrames(frames, words, i, RUN);
      writer.publish();
      while (reader.ready()) sum ^= sumOfSlot(reader);
    }
    return sum;
  };
}

/** A call ends when the consumer has taken all frames: what it waits for then is part of the cost. */
function betweenTwo() {
  const { frames, words } = someFrames();
  const memory = Memory.shared(channelBytes(LAYOUT));
  const writer = new ChannelWriter(memory, 0, 0, LAYOUT, []);
  const shared = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  let worker;
  let sent = 0;
  return {
    async before() {
      worker = new Worker(CONSUMER, { workerData: { memory: memory.bytes, shared: shared.buffer } });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    },
    async after() {
      await worker.terminate();
    },
    run() {
      for (let i = 0; i < FRAMES; i += RUN) {
        while (writer.full);
        writer.appendFrames(frames, words, i, RUN);
        writer.publish();
      }
      sent = (sent + FRAMES) | 0;
      while (Atomics.load(shared, CONSUMED) !== sent);
      return sent;
    },
  };
}
