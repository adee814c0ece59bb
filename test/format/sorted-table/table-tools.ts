/** Small tables in memory, for tests. */
import { EntryBatch } from '../../../src/format/entry-batch.ts';
import { Memory } from '../../../src/format/memory.ts';
import type { Compression } from '../../../src/format/sorted-table/compression.ts';
import type { SectionInfo } from '../../../src/format/sorted-table/directory.ts';
import type { EntryCursor, TableEntry } from '../../../src/format/sorted-table/cursor.ts';
import { TableReader } from '../../../src/format/sorted-table/reader.ts';
import type { MergeCursor } from '../../../src/snapshot/merge.ts';
import { TableWriter, type TableSummary } from '../../../src/format/sorted-table/writer.ts';

/** `value` null is a tombstone. */
export interface Entry {
  readonly hash: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

export interface Section {
  readonly info: SectionInfo;
  readonly entries: readonly Entry[];
}

export function info(uid: string, name = 'value'): SectionInfo {
  return { uid, name, kind: 'value', keyType: 'bytes', keySchema: null, schema: { type: 'bytes' } };
}

export function sorted(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => a.hash - b.hash || Buffer.compare(a.key, b.key));
}

export function addTo(writer: TableWriter, entry: Entry): void {
  const key = memoryOf(entry.key);
  if (entry.value === null) return writer.addTombstone(entry.hash, key, 0, entry.key.length);
  writer.add(entry.hash, key, 0, entry.key.length, memoryOf(entry.value), 0, entry.value.length);
}

export function fill(writer: TableWriter, sections: readonly Section[]): void {
  for (const section of sections) {
    writer.beginSection(section.info);
    for (const entry of section.entries) addTo(writer, entry);
  }
}

export function encodeTable(
  sections: readonly Section[],
  compression: Compression = 'none',
): { bytes: Buffer; summary: TableSummary } {
  const chunks: Buffer[] = [];
  const writer = new TableWriter((bytes) => chunks.push(Buffer.from(bytes)), { compression });
  fill(writer, sections);
  const summary = writer.finish();
  return { bytes: Buffer.concat(chunks), summary };
}

export function openTable(bytes: Buffer, name = 'test.sst'): TableReader {
  return new TableReader({
    name,
    byteLength: bytes.length,
    read: (at, into) => {
      if (at < 0 || at + into.length > bytes.length)
        throw new Error(`read of ${into.length} bytes at ${at} beyond ${bytes.length}`);
      into.set(bytes.subarray(at, at + into.length));
    },
  });
}

/** Copies of all entries; checks on the way that keys and values are aligned and padded as promised. */
export function drain(cursor: EntryCursor): Entry[] {
  const entries: Entry[] = [];
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) entries.push(copyOf(entry));
  return entries;
}

/** The same with `takeBatch` wherever it gives any; `taken` is how often. */
export function drainInBatches(cursor: MergeCursor, capacity: number): { readonly entries: Entry[]; readonly taken: number } {
  const entries: Entry[] = [];
  const batch = new EntryBatch(capacity);
  let taken = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
    entries.push(copyOf(entry));
    for (let count = cursor.takeBatch(batch); count > 0; count = cursor.takeBatch(batch)) {
      taken++;
      const { memory, hashes, keyWords, keyLength, valueWords, valueLength } = batch;
      for (let i = 0; i < count; i++) {
        // Keys of one hash must be compared, which `next` does.
        if (hashes[i] === entries.at(-1)?.hash) throw new Error(`two keys of hash ${hashes[i]} in a batch`);
        const key = bytesAt(memory, keyWords[i] * 4, keyLength);
        entries.push({ hash: hashes[i], key, value: bytesAt(memory, valueWords[i] * 4, valueLength) });
      }
    }
  }
  return { entries, taken };
}

export function copyOf(entry: TableEntry): Entry {
  return {
    hash: entry.hash,
    key: bytesAt(entry.memory, entry.keyAt, entry.keyLength),
    value: entry.tombstone ? null : bytesAt(entry.memory, entry.valueAt, entry.valueLength),
  };
}

export function readAll(table: TableReader): Section[] {
  return table.sections.map((entry) => {
    const { uid, name, kind, keyType, keySchema, schema } = entry;
    return { info: { uid, name, kind, keyType, keySchema, schema }, entries: drain(table.open(entry).scan()) };
  });
}

export function memoryOf(bytes: Uint8Array): Memory {
  const memory = Memory.local(bytes.length);
  memory.u8.set(bytes);
  return memory;
}

function bytesAt(memory: Memory, at: number, length: number): Uint8Array {
  if (at % 8 !== 0) throw new Error(`not aligned: ${at}`);
  for (let i = at + length; i % 8 !== 0; i++) if (memory.u8[i] !== 0) throw new Error(`padding at ${i} is ${memory.u8[i]}`);
  return memory.u8.slice(at, at + length);
}
