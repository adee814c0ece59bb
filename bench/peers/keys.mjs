/**
 * The keys that every peer counts: those of `bench/jobs/count-numbers.mjs`, from the function that its source uses. The Java
 * port is `flink/src/main/java/tidemark/peers/Keys.java`.
 *
 * What a peer counted is checked by a sum that does not depend on order: over its entries, `fingerprint(key) * count` modulo
 * 2^32. It must equal the sum of `fingerprint(key)` over the records.
 */
import { randomInteger, randomWord, streamSeed } from '../../dist/worker/connectors/generate/random.js';

const SEED = streamSeed(1, 'key');
/** Any constant: what is asked for is another random function than that which makes the keys. */
const FINGERPRINT_SEED = 0x5eed;

/** Key of record `index`, in [0, keys). Runs once per record. */
export function keyAt(index, keys) {
  return randomInteger(SEED, index, 0, 0, keys);
}

export function fingerprint(key) {
  return randomWord(FINGERPRINT_SEED, key, 0);
}

/** Of the records `from`, `from + stride`, ... (`count` of them). @returns sum of fingerprints, unsigned 32 bits */
export function fingerprintOfRecords(keys, from, count, stride = 1) {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = (sum + fingerprint(keyAt(from + i * stride, keys))) | 0;
  return sum >>> 0;
}

/** @param entries  iterable of [key, count], or an asynchronous one @returns {Promise<{ records: number, fingerprint: number }>} */
export async function fingerprintOfCounts(entries) {
  let records = 0;
  let sum = 0;
  for await (const [key, count] of entries) {
    records += count;
    sum = (sum + Math.imul(fingerprint(key), count)) | 0;
  }
  return { records, fingerprint: sum >>> 0 };
}
