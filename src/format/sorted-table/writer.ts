/**
 * Writes a sorted table as a stream of bytes; see `layout.ts` for the file. It knows no files: a sink takes the bytes.
 *
 * ```ts
 * const writer = new TableWriter((bytes) => file.append(bytes), { compression: 'none' });
 * writer.beginSection({ uid, name, kind, keyType, keySchema, schema });
 * writer.add(hash, keyMemory, keyAt, keyLength, valueMemory, valueAt, valueLength);   // sorted by (hash, key)
 * const { entries, tombstones, sizeBytes } = writer.finish();
 * ```
 *
 * The bytes depend on the entries, the sections and the codec only, never on timing or history.
 *
 * An entry of (4 B, 8 B) that is in the cache costs about 30 ns, the hash of the file included. One that is not waits
 * for memory, three times as long; a caller whose entries lie scattered reads a word of each of the next 64 first, so
 * that their cache lines come in together (bench/micro/tables.mjs).
 */
import { assert } from '../assert.ts';
import type { EntryBatch } from '../entry-batch.ts';
import { Memory } from '../memory.ts';
import { BlockBuilder } from './block.ts';
import { BlockIndexBuilder, separatorLength } from './block-index.ts';
import { codecOf, compress, type CodecName, type Compression } from './compression.ts';
import { encodeDirectory, type SectionEntry, type SectionInfo } from './directory.ts';
import { FRAME_DATA, FRAME_DIRECTORY, FRAME_INDEX, TRAILER_BYTES, writeTrailer } from './frame.ts';
import { encodeFooter, encodeHeader, FOOTER_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES } from './layout.ts';

/** Bytes handed to the sink at a time: few system calls, and a chunk that stays in the cache while it is hashed. */
const CHUNK_BYTES = 1024 * 1024;

const NO_MEMORY = Memory.local(0);
const NO_BYTES = new Uint8Array(0);

export interface TableWriterOptions {
  readonly compression: Compression;
}

export interface TableSummary {
  readonly sizeBytes: number;
  /** Tombstones included. */
  readonly entries: number;
  readonly tombstones: number;
  readonly sections: readonly SectionEntry[];
}

export class TableWriter {
  readonly #sink: (bytes: Uint8Array) => void;
  readonly #codec: CodecName;
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #chunkLength = 0;
  #offset = 0;

  readonly #sections: Omit<SectionEntry, 'indexOffset' | 'indexLength'>[] = [];
  readonly #indexes: BlockIndexBuilder[] = [];
  readonly #block = new BlockBuilder();
  readonly #lastKey = Memory.local(MAX_KEY_BYTES);
  #lastKeyLength = 0;
  #lastHash = 0;

  #info: SectionInfo | null = null;
  #index = new BlockIndexBuilder();
  #dataOffset = 0;
  #entries = 0;
  #tombstones = 0;
  #keyBytes = 0;
  #valueBytes = 0;

  /** @param sink  takes the file's bytes in order; the array is reused after the call returns */
  constructor(sink: (bytes: Uint8Array) => void, options: TableWriterOptions) {
    this.#sink = sink;
    this.#codec = codecOf(options.compression);
    this.#append(encodeHeader());
  }

  /** Ends the section before, if any, and begins one. (uid, name) must be new in this table. */
  beginSection(info: SectionInfo): void {
    this.#endSection();
    assert(
      !this.#sections.some((s) => s.uid === info.uid && s.name === info.name),
      () => `section ${info.uid}/${info.name} is begun twice`,
    );
    const { uid, name, kind, keyType, keySchema, schema } = info;
    this.#info = { uid, name, kind, keyType, keySchema, schema };
    this.#index = new BlockIndexBuilder();
    this.#dataOffset = this.#offset;
    this.#entries = 0;
    this.#tombstones = 0;
    this.#keyBytes = 0;
    this.#valueBytes = 0;
  }

  /**
   * Adds a live entry after all smaller ones. Runs once per entry. Offsets are byte offsets; copies are fastest from
   * multiples of 4.
   */
  add(
    hash: number,
    keyMemory: Memory,
    keyAt: number,
    keyLength: number,
    valueMemory: Memory,
    valueAt: number,
    valueLength: number,
  ): void {
    assert(keyLength <= MAX_KEY_BYTES, 'a key has at most 64 KiB');
    assert(valueLength <= MAX_VALUE_BYTES, 'a value has at most 64 MiB');
    if (this.#block.isFullFor(keyLength, valueLength)) this.#endBlock();
    this.#block.add(hash, keyMemory, keyAt, keyLength, valueMemory, valueAt, valueLength);
    this.#entries++;
    this.#keyBytes += keyLength;
    this.#valueBytes += valueLength;
  }

  /** Adds live entries after all smaller ones. */
  addBatch(batch: EntryBatch): void {
    const { count, keyLength, valueLength } = batch;
    assert(keyLength <= MAX_KEY_BYTES, 'a key has at most 64 KiB');
    assert(valueLength <= MAX_VALUE_BYTES, 'a value has at most 64 MiB');
    for (let done = 0; done < count; ) {
      const added = this.#block.addBatch(batch, done);
      if (added === 0) this.#endBlock();
      done += added;
    }
    this.#entries += count;
    this.#keyBytes += count * keyLength;
    this.#valueBytes += count * valueLength;
  }

  /** Adds a deletion of the key. */
  addTombstone(hash: number, keyMemory: Memory, keyAt: number, keyLength: number): void {
    assert(keyLength <= MAX_KEY_BYTES, 'a key has at most 64 KiB');
    if (this.#block.isFullFor(keyLength, 0)) this.#endBlock();
    this.#block.add(hash, keyMemory, keyAt, keyLength, NO_MEMORY, 0, -1);
    this.#entries++;
    this.#tombstones++;
    this.#keyBytes += keyLength;
  }

  /** Ends the last section and writes indexes, directory and footer. The writer must not be used afterwards. */
  finish(): TableSummary {
    this.#endSection();
    const sections = this.#sections.map((section, i) => {
      const indexOffset = this.#offset;
      this.#appendFrame(this.#indexes[i].encode(), FRAME_INDEX, 'none');
      return { ...section, indexOffset, indexLength: this.#offset - indexOffset };
    });
    const directoryOffset = this.#offset;
    this.#appendFrame(encodeDirectory({ codec: this.#codec, sections }), FRAME_DIRECTORY, 'none');
    const entries = sections.reduce((sum, section) => sum + section.entries, 0);
    const tombstones = sections.reduce((sum, section) => sum + section.tombstones, 0);
    const sizeBytes = this.#offset + FOOTER_BYTES;
    this.#append(
      encodeFooter({
        fileLength: sizeBytes,
        directoryOffset,
        directoryLength: this.#offset - directoryOffset,
        sections: sections.length,
        entries,
      }),
    );
    this.#flush();
    assert(this.#offset === sizeBytes, 'the footer is the end of the file');
    return { sizeBytes, entries, tombstones, sections };
  }

  #endSection(): void {
    if (this.#info === null) return;
    if (this.#block.entries > 0) this.#endBlock();
    this.#sections.push({
      ...this.#info,
      entries: this.#entries,
      tombstones: this.#tombstones,
      keyBytes: this.#keyBytes,
      valueBytes: this.#valueBytes,
      blocks: this.#index.blocks,
      dataOffset: this.#dataOffset,
      dataLength: this.#offset - this.#dataOffset,
    });
    this.#indexes.push(this.#index);
    this.#info = null;
  }

  #endBlock(): void {
    assert(this.#info !== null, 'entries belong to a section');
    const block = this.#block;
    const { entries, firstHash, lastHash, lastKeyLength } = block;
    const separator = this.#separator();
    this.#lastHash = lastHash;
    this.#lastKeyLength = lastKeyLength;
    this.#lastKey.u8.set(block.keys.u8.subarray(block.lastKeyAt, block.lastKeyAt + lastKeyLength));
    const at = this.#offset;
    this.#appendFrame(block.encode(), FRAME_DATA, this.#codec);
    this.#index.add(this.#offset - at, entries, firstHash, separator);
  }

  /** What tells the first key of the block from the last key of the block before (see block-index.ts). */
  #separator(): Uint8Array {
    const block = this.#block;
    if (this.#index.blocks === 0) return NO_BYTES;
    assert(block.firstHash >= this.#lastHash, 'entries must come sorted by hash');
    if (block.firstHash !== this.#lastHash) return NO_BYTES;
    const first = block.keys.u8.subarray(0, block.firstKeyLength);
    return first.slice(0, separatorLength(this.#lastKey.u8.subarray(0, this.#lastKeyLength), first));
  }

  #appendFrame(body: Uint8Array, frameType: number, codecName: CodecName): void {
    const { codec, bytes } = compress(codecName, body);
    const frameLength = bytes.length + TRAILER_BYTES;
    assert(body.length <= 0xffffffff, 'a frame holds at most 4 GiB');
    if (this.#chunkLength + frameLength > CHUNK_BYTES) this.#flush();
    // A frame larger than a chunk (one huge value) is handed on by itself.
    const frame =
      frameLength > CHUNK_BYTES
        ? Buffer.allocUnsafe(frameLength)
        : this.#chunk.subarray(this.#chunkLength, this.#chunkLength + frameLength);
    frame.set(bytes);
    writeTrailer(frame, bytes.length, body.length, frameType, codec);
    if (frameLength > CHUNK_BYTES) this.#sink(frame);
    else this.#chunkLength += frameLength;
    this.#offset += frameLength;
  }

  #append(bytes: Uint8Array): void {
    if (this.#chunkLength + bytes.length > CHUNK_BYTES) this.#flush();
    this.#chunk.set(bytes, this.#chunkLength);
    this.#chunkLength += bytes.length;
    this.#offset += bytes.length;
  }

  #flush(): void {
    if (this.#chunkLength > 0) this.#sink(this.#chunk.subarray(0, this.#chunkLength));
    this.#chunkLength = 0;
  }
}
