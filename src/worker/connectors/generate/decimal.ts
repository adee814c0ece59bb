/** Integers in decimal, as bytes. */

/** "00" to "99", one after another: two digits for each division. */
const PAIRS = Uint8Array.from({ length: 200 }, (_, i) => 48 + (i % 2 === 0 ? Math.floor(i / 20) : (i >> 1) % 10));

/** For each of the first `count` integers in `values`: its characters in decimal, plus `extra`, into `lengths`. */
export function digitCounts(values: Float64Array, count: number, extra: number, lengths: Int32Array): void {
  for (let i = 0; i < count; i++) {
    const value = values[i];
    let rest = value < 0 ? -value : value;
    let digits = value < 0 ? extra + 1 : extra;
    while (rest >= 1e8) {
      rest = Math.floor(rest / 1e8);
      digits += 8;
    }
    lengths[i] =
      digits +
      (rest < 1e4
        ? rest < 100
          ? rest < 10
            ? 1
            : 2
          : rest < 1000
            ? 3
            : 4
        : rest < 1e6
          ? rest < 1e5
            ? 5
            : 6
          : rest < 1e7
            ? 7
            : 8);
  }
}

/** Writes an integer in decimal to the bytes `from` up to `to`, as many as `digitCounts` says. Runs once per label. */
export function writeDecimal(u8: Uint8Array, from: number, to: number, value: number): void {
  let at = to;
  let rest = value;
  if (value < 0) {
    u8[from] = 45;
    rest = -value;
  }
  while (rest > 0x7fffffff) {
    const quotient = Math.floor(rest / 100);
    const pair = 2 * (rest - quotient * 100);
    u8[--at] = PAIRS[pair + 1];
    u8[--at] = PAIRS[pair];
    rest = quotient;
  }
  let small = rest | 0;
  while (small >= 100) {
    const quotient = (small / 100) | 0;
    const pair = 2 * (small - quotient * 100);
    u8[--at] = PAIRS[pair + 1];
    u8[--at] = PAIRS[pair];
    small = quotient;
  }
  if (small >= 10) {
    u8[--at] = PAIRS[2 * small + 1];
    u8[--at] = PAIRS[2 * small];
  } else {
    u8[--at] = 48 + small;
  }
}
