import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EMPTY_STATE_DIGEST, isStateDigest, StateDigest } from '../../src/format/digest.ts';
import { KEY_HASH_SEED } from '../../src/format/hash.ts';
import { Memory } from '../../src/format/memory.ts';

interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const entries = fc.uniqueArray(
  fc.record({
    key: fc.uint8Array({ maxLength: 20 }),
    value: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 900, maxLength: 2100 })),
  }),
  {
    maxLength: 12,
    selector: (entry) => Buffer.from(entry.key).toString('hex'),
  },
);

describe('state digest', () => {
  test('is the sum of MurmurHash3_x86_128 of the documented string, computed here another way', () => {
    expect(murmur(Buffer.from('I will not buy this record, it is scratched.'), 0).map(hex).join('')).toBe(
      'a0a9683b25ac5e40d9af2895890dddf5',
    );
    fc.assert(
      fc.property(entries, (list) => {
        expect(digest(list).toHex()).toBe(reference(list));
      }),
    );
  });

  test('does not depend on order, and parts add up', () => {
    fc.assert(
      fc.property(entries, fc.nat(12), (list, cut) => {
        const whole = digest(list).toHex();
        expect(digest(list.toReversed()).toHex()).toBe(whole);
        expect(
          digest(list.slice(0, cut))
            .plus(digest(list.slice(cut)))
            .toHex(),
        ).toBe(whole);
      }),
    );
  });

  test('what was added and subtracted leaves no trace', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const sum = StateDigest.fromHex('ffffffffffffffff0000000000000001');
        for (const entry of list) add(sum, entry);
        for (const entry of list) subtract(sum, entry);
        expect(sum.toHex()).toBe('ffffffffffffffff0000000000000001');
      }),
    );
  });

  test('bytes that move from key to value, and zero bytes at an end, change it', () => {
    const shapes = [
      [2, 3],
      [3, 2],
      [0, 5],
      [5, 0],
      [2, 4],
      [4, 4],
      [4, 8],
      [8, 4],
      [0, 0],
      [1, 0],
      [0, 1],
    ];
    const digests = shapes.map(([k, v]) => digest([{ key: new Uint8Array(k), value: new Uint8Array(v) }]).toHex());
    expect(new Set(digests).size).toBe(shapes.length);
  });

  test('bytes after the end of key and value do not matter, nor where they lie', () => {
    const dirty = Memory.shared(64);
    dirty.u8.fill(0xff);
    dirty.u8.set([1, 2, 3], 12);
    dirty.u8.set([4, 5, 6, 7, 8], 36);
    const sum = new StateDigest();
    sum.add(dirty, 12, 3, dirty, 36, 5);
    expect(sum.toHex()).toBe(digest([{ key: new Uint8Array([1, 2, 3]), value: new Uint8Array([4, 5, 6, 7, 8]) }]).toHex());
  });

  test('hex there and back', () => {
    fc.assert(
      fc.property(entries, (list) => {
        expect(StateDigest.fromHex(digest(list).toHex()).equals(digest(list))).toBe(true);
      }),
    );
    expect(new StateDigest().toHex()).toBe(EMPTY_STATE_DIGEST);
    expect(['', 'A'.repeat(32), '0'.repeat(31), `${'0'.repeat(32)}\n`].map(isStateDigest)).toEqual([false, false, false, false]);
  });
});

function memoryOf(bytes: Uint8Array): Memory {
  const memory = Memory.local(bytes.length);
  memory.u8.set(bytes);
  return memory;
}

function add(sum: StateDigest, { key, value }: Entry): void {
  sum.add(memoryOf(key), 0, key.length, memoryOf(value), 0, value.length);
}

function subtract(sum: StateDigest, { key, value }: Entry): void {
  sum.subtract(memoryOf(key), 0, key.length, memoryOf(value), 0, value.length);
}

function digest(list: readonly Entry[]): StateDigest {
  const sum = new StateDigest();
  for (const entry of list) add(sum, entry);
  return sum;
}

/** By the text of docs/formats.md: BigInt, strings of bytes, no cleverness. */
function reference(list: readonly Entry[]): string {
  let [first, second] = [0n, 0n];
  for (const { key, value } of list) {
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32LE(key.length, 0);
    lengths.writeUInt32LE(value.length, 4);
    const [h1, h2, h3, h4] = murmur(pad(Buffer.concat([lengths, pad(key, 4), pad(value, 4)]), 16), KEY_HASH_SEED);
    first = BigInt.asUintN(64, first + (BigInt(h2) << 32n) + BigInt(h1));
    second = BigInt.asUintN(64, second + (BigInt(h4) << 32n) + BigInt(h3));
  }
  return [first, second].map((sum) => sum.toString(16).padStart(16, '0')).join('');
}

function pad(bytes: Uint8Array, multiple: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((multiple - (bytes.length % multiple)) % multiple)]);
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}

/** MurmurHash3_x86_128 as its author describes it, with the tail. */
function murmur(bytes: Buffer, seed: number): number[] {
  const C = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93];
  const K = [15, 16, 17, 18];
  const R = [19, 17, 15, 13];
  const N = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17];
  const rotate = (x: number, by: number) => ((x << by) | (x >>> (32 - by))) >>> 0;
  const h = [seed, seed, seed, seed];
  const absorb = (lane: number, word: number) =>
    (h[lane] = (h[lane] ^ Math.imul(rotate(Math.imul(word, C[lane]) >>> 0, K[lane]), C[(lane + 1) % 4])) >>> 0);
  const blocks = Math.floor(bytes.length / 16);
  for (let block = 0; block < blocks; block++) {
    for (let lane = 0; lane < 4; lane++) {
      absorb(lane, bytes.readUInt32LE(block * 16 + lane * 4));
      h[lane] = (Math.imul((rotate(h[lane], R[lane]) + h[(lane + 1) % 4]) >>> 0, 5) + N[lane]) >>> 0;
    }
  }
  const tail = pad(bytes.subarray(blocks * 16), 16);
  if (tail.length > 0) for (let lane = 0; lane < 4; lane++) absorb(lane, tail.readUInt32LE(lane * 4));
  const avalanche = (x: number) => {
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
  };
  const spread = () => {
    h[0] = (h[0] + h[1] + h[2] + h[3]) >>> 0;
    for (let lane = 1; lane < 4; lane++) h[lane] = (h[lane] + h[0]) >>> 0;
  };
  for (let lane = 0; lane < 4; lane++) h[lane] = (h[lane] ^ bytes.length) >>> 0;
  spread();
  for (let lane = 0; lane < 4; lane++) h[lane] = avalanche(h[lane]);
  spread();
  return h;
}
