/** Sorted tables: writing, reading, merging. Entries of a 4-byte key and an 8-byte value. */
import { ContentHasher } from '../../dist/format/content-hash.js';
import { hashKeyOfWord } from '../../dist/format/hash.js';
import { Memory } from '../../dist/format/memory.js';
import { TableReader } from '../../dist/format/sorted-table/reader.js';
import { TableWriter } from '../../dist/format/sorted-table/writer.js';
import { mergeTables } from '../../dist/snapshot/merge.js';

const ENTRIES = 2 ** 18;
/** Entries whose cache lines are fetched together. */
const AHEAD = 64;
const SECTION = { uid: 'count', name: 'count', kind: 'value', keyType: 'i32', keySchema: null, schema: null };
const RANGE = { first: 0, last: 0xffffffff };

export const tables = {
  name: 'tables',
  question: 'What does it cost to write, read and merge an entry of a sorted table?',
  tasks: [
    { task: 'write scattered entries', make: () => writing(0) },
    { task: 'write scattered entries, reading ahead', make: () => writing(AHEAD) },
    {
      task: 'scan',
      make() {
        const { memory, order } = scatteredEntries();
        const table = tableOf(memory, order, AHEAD);
        return () => sumOf(readerOf(table));
      },
    },
    {
      task: 'merge a large table and three small ones',
      make() {
        const { memory, order } = scatteredEntries();
        // As they come of incremental checkpoints.
        const small = [1, 2, 3].map((residue) => order.filter((i) => i % 64 === residue));
        const readers = [...small, order].map((some) => readerOf(tableOf(memory, some, AHEAD)));
        return () => written((writer) => mergeTables(writer, readers, { range: RANGE, dropTombstones: true })).length;
      },
    },
  ].map((task) => ({ ...task, unit: 'entry', reference: 'memory', items: ENTRIES })),
};

function writing(ahead) {
  const { memory, order } = scatteredEntries();
  return () => tableOf(memory, order, ahead).length;
}

/** Key at 0, hash at 4, value at 8 of each 16 bytes of shared memory; the order of the entries by hash. */
function scatteredEntries() {
  const memory = Memory.shared(ENTRIES * 16);
  const { u32, f64 } = memory;
  const keys = new Float64Array(ENTRIES);
  for (let i = 0; i < ENTRIES; i++) {
    u32[i * 4] = i;
    u32[i * 4 + 1] = hashKeyOfWord(i);
    f64[i * 2 + 1] = i;
    keys[i] = u32[i * 4 + 1] * ENTRIES + i;
  }
  return { memory, order: Uint32Array.from(keys.sort(), (key) => key % ENTRIES) };
}

/** @param ahead  entries of which a word is read before the first of them is written; 0: none */
function tableOf(memory, order, ahead) {
  const { u32 } = memory;
  return written((writer) => {
    writer.beginSection(SECTION);
    const step = ahead === 0 ? order.length : ahead;
    for (let from = 0; from < order.length; from += step) {
      const to = Math.min(from + step, order.length);
      if (ahead > 0) for (let i = from; i < to; i++) touched ^= u32[order[i] * 4];
      for (let i = from; i < to; i++) writer.add(u32[order[i] * 4 + 1], memory, order[i] * 16, 4, memory, order[i] * 16 + 8, 8);
    }
  });
}

/** The bytes of a table, hashed as the file would be. */
function written(write) {
  const chunks = [];
  const hasher = new ContentHasher();
  const writer = new TableWriter(
    (bytes) => {
      hasher.update(bytes);
      chunks.push(Buffer.from(bytes));
    },
    { compression: 'none' },
  );
  write(writer);
  writer.finish();
  hasher.digest();
  return Buffer.concat(chunks);
}

function readerOf(table) {
  return new TableReader({
    name: 'bench',
    byteLength: table.length,
    read: (at, into) => into.set(table.subarray(at, at + into.length)),
  });
}

function sumOf(reader) {
  const cursor = reader.section(SECTION.uid, SECTION.name).scan();
  let sum = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) sum += entry.memory.f64[entry.valueAt >>> 3];
  if (sum !== (ENTRIES * (ENTRIES - 1)) / 2) throw new Error(`the values of the table sum up to ${sum}`);
  return sum;
}

/** What reading ahead read, so that it is not optimised away. */
let touched = 0;
