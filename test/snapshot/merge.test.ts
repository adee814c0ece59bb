import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideCompaction } from '../../src/snapshot/compaction.ts';
import { type CanonicalPart, writeCanonical } from '../../src/snapshot/canonical.ts';
import { ALL_HASHES, type HashRange } from '../../src/snapshot/hash-range.ts';
import { liveEntries, mergeTables } from '../../src/snapshot/merge.ts';
import { TableWriter } from '../../src/format/sorted-table/writer.ts';
import type { TableReader } from '../../src/format/sorted-table/reader.ts';
import {
  drain,
  drainInBatches,
  encodeTable,
  info,
  openTable,
  readAll,
  sorted,
  type Entry,
} from '../format/sorted-table/table-tools.ts';

const entry = fc.record({
  hash: fc.constantFrom(0, 5, 6, 0xffffffff),
  key: fc.uint8Array({ maxLength: 1 }).map((key) => key.map((b) => b & 3)),
  value: fc.option(fc.uint8Array({ maxLength: 9 })),
});
const identity = (e: Entry) => `${e.hash}:${Buffer.from(e.key).toString('hex')}`;
const table = fc.uniqueArray(entry, { maxLength: 10, selector: identity }).map(sorted);

/** Newest entry of each key. */
function newest(tables: readonly (readonly Entry[])[]): Entry[] {
  const entries = new Map<string, Entry>();
  for (const t of tables) for (const e of t) if (!entries.has(identity(e))) entries.set(identity(e), e);
  return sorted([...entries.values()]);
}

const asText = (e: Entry) => `${identity(e)}=${e.value === null ? 'deleted' : Buffer.from(e.value).toString('hex')}`;

const open = (entries: readonly Entry[]) => openTable(encodeTable([{ info: info('op'), entries }]).bytes);

describe('merge', () => {
  test('of each key the newest entry counts, and deleted keys are gone', () => {
    fc.assert(
      fc.property(
        fc.array(table, { maxLength: 6 }),
        fc.constantFrom(0, 5, 6),
        fc.constantFrom(5, 6, 0xffffffff),
        (tables, first, last) => {
          const expected = newest(tables).filter((e) => e.value !== null && e.hash >= first && e.hash <= last);
          expect(drain(liveEntries(tables.map(open), 'op', 'value', { first, last }))).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  /** Entries of one length, as states of numbers have them; now and then a tombstone, or one of another length. Large values fill several blocks. */
  const numbers = fc
    .record({
      keyWords: fc.integer({ min: 1, max: 3 }),
      valueWords: fc.constantFrom(0, 1, 2, 150),
      odd: fc.constantFrom(0, 0, 0.02),
      hashes: fc.array(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 300, size: 'max' }), {
        minLength: 1,
        maxLength: 4,
      }),
    })
    .map(({ keyWords, valueWords, odd, hashes }) =>
      hashes.map((list, t) => {
        const keys = new Map(
          list.map((hash, i) => [`${hash}:${i % 2}`, { hash, key: new Uint8Array(keyWords * 4).fill(i % 2) }]),
        );
        return sorted(
          [...keys.values()].map(({ hash, key }, i): Entry => {
            if (((hash * 31 + i + t) % 100) / 100 >= odd)
              return { hash, key, value: new Uint8Array(valueWords * 4).fill(hash + t) };
            return { hash, key, value: i % 2 === 0 ? null : Uint8Array.of(t) };
          }),
        );
      }),
    );

  test('entries taken in batches are those that come one by one', () => {
    let batches = 0;
    fc.assert(
      fc.property(numbers, fc.constantFrom(0, 5, 150), fc.constantFrom(6, 200, 0xffffffff), (tables, first, last) => {
        const cursor = () => liveEntries(tables.map(open), 'op', 'value', { first, last });
        const { entries, taken } = drainInBatches(cursor(), 64);
        batches += taken;
        expect(entries.map(asText)).toEqual(drain(cursor()).map(asText));
      }),
      { numRuns: 60 },
    );
    expect(batches).toBeGreaterThan(100);
  });

  test('tables may be merged in any contiguous runs, and reading gives the same', () => {
    fc.assert(
      fc.property(fc.array(table, { minLength: 2, maxLength: 6 }), fc.nat(), fc.nat(), (tables, a, b) => {
        const [start, end] = [a % tables.length, b % tables.length].sort((x, y) => x - y);
        const readers = tables.map(open);
        const merged = merge(readers.slice(start, end + 1), end + 1 === tables.length);
        const after = [...readers.slice(0, start), merged, ...readers.slice(end + 1)];
        expect(drain(liveEntries(after, 'op', 'value', ALL_HASHES))).toEqual(newest(tables).filter((e) => e.value !== null));
        if (end + 1 === tables.length) expect(merged.tombstones).toBe(0);
        else expect(readAll(merged)[0].entries).toEqual(newest(tables.slice(start, end + 1)));
      }),
      { numRuns: 300 },
    );
  });

  test('sections are merged by operator and state, whatever their order in the tables', () => {
    const one = openTable(
      encodeTable([
        { info: info('b'), entries: [value(1, 'b1')] },
        { info: info('a'), entries: [value(1, 'a1')] },
      ]).bytes,
    );
    const two = openTable(encodeTable([{ info: info('a'), entries: [value(1, 'old'), value(2, 'a2')] }]).bytes);
    expect(
      readAll(merge([one, two], true)).map((s) => [s.info.uid, s.entries.map((e) => Buffer.from(e.value!).toString())]),
    ).toEqual([
      ['a', ['a1', 'a2']],
      ['b', ['b1']],
    ]);
  });

  test('tables in which a state has different schemas are not merged', () => {
    const other = openTable(encodeTable([{ info: { ...info('op'), schema: { type: 'i32' } }, entries: [] }]).bytes);
    expect(() => merge([open([]), other], true)).toThrow(expect.objectContaining({ code: 'ERR_STATE_INCOMPATIBLE' }));
  });

  test('the canonical content does not depend on how the state is spread over subtasks and tables', () => {
    fc.assert(
      fc.property(fc.array(table, { minLength: 1, maxLength: 4 }), (tables) => {
        const whole = canonical(part(tables.map(open), ALL_HASHES));
        const halves = [part(tables.map(open), { first: 6, last: 0xffffffff }), part(tables.map(open), { first: 0, last: 5 })];
        const compacted = canonical(part([merge(tables.map(open), true)], ALL_HASHES));
        expect(canonical(...halves).equals(whole)).toBe(true);
        expect(compacted.equals(whole)).toBe(true);
      }),
    );
  });
});

describe('compaction', () => {
  test.each([
    { share: '1 %', live: 100, checkpoints: 2000, tables: 20, rewriting: 3.5 },
    { share: 'a thousandth', live: 1000, checkpoints: 950, tables: 28, rewriting: 3.1 },
    { share: 'a millionth', live: 1e6, checkpoints: 50_000, tables: 48, rewriting: 6 },
  ])('when $share changes: $tables tables at most, $rewriting bytes are written for each that changes', (bounds) => {
    const { most, written, worst } = simulate(bounds.live, 1, bounds.checkpoints);
    expect(most).toBeLessThanOrEqual(bounds.tables);
    expect(worst).toBeLessThanOrEqual(2.1);
    expect(written / bounds.checkpoints).toBeLessThan(bounds.rewriting);
  });

  test('when everything changes each time, at most three sizes are kept', () => {
    const { most, worst } = simulate(100, 100, 50);
    expect(most).toBeLessThanOrEqual(3);
    expect(worst).toBeLessThanOrEqual(3);
  });

  test('random sizes: the number of tables stays bounded', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 50, maxLength: 200 }), (sizes) => {
        let tables = [{ sizeBytes: 1_000_000 }];
        for (const sizeBytes of sizes) {
          tables = [{ sizeBytes }, ...tables];
          const run = decideCompaction(tables);
          if (run !== null)
            tables.splice(run.start, run.end - run.start, {
              sizeBytes: tables.slice(run.start, run.end).reduce((sum, t) => sum + t.sizeBytes, 0),
            });
          expect(tables.length).toBeLessThanOrEqual(48);
        }
      }),
    );
  });
});

/** `live` units of state of which `delta` change per checkpoint. */
function simulate(live: number, delta: number, checkpoints: number): { most: number; written: number; worst: number } {
  let tables = [{ sizeBytes: live }];
  let most = 0;
  let written = 0;
  let worst = 0;
  for (let n = 0; n < checkpoints; n++) {
    tables = [{ sizeBytes: delta }, ...tables];
    written += delta;
    most = Math.max(most, tables.length);
    worst = Math.max(worst, tables.reduce((sum, t) => sum + t.sizeBytes, 0) / live);
    const run = decideCompaction(tables);
    if (run === null) continue;
    const sum = tables.slice(run.start, run.end).reduce((total, t) => total + t.sizeBytes, 0);
    const sizeBytes = run.end === tables.length ? live : Math.min(live, sum);
    written += sizeBytes;
    tables.splice(run.start, run.end - run.start, { sizeBytes });
  }
  return { most, written: written / delta, worst };
}

function value(hash: number, text: string): Entry {
  return { hash, key: new Uint8Array([hash]), value: new Uint8Array(Buffer.from(text)) };
}

function merge(tables: readonly TableReader[], dropTombstones: boolean): TableReader {
  return openTable(bytesOf((writer) => mergeTables(writer, tables, { range: ALL_HASHES, dropTombstones })));
}

function part(tables: readonly TableReader[], range: HashRange): CanonicalPart {
  return { range, withTables: (use) => use(tables) };
}

function canonical(...parts: readonly CanonicalPart[]): Buffer {
  return bytesOf((writer) => writeCanonical(writer, [info('op')], parts));
}

function bytesOf(fill: (writer: TableWriter) => void): Buffer {
  const chunks: Buffer[] = [];
  const writer = new TableWriter((bytes) => chunks.push(Buffer.from(bytes)), { compression: 'none' });
  fill(writer);
  writer.finish();
  return Buffer.concat(chunks);
}
