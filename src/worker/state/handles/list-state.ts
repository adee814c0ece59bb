/**
 * List state: the elements of a key in chunks, so that appending costs the same whatever the length. An entry is a chunk;
 * its sub key (see `composite-key.ts`) is the chunk's number as one word. Its value:
 *
 * | offset | size     | type | field     | meaning                                                              |
 * |-------:|---------:|------|-----------|----------------------------------------------------------------------|
 * |      0 |        4 | u32  | length    | elements of the whole list in chunk 0; 0 in the others               |
 * |      4 |        4 | u32  | lastChunk | number of the last chunk in chunk 0; 0 in the others                 |
 * |      8 |        4 | u32  | used      | bytes of elements in this chunk                                      |
 * |     12 |        4 | -    | reserved  | 0                                                                    |
 * |     16 |     used | -    | elements  | one after another: rows, each after a u32 with its length and a zero |
 * |        |          |      |           | u32 unless all rows of the codec are equally long                    |
 * |     .. |        - | -    | room      | zero bytes                                                           |
 *
 * The bytes depend on the elements only, not on how and when they were added: a chunk ends before the first element
 * that would make it larger than its limit, and its room follows from `used`. So equal lists have equal digests.
 *
 * Chunk 0 changes with every append and so is in every checkpoint of a growing list: its limit is small.
 */
import type { Codec } from '../../../format/codec.ts';
import { copyBytes } from '../../../format/copy-bytes.ts';
import type { Memory } from '../../../format/memory.ts';
import type { ListState } from '../../../job/process.ts';
import type { StateMap } from '../state-map.ts';
import { CompositeKey } from './composite-key.ts';
import type { CurrentKey } from './current-key.ts';
import { RowScratch } from './row-scratch.ts';

const HEADER_BYTES = 16;
const FIRST_CHUNK_BYTES = 256;
const CHUNK_BYTES = 1024;
const LENGTH_WORD = 0;
const LAST_CHUNK_WORD = 1;
const USED_WORD = 2;

export class ChunkedListState implements ListState<unknown> {
  readonly #map: StateMap;
  readonly #codec: Codec;
  readonly #key: CompositeKey;
  readonly #scratch = new RowScratch();
  /** Bytes before the row of an element. */
  readonly #elementHeader: 0 | 8;

  constructor(map: StateMap, key: CurrentKey, codec: Codec) {
    this.#map = map;
    this.#codec = codec;
    this.#key = new CompositeKey(key);
    this.#elementHeader = elementHeader(codec.fixedSize);
  }

  get length(): number {
    const first = this.#find(0);
    return first === 0 ? 0 : this.#word(first, LENGTH_WORD);
  }

  get(): unknown[] {
    const first = this.#find(0);
    if (first === 0) return [];
    const elements: unknown[] = [];
    const last = this.#word(first, LAST_CHUNK_WORD);
    for (let chunk = 0; chunk <= last; chunk++) this.#read(chunk === 0 ? first : this.#find(chunk), elements);
    return elements;
  }

  add(value: unknown): void {
    const row = this.#scratch.encode(this.#codec, value);
    const first = this.#find(0);
    const length = first === 0 ? 0 : this.#word(first, LENGTH_WORD);
    const firstBytes = first === 0 ? 0 : this.#map.valueLength(first);
    let last = first === 0 ? 0 : this.#word(first, LAST_CHUNK_WORD);
    const lastAddress = last === 0 ? first : this.#find(last);
    let used = lastAddress === 0 ? 0 : this.#word(lastAddress, USED_WORD);

    const element = this.#elementHeader + row;
    if (used > 0 && HEADER_BYTES + used + element > (last === 0 ? FIRST_CHUNK_BYTES : CHUNK_BYTES)) {
      last++;
      used = 0;
    }
    const chunk = this.#upsert(last, chunkBytes(used + element));
    this.#write(chunk, used, row);
    this.#setWord(chunk, USED_WORD, used + element);

    const head = last === 0 ? chunk : this.#upsert(0, firstBytes);
    this.#setWord(head, LENGTH_WORD, length + 1);
    this.#setWord(head, LAST_CHUNK_WORD, last);
  }

  addAll(values: Iterable<unknown>): void {
    for (const value of values) this.add(value);
  }

  set(values: Iterable<unknown>): void {
    // Taken first: `values` may be made from what is in the list.
    const elements = [...values];
    this.clear();
    this.addAll(elements);
  }

  clear(): void {
    const first = this.#find(0);
    if (first === 0) return;
    for (let chunk = this.#word(first, LAST_CHUNK_WORD); chunk >= 0; chunk--) {
      this.#key.word(chunk);
      this.#key.delete(this.#map);
    }
  }

  #find(chunk: number): number {
    this.#key.word(chunk);
    return this.#key.find(this.#map);
  }

  #upsert(chunk: number, valueLength: number): number {
    this.#key.word(chunk);
    return this.#key.upsert(this.#map, valueLength);
  }

  #word(address: number, word: number): number {
    return this.#map.memory.u32[this.#map.valueAt(address) / 4 + word];
  }

  #setWord(address: number, word: number, value: number): void {
    this.#map.memory.u32[this.#map.valueAt(address) / 4 + word] = value;
  }

  /** Writes the element in the scratch memory after `used` bytes of the chunk. */
  #write(address: number, used: number, row: number): void {
    const { memory } = this.#map;
    const at = this.#map.valueAt(address) + HEADER_BYTES + used;
    if (this.#elementHeader > 0) {
      memory.u32[at / 4] = row;
      memory.u32[at / 4 + 1] = 0;
    }
    copyBytes(this.#scratch.memory, 0, memory, at + this.#elementHeader, row);
  }

  #read(address: number, elements: unknown[]): void {
    readChunk(this.#codec, this.#map.memory, this.#map.valueAt(address), elements);
  }
}

export type ElementCodec = Pick<Codec, 'fixedSize' | 'decode'>;

/** Appends the elements of a chunk whose value lies at `valueAt`. */
export function readChunk(codec: ElementCodec, memory: Memory, valueAt: number, elements: unknown[]): void {
  const { fixedSize } = codec;
  const header = elementHeader(fixedSize);
  let at = valueAt + HEADER_BYTES;
  const end = at + memory.u32[valueAt / 4 + USED_WORD];
  while (at < end) {
    elements.push(codec.decode(memory, at + header));
    at += fixedSize > 0 ? fixedSize : header + memory.u32[at / 4];
  }
}

/** Bytes before the row of an element. */
function elementHeader(fixedSize: number): 0 | 8 {
  return fixedSize > 0 ? 0 : 8;
}

/** Bytes of a chunk's value for so many bytes of elements: doubling up to the limit, so that growth copies each byte about once. */
function chunkBytes(used: number): number {
  const needed = HEADER_BYTES + used;
  let bytes = 32;
  while (bytes < needed && bytes < CHUNK_BYTES) bytes *= 2;
  return Math.max(bytes, needed);
}
