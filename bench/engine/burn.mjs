/** A loop that keeps a core busy and nothing else: no memory, no clock, so that its cost is the same on every thread. */
export function burn(seed, iterations) {
  let x = seed | 1;
  for (let i = 0; i < iterations; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return x;
}

/** Iterations of `burn` that take `ms` on this machine now: the fastest of several tries, for what is slower was disturbed. */
export function calibrateBurn(ms) {
  const iterations = 200_000;
  let fastest = Infinity;
  for (let i = 0; i < 200; i++) {
    const started = performance.now();
    sink ^= burn(i, iterations);
    fastest = Math.min(fastest, performance.now() - started);
  }
  return Math.round((iterations * ms) / fastest);
}

/** Keeps the compiler from dropping loops whose results nobody reads. */
let sink = 0;
