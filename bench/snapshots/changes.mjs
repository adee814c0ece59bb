/**
 * Which of n keys change in an interval: exactly `count` different ones, in the order of a random walk. Both kinds have
 *
 *     left     keys that have still to change
 *     next()   a key in [0, n); once none is left, one of those that have changed
 */
import { randomInteger, streamSeed } from '../../dist/worker/connectors/generate/random.js';
import { Zipf } from '../../dist/worker/connectors/generate/zipf.js';

const EXPONENT = 0.99;
/** Of Zipf's law nobody waits for the last rare keys: after so many draws for each key that there is, the others are walked. */
const DRAWS_PER_KEY = 2;

/** @param distribution  'uniform' | 'zipf' */
export function changesOf(distribution, options) {
  return distribution === 'zipf' ? new ZipfChanges(options) : new UniformChanges(options);
}

/** The keys b, b + a, b + 2a, ... modulo n, with random a and b; a has no divisor in common with n, so that none comes twice. */
class UniformChanges {
  left;
  #keys;
  #count;
  #step;
  #first;
  #index = 0;
  #at;

  constructor({ keys, count, seed }) {
    const random = streamSeed(seed, 'walk');
    this.left = count;
    this.#keys = keys;
    this.#count = count;
    this.#step = withoutCommonDivisor(randomInteger(random, 0, 0, 1, Math.max(2, keys)), keys);
    this.#first = randomInteger(random, 1, 0, 0, keys);
    this.#at = this.#first;
  }

  next() {
    if (this.#index === this.#count) {
      this.#index = 0;
      this.#at = this.#first;
    }
    const key = this.#at;
    this.#at = (key + this.#step) % this.#keys;
    this.#index++;
    if (this.left > 0) this.left--;
    return key;
  }
}

/** Draws by Zipf's law until so many different keys have come. */
class ZipfChanges {
  left;
  #zipf;
  #random;
  #draws = 0;
  #maxDraws;
  /** A bit for each key: it has changed in this interval. */
  #seen;
  #latest = 0;
  /** For those that are left when there were draws enough. */
  #walk;

  constructor({ keys, count, seed }) {
    this.left = count;
    this.#zipf = new Zipf(keys, EXPONENT);
    this.#random = streamSeed(seed, 'zipf');
    this.#maxDraws = keys * DRAWS_PER_KEY;
    this.#seen = new Uint8Array(Math.ceil(keys / 8));
    this.#walk = new UniformChanges({ keys, count: keys, seed });
  }

  next() {
    if (this.left > 0 && this.#draws >= this.#maxDraws) return this.#walkToUnseen();
    const key = this.#zipf.sample(this.#random, this.#draws++);
    if ((this.#seen[key >>> 3] & (1 << (key & 7))) !== 0) return key;
    // A new one would be one too many.
    if (this.left === 0) return this.#latest;
    return this.#change(key);
  }

  #walkToUnseen() {
    for (;;) {
      const key = this.#walk.next();
      if ((this.#seen[key >>> 3] & (1 << (key & 7))) === 0) return this.#change(key);
    }
  }

  #change(key) {
    this.#seen[key >>> 3] |= 1 << (key & 7);
    this.#latest = key;
    this.left--;
    return key;
  }
}

/** The next integer from `at` on, modulo n, that is prime to n. */
function withoutCommonDivisor(at, n) {
  let candidate = at;
  while (commonDivisor(candidate, n) !== 1) candidate = (candidate % n) + 1;
  return candidate;
}

function commonDivisor(a, b) {
  return b === 0 ? a : commonDivisor(b, a % b);
}
