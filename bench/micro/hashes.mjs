/** Hashes of blocks and of keys. */
import xxhash from 'xxhash-wasm';
import { checksum64, ContentHasher } from '../../dist/format/content-hash.js';
import { StateDigest } from '../../dist/format/digest.js';
import { hashKey, hashKeyOfTwoWords, hashKeyOfWord } from '../../dist/format/hash.js';
import { Memory } from '../../dist/format/memory.js';

const KEYS = 1000;
const KIB = 1024;

export const hashes = {
  name: 'hashes',
  question: 'What do hashes of blocks and of keys cost?',
  async tasks() {
    const api = await xxhash();
    const block = Buffer.alloc(64 * KIB, 1);
    const file = Buffer.alloc(1024 * KIB, 1);
    const keys = Memory.local(KEYS * 16);
    for (let i = 0; i < KEYS * 4; i++) keys.u32[i] = Math.imul(i + 1, 0x9e3779b1);
    const { u32 } = keys;
    const each = (hash) => () => {
      let sum = 0;
      for (let i = 0; i < KEYS; i++) sum ^= hash(i);
      return sum;
    };
    return [
      { task: 'xxh64 of a block of 64 KiB', unit: 'KiB', items: 64, run: () => Number(checksum64(block) & 0xffn) },
      { task: 'content hash of 1 MiB', unit: 'KiB', items: 1024, run: () => new ContentHasher().update(file).digest().length },
      {
        task: 'xxh64 of a key of 16 B',
        unit: 'key',
        items: KEYS,
        run: each((i) => Number(api.h64Raw(keys.u8.subarray(i * 16, i * 16 + 16)) & 0xffn)),
      },
      { task: 'key hash of 4 B', unit: 'key', items: KEYS, run: each((i) => hashKeyOfWord(u32[i])) },
      { task: 'key hash of 8 B', unit: 'key', items: KEYS, run: each((i) => hashKeyOfTwoWords(u32[2 * i], u32[2 * i + 1])) },
      { task: 'key hash of 16 B', unit: 'key', items: KEYS, run: each((i) => hashKey(keys, i * 16, 16)) },
      {
        task: 'state digest of an entry of 8 B, 8 B',
        unit: 'entry',
        items: KEYS,
        run() {
          const digest = new StateDigest();
          for (let i = 0; i < KEYS; i++) digest.add(keys, i * 16, 8, keys, i * 16 + 8, 8);
          return digest.toHex().length;
        },
      },
    ].map((task) => ({ ...task, reference: 'cache' }));
  },
};
