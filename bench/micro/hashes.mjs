/** Hashes of blocks and of keys. */
import xxhash from 'xxhash-wasm';
import { checksum64, ContentHasher } from '../../dist/format/content-hash.js';
import { StateDigest } from '../../dist/format/digest.js';
import { hashKey, hashKeyOfTwoWords, hashKeyOfWord } from '../../dist/format/hash.js';
import { Memory } from '../../dist/format/memory.js';

const KEYS = 1000;
const KIB = 1024;

const api = await xxhash();

export const hashes = {
  name: 'hashes',
  question: 'What do hashes of blocks and of keys cost?',
  tasks: [
    ofBlock('xxh64 of a block of 64 KiB', 64, (block) => Number(checksum64(block) & 0xffn)),
    ofBlock('content hash of 1 MiB', 1024, (block) => new ContentHasher().update(block).digest().length),
    ofKeys('xxh64 of a key of 16 B', ({ u8 }, i) => Number(api.h64Raw(u8.subarray(i * 16, i * 16 + 16)) & 0xffn)),
    ofKeys('key hash of 4 B', ({ u32 }, i) => hashKeyOfWord(u32[i])),
    ofKeys('key hash of 8 B', ({ u32 }, i) => hashKeyOfTwoWords(u32[2 * i], u32[2 * i + 1])),
    ofKeys('key hash of 16 B', (keys, i) => hashKey(keys, i * 16, 16)),
    {
      task: 'state digest of an entry of 8 B, 8 B',
      unit: 'entry',
      items: KEYS,
      make() {
        const keys = someKeys();
        return () => {
          const digest = new StateDigest();
          for (let i = 0; i < KEYS; i++) digest.add(keys, i * 16, 8, keys, i * 16 + 8, 8);
          return digest.toHex().length;
        };
      },
    },
  ].map((task) => ({ ...task, reference: 'cache' })),
};

function ofBlock(task, kib, hash) {
  return {
    task,
    unit: 'KiB',
    items: kib,
    make() {
      const block = Buffer.alloc(kib * KIB, 1);
      return () => hash(block);
    },
  };
}

function ofKeys(task, hash) {
  return {
    task,
    unit: 'key',
    items: KEYS,
    make() {
      const keys = someKeys();
      return () => {
        let sum = 0;
        for (let i = 0; i < KEYS; i++) sum ^= hash(keys, i);
        return sum;
      };
    },
  };
}

/** 16 bytes each. */
function someKeys() {
  const keys = Memory.local(KEYS * 16);
  for (let i = 0; i < KEYS * 4; i++) keys.u32[i] = Math.imul(i + 1, 0x9e3779b1);
  return keys;
}
