/**
 * Loops of plain JavaScript that parts are compared with. A machine that is twice as fast runs both in half the time, so the ratio
 * stays; one whose memory is slow in proportion does not, which is why parts that wait for memory have a reference that waits for it.
 */

const STEPS = 20_000;

/** Arithmetic and reads within 16 KiB. */
function inCache() {
  const words = new Int32Array(4096).fill(1);
  return () => {
    let h = 1;
    for (let i = 0; i < STEPS; i++) {
      h = Math.imul(h ^ words[h & 4095], 0x5bd1e995);
      words[i & 4095] = h ^ (h >>> 15);
    }
    return h;
  };
}

/** Independent reads all over 64 MiB. */
function inMemory() {
  const words = new Int32Array(2 ** 24).fill(1);
  let at = 1;
  return () => {
    let sum = 0;
    for (let i = 0; i < STEPS; i++) {
      at = (Math.imul(at, 0x41c64e6d) + 0x3039) | 0;
      sum += words[(at ^ (at >>> 15)) & 0xffffff];
    }
    return sum;
  };
}

export const REFERENCES = {
  cache: { items: STEPS, make: inCache },
  memory: { items: STEPS, make: inMemory },
};
