/** Batches of entries against the same entries one by one. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StateDigest } from '../../src/format/digest.ts';
import { EntryBatch } from '../../src/format/entry-batch.ts';
import { Memory } from '../../src/format/memory.ts';
import { TableWriter } from '../../src/format/sorted-table/writer.ts';

interface Shape {
  readonly keyWords: number;
  readonly valueWords: number;
  /** Ascending; equal hashes are told apart by their keys. */
  readonly hashes: readonly number[];
  readonly content: Uint32Array;
}

const shape: fc.Arbitrary<Shape> = fc
  .record({
    keyWords: fc.integer({ min: 1, max: 4 }),
    // From 64 words on they are copied by a native call.
    valueWords: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 60, max: 70 })),
    gaps: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3000, size: 'max' }),
    seed: fc.nat(),
  })
  .map(({ keyWords, valueWords, gaps, seed }) => {
    let hash = 0;
    const hashes = gaps.map((gap) => (hash += gap));
    let random = seed | 1;
    const content = Uint32Array.from({ length: hashes.length * (keyWords + valueWords) }, () => {
      random = (Math.imul(random, 1664525) + 1013904223) | 0;
      return random;
    });
    // Keys ascend in the order of their bytes, so that entries of one hash are sorted.
    hashes.forEach((_, i) => {
      content[i * (keyWords + valueWords)] = Buffer.from(Uint32Array.of(i).buffer).readUInt32BE();
    });
    return { keyWords, valueWords, hashes, content };
  });

function batchOf({ keyWords, valueWords, hashes, content }: Shape): EntryBatch {
  const batch = new EntryBatch(hashes.length);
  const memory = Memory.shared(content.byteLength);
  memory.u32.set(content);
  batch.memory = memory;
  batch.count = hashes.length;
  batch.keyLength = keyWords * 4;
  batch.valueLength = valueWords * 4;
  hashes.forEach((hash, i) => {
    batch.hashes[i] = hash;
    batch.keyWords[i] = i * (keyWords + valueWords);
    batch.valueWords[i] = i * (keyWords + valueWords) + keyWords;
  });
  return batch;
}

/** Bytes of a table with an entry of odd lengths first, so that columns of lengths and unaligned copies occur. */
function tableBytes(odd: boolean, add: (writer: TableWriter) => void): Buffer {
  const parts: Buffer[] = [];
  const writer = new TableWriter((bytes) => parts.push(Buffer.from(bytes)), { compression: 'none' });
  writer.beginSection({ uid: 'u', name: 'n', kind: 'value', keyType: 'bytes', keySchema: null, schema: null });
  const scratch = Memory.local(16);
  if (odd) writer.add(0, scratch, 0, 3, scratch, 0, 5);
  add(writer);
  writer.finish();
  return Buffer.concat(parts);
}

describe('entry batch', () => {
  test('a table of batches has the same bytes as one of single entries', () => {
    fc.assert(
      fc.property(shape, fc.boolean(), (given, odd) => {
        const batch = batchOf(given);
        const single = tableBytes(odd, (writer) => {
          for (let i = 0; i < batch.count; i++) {
            const { memory, keyLength, valueLength } = batch;
            writer.add(batch.hashes[i], memory, batch.keyWords[i] * 4, keyLength, memory, batch.valueWords[i] * 4, valueLength);
          }
        });
        expect(tableBytes(odd, (writer) => writer.addBatch(batch)).equals(single)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('its digest is the sum of those of its entries, and is taken away likewise', () => {
    fc.assert(
      fc.property(shape, (given) => {
        const batch = batchOf(given);
        const { memory, keyLength, valueLength } = batch;
        const single = new StateDigest();
        for (let i = 0; i < batch.count; i++)
          single.add(memory, batch.keyWords[i] * 4, keyLength, memory, batch.valueWords[i] * 4, valueLength);
        const whole = new StateDigest();
        whole.addBatch(batch);
        expect(whole.toHex()).toBe(single.toHex());
        whole.subtractBatch(batch);
        expect(whole.equals(new StateDigest())).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('entries that are not sorted are refused', () => {
    const given = { keyWords: 1, valueWords: 1, hashes: [1, 5, 4, 9], content: new Uint32Array(8) };
    expect(() => tableBytes(false, (writer) => writer.addBatch(batchOf(given)))).toThrow('sorted');
  });
});
