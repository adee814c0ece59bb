/** The ring of the micro-benchmark, as both of its ends see it. */
import { SLOT_HEADER_BYTES } from '../../dist/worker/protocol.js';

/** As the engine's plan has it. */
export const LAYOUT = { slots: 4, slotBytes: 64 * 1024 };
/** Words of the shared memory beside the ring: frames consumed so far, modulo 2^32; written by the consumer. */
export const CONSUMED = 0;
export const WORDS = 1;

/** Reads the frames of the slot at hand, and gives it back. */
export function sumOfSlot(reader) {
  const { slot } = reader;
  const { u32 } = reader.memory;
  const end = slot + SLOT_HEADER_BYTES + reader.slotBytes(slot);
  let sum = 0;
  for (let at = slot + SLOT_HEADER_BYTES; at < end; at += u32[at >>> 2]) sum ^= u32[(at >>> 2) + 1];
  reader.release();
  return sum;
}
