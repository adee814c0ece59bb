package tidemark.peers;

/**
 * The keys that every peer counts, as functions of the record's index. A port of {@code
 * src/worker/connectors/generate/random.ts} and {@code bench/peers/keys.mjs}: the same index gives the same key, which {@code
 * Main keys} lets one check.
 */
final class Keys {
  private static final int SEED = streamSeed(1, "key");
  private static final int FINGERPRINT_SEED = 0x5eed;

  private Keys() {}

  /** Key of record {@code index}, in [0, keys); {@code keys} at most 2^31. Runs once per record. */
  static int keyAt(long index, long keys) {
    // floor(word / 2^32 * range) of the original, which is exact there: the product of two 32-bit numbers fits in 64 bits here.
    return (int) ((word(SEED, index, 0) * keys) >>> 32);
  }

  /** Of one entry or record; sums of them do not depend on order. */
  static int fingerprint(long key) {
    return (int) word(FINGERPRINT_SEED, key, 0);
  }

  /** A well-mixed unsigned 32-bit number. */
  private static long word(int seed, long index, int draw) {
    int low = ((int) index * 0x9e3779b1) ^ (draw * 0x85ebca77);
    int high = (int) (index >>> 32) * 0xc2b2ae3d;
    return mix(mix(low ^ high) ^ seed) & 0xffffffffL;
  }

  private static int streamSeed(int seed, String name) {
    int h = mix(seed);
    for (int i = 0; i < name.length(); i++) h = mix(h ^ ((name.charAt(i) + 1) * 0x9e3779b1));
    return h;
  }

  private static int mix(int x) {
    int h = x ^ (x >>> 16);
    h *= 0x21f0aaad;
    h ^= h >>> 15;
    h *= 0x735a2d97;
    return h ^ (h >>> 15);
  }
}
