/**
 * Body of a block index, format 1: where the data blocks of one section begin, in hashes and in bytes. One row of 16
 * bytes for each block, in their order, then the separators one after another.
 *
 * | offset | size | type | field           | meaning                                                        |
 * |-------:|-----:|------|-----------------|----------------------------------------------------------------|
 * |      0 |    4 | u32  | frameLength     | bytes of the block's frame; blocks follow one another, so their offsets are sums |
 * |      4 |    4 | u32  | entries         | of the block, at least 1                                       |
 * |      8 |    4 | u32  | firstHash       | hash of its first entry                                        |
 * |     12 |    4 | u32  | separatorLength | bytes of its separator                                         |
 *
 * All entries of a block are at or after (firstHash, separator) and all entries before it are below. The separator is
 * the shortest prefix of the block's first key for which that holds: empty, except where two blocks meet within one
 * hash.
 */
import { assert } from '../assert.ts';
import { compareBytes } from '../copy-bytes.ts';
import { Memory } from '../memory.ts';
import { tableCorrupt } from './corrupt.ts';
import { MAX_KEY_BYTES } from './layout.ts';

const FRAME_LENGTH = 0;
const ENTRIES = FRAME_LENGTH + 4;
const FIRST_HASH = ENTRIES + 4;
const SEPARATOR_LENGTH = FIRST_HASH + 4;
const ROW_BYTES = SEPARATOR_LENGTH + 4;
assert(ROW_BYTES === 16, 'layout constants must agree with the table above');

export class BlockIndexBuilder {
  readonly #frameLengths: number[] = [];
  readonly #entries: number[] = [];
  readonly #firstHashes: number[] = [];
  readonly #separators: Uint8Array[] = [];

  get blocks(): number {
    return this.#entries.length;
  }

  /** Adds the next block. Runs once per block; `separator` is copied. */
  add(frameLength: number, entries: number, firstHash: number, separator: Uint8Array): void {
    this.#frameLengths.push(frameLength);
    this.#entries.push(entries);
    this.#firstHashes.push(firstHash);
    this.#separators.push(separator.slice());
  }

  encode(): Buffer {
    const rows = Buffer.alloc(this.blocks * ROW_BYTES);
    for (let i = 0; i < this.blocks; i++) {
      const row = i * ROW_BYTES;
      rows.writeUInt32LE(this.#frameLengths[i], row + FRAME_LENGTH);
      rows.writeUInt32LE(this.#entries[i], row + ENTRIES);
      rows.writeUInt32LE(this.#firstHashes[i], row + FIRST_HASH);
      rows.writeUInt32LE(this.#separators[i].length, row + SEPARATOR_LENGTH);
    }
    return Buffer.concat([rows, ...this.#separators]);
  }
}

/** Length of the shortest prefix of `next` that is above `last`; `last` is below `next`. */
export function separatorLength(last: Uint8Array, next: Uint8Array): number {
  let common = 0;
  while (common < last.length && last[common] === next[common]) common++;
  assert(common < next.length, 'keys of one hash must ascend');
  return common + 1;
}

export interface BlockIndexBounds {
  readonly table: string;
  /** Offset of the index frame, for messages. */
  readonly indexOffset: number;
  readonly dataOffset: number;
  readonly dataLength: number;
  readonly blocks: number;
  readonly entries: number;
}

/** The decoded index of one section. Immutable. */
export class BlockIndex {
  readonly blocks: number;
  /** Offset of each block's frame, and one more: the end of the section's data. */
  readonly offsets: Float64Array;
  readonly entries: Uint32Array;
  readonly firstHashes: Uint32Array;
  readonly #separators: Memory;
  readonly #separatorEnds: Uint32Array;

  /** @throws TidemarkError ERR_TABLE_CORRUPT when it does not fit the bounds that the directory gives */
  constructor(body: Buffer, bounds: BlockIndexBounds) {
    const { blocks, table, indexOffset } = bounds;
    const corrupt = (detail: string) => tableCorrupt(table, indexOffset, detail);
    const rowsEnd = blocks * ROW_BYTES;
    if (rowsEnd > body.length) throw corrupt(`a block index of ${body.length} bytes is too short for ${blocks} blocks`);
    this.blocks = blocks;
    this.offsets = new Float64Array(blocks + 1);
    this.entries = new Uint32Array(blocks);
    this.firstHashes = new Uint32Array(blocks);
    this.#separatorEnds = new Uint32Array(blocks);
    this.#separators = Memory.local(body.length - rowsEnd);
    this.#separators.u8.set(body.subarray(rowsEnd));

    let offset = bounds.dataOffset;
    let entries = 0;
    let separatorEnd = 0;
    for (let i = 0; i < blocks; i++) {
      const row = i * ROW_BYTES;
      this.offsets[i] = offset;
      this.entries[i] = body.readUInt32LE(row + ENTRIES);
      this.firstHashes[i] = body.readUInt32LE(row + FIRST_HASH);
      const length = body.readUInt32LE(row + SEPARATOR_LENGTH);
      offset += body.readUInt32LE(row + FRAME_LENGTH);
      entries += this.entries[i];
      separatorEnd += length;
      if (length > MAX_KEY_BYTES || rowsEnd + separatorEnd > body.length)
        throw corrupt(`the separator of block ${i} has ${length} bytes`);
      this.#separatorEnds[i] = separatorEnd;
      if (i > 0 && this.compare(i - 1, this.firstHashes[i], this.#separators, separatorEnd - length, length) >= 0)
        throw corrupt(`block ${i} does not begin after block ${i - 1}`);
    }
    this.offsets[blocks] = offset;
    if (rowsEnd + separatorEnd !== body.length)
      throw corrupt(`${body.length - rowsEnd - separatorEnd} bytes are left after the separators`);
    if (offset !== bounds.dataOffset + bounds.dataLength)
      throw corrupt(`blocks end at ${offset}, the section at ${bounds.dataOffset + bounds.dataLength}`);
    if (entries !== bounds.entries) throw corrupt(`blocks have ${entries} entries, the section ${bounds.entries}`);
  }

  /** Order of (firstHash, separator) of a block against (hash, key): negative when the block begins before. */
  compare(block: number, hash: number, key: Memory, keyAt: number, keyLength: number): number {
    const difference = this.firstHashes[block] - hash;
    if (difference !== 0) return difference;
    const at = block === 0 ? 0 : this.#separatorEnds[block - 1];
    return compareBytes(this.#separators, at, this.#separatorEnds[block] - at, key, keyAt, keyLength);
  }

  /** First block that may hold entries with a hash of `hash` or more; `blocks - 1` at most, 0 when there are none. */
  firstBlockForHash(hash: number): number {
    let low = 0;
    let high = this.blocks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.firstHashes[middle] < hash) low = middle + 1;
      else high = middle;
    }
    // Entries of this very hash may already stand at the end of the block before.
    return low === 0 ? 0 : low - 1;
  }

  /** The one block that may hold the key, or -1. */
  blockForKey(hash: number, key: Memory, keyAt: number, keyLength: number): number {
    let low = 0;
    let high = this.blocks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compare(middle, hash, key, keyAt, keyLength) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
