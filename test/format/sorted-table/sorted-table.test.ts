import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TableReader } from '../../../src/format/sorted-table/reader.ts';
import { AssertionError } from '../../../src/format/assert.ts';
import { copyOf, drain, encodeTable, info, memoryOf, openTable, readAll, sorted, type Entry } from './table-tools.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

/** Entries of every shape: equal and unequal lengths, equal hashes, empty keys and values, deletions. */
const entriesArbitrary = (hashes: fc.Arbitrary<number>) =>
  fc
    .uniqueArray(
      fc.record({ hash: hashes, key: fc.uint8Array({ maxLength: 13 }), value: fc.option(fc.uint8Array({ maxLength: 40 })) }),
      {
        maxLength: 60,
        selector: (entry) => `${entry.hash}:${Buffer.from(entry.key).toString('hex')}`,
      },
    )
    .map(sorted);
const anyHash = fc.integer({ min: 0, max: 0xffffffff });
const fewHashes = fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff);

describe('sorted table', () => {
  test('what was written is read again, in order, section by section', () => {
    fc.assert(
      fc.property(
        fc.array(entriesArbitrary(fc.oneof(anyHash, fewHashes)), { maxLength: 4 }),
        fc.constantFrom('none' as const, 'auto' as const),
        (lists, compression) => {
          const sections = lists.map((entries, i) => ({ info: info('op', `state ${i}`), entries }));
          const { bytes: file, summary } = encodeTable(sections, compression);
          expect(summary.sizeBytes).toBe(file.length);
          expect(summary.entries).toBe(lists.flat().length);
          expect(summary.tombstones).toBe(lists.flat().filter((entry) => entry.value === null).length);
          expect(readAll(openTable(file))).toEqual(sections);
        },
      ),
    );
  });

  test('a hash range gives exactly the entries within it, and get finds each key and nothing else', () => {
    fc.assert(
      fc.property(entriesArbitrary(fewHashes), fewHashes, fewHashes, (entries, first, last) => {
        const section = openTable(encodeTable([{ info: info('op'), entries }]).bytes).section('op', 'value')!;
        expect(drain(section.scan(first, last))).toEqual(entries.filter((entry) => entry.hash >= first && entry.hash <= last));
        for (const entry of entries) {
          const found = section.get(entry.hash, memoryOf(entry.key), 0, entry.key.length);
          expect(found && copyOf(found)).toEqual(entry);
        }
        const absent = new Uint8Array(20);
        expect(section.get(first, memoryOf(absent), 0, absent.length)).toBeNull();
      }),
    );
  });

  test('keys may be asked for in any order, those that are there and those that are not', () => {
    const key = fc.uint8Array({ maxLength: 2 }).map((random) => random.map((byte) => byte & 1));
    const asked = fc.array(fc.record({ hash: fewHashes, key }), { maxLength: 30 });
    fc.assert(
      fc.property(entriesArbitrary(fewHashes), asked, fc.boolean(), (entries, keys, ascending) => {
        const section = openTable(encodeTable([{ info: info('op'), entries }]).bytes).section('op', 'value')!;
        if (ascending) keys.sort((a, b) => a.hash - b.hash || Buffer.compare(a.key, b.key));
        for (const { hash, key: wanted } of keys) {
          const found = section.get(hash, memoryOf(wanted), 0, wanted.length);
          const expected = entries.find((entry) => entry.hash === hash && Buffer.compare(entry.key, wanted) === 0) ?? null;
          expect(found && copyOf(found)).toEqual(expected);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('keys that are asked for in the order of their hashes read their block once, also those between its entries', () => {
    const entries = Array.from({ length: 20 }, (_, i) => ({ hash: 100 * i, key: bytes('k'), value: bytes('v') }));
    const { bytes: file } = encodeTable([{ info: info('op'), entries }]);
    let reads = 0;
    const source = {
      name: 'counted.sst',
      byteLength: file.length,
      read: (at: number, into: Uint8Array) => {
        reads++;
        into.set(file.subarray(at, at + into.length));
      },
    };
    const section = new TableReader(source).section('op', 'value')!;
    reads = 0;
    for (let hash = 0; hash < 2100; hash += 10)
      expect(section.get(hash, memoryOf(bytes('k')), 0, 1) !== null, `${hash}`).toBe(hash % 100 === 0 && hash < 2000);
    expect(reads).toBe(1);
  });

  test('many blocks: ranges and single keys are found across block boundaries, also within one hash', () => {
    const entries = sorted(manyEntries(4000));
    const table = openTable(encodeTable([{ info: info('op'), entries }]).bytes);
    const section = table.section('op', 'value')!;
    expect(section.entry.blocks).toBeGreaterThan(8);
    expect(drain(section.scan())).toEqual(entries);
    for (const first of [5, 9, 3998])
      expect(drain(section.scan(first, first + 3))).toEqual(entries.filter((e) => e.hash >= first && e.hash <= first + 3));
    for (let i = 0; i < entries.length; i += 41) {
      const found = section.get(entries[i].hash, memoryOf(entries[i].key), 0, entries[i].key.length);
      expect(found && copyOf(found)).toEqual(entries[i]);
    }
  });

  test('the largest key and value make a block of their own', () => {
    const big: Entry = { hash: 7, key: new Uint8Array(64 * 1024).fill(1), value: new Uint8Array(3 * 1024 * 1024).fill(2) };
    const entries = [{ hash: 6, key: bytes('a'), value: bytes('x') }, big, { hash: 8, key: bytes('b'), value: null }];
    const section = openTable(encodeTable([{ info: info('op'), entries }], 'auto').bytes).section('op', 'value')!;
    expect(section.entry.blocks).toBe(3);
    const found = drain(section.scan());
    expect(found.map((entry) => entry.hash)).toEqual([6, 7, 8]);
    expect(Buffer.compare(found[1].value!, big.value!)).toBe(0);
    expect(Buffer.compare(found[1].key, big.key)).toBe(0);
  });

  test('entries of one length cost 4 bytes each beyond key and value, and little more in file structure', () => {
    const entries = sorted(
      Array.from({ length: 10_000 }, (_, i) => ({
        hash: Math.imul(i, 0x9e3779b1) >>> 0,
        key: word(i),
        value: new Uint8Array(8),
      })),
    );
    expect(encodeTable([{ info: info('op'), entries }]).bytes.length).toBeLessThan(10_000 * (4 + 8 + 4) + 1500);
  });

  test('equal entries give equal bytes, whatever memory they came from', () => {
    const entries = sorted(manyEntries(1000));
    expect(
      encodeTable([{ info: info('op'), entries }]).bytes.equals(
        encodeTable([{ info: info('op'), entries: structuredClone(entries) }]).bytes,
      ),
    ).toBe(true);
  });

  test('entries out of order and duplicate keys are a bug of the caller', () => {
    const a = { hash: 2, key: bytes('a'), value: bytes('1') };
    const b = { hash: 2, key: bytes('b'), value: bytes('1') };
    const c = { hash: 1, key: bytes('c'), value: bytes('1') };
    for (const entries of [
      [b, a],
      [a, a],
      [a, c],
    ])
      expect(() => encodeTable([{ info: info('op'), entries }])).toThrow(AssertionError);
  });
});

/** Hashes 0 to 9 are crowded: map-state entries of one user key. */
function manyEntries(count: number): Entry[] {
  return Array.from({ length: count }, (_, i) => ({
    hash: i < count / 2 ? i % 10 : i,
    key: bytes(`${'k'.repeat(i % 5)}${i}`),
    value: i % 7 === 0 ? null : new Uint8Array(150 + (i % 3)).fill(i),
  }));
}

function word(i: number): Uint8Array {
  return new Uint8Array(new Uint32Array([i]).buffer);
}
