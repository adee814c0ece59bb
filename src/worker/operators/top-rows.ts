/**
 * The n rows of a key with the largest numbers in a field, for `topN`: one entry per key. Value:
 *
 * | offset | size | type | field    | meaning                                                                       |
 * |-------:|-----:|------|----------|-------------------------------------------------------------------------------|
 * |      0 |    4 | u32  | count    | rows that follow                                                              |
 * |      4 |    4 | -    | reserved | 0                                                                             |
 * |      8 |    8 | f64  | least    | number of the last row                                                        |
 * |     16 |    - | -    | rows     | largest first, equal ones by arrival: f64 number, u32 bytes of the row, u32 0,|
 * |        |      |      |          | the row                                                                       |
 *
 * NaN counts as -Infinity.
 */
import type { Codec } from '../../format/codec.ts';
import { copyBytes } from '../../format/copy-bytes.ts';
import type { Memory } from '../../format/memory.ts';
import type { CurrentKey } from '../state/handles/current-key.ts';
import { RowScratch } from '../state/handles/row-scratch.ts';
import type { StateMap } from '../state/state-map.ts';

const HEADER_BYTES = 16;
const ROW_HEADER_BYTES = 16;

export class TopRows {
  readonly #map: StateMap;
  readonly #key: CurrentKey;
  readonly #codec: Codec;
  readonly #n: number;
  readonly #scratch = new RowScratch();

  constructor(map: StateMap, key: CurrentKey, codec: Codec, n: number) {
    this.#map = map;
    this.#key = key;
    this.#codec = codec;
    this.#n = n;
  }

  /** Takes the row if its number is among the n largest of the current key. */
  offer(from: Memory, rowAt: number, rowBytes: number, value: number): void {
    const number = value === value ? value : -Infinity;
    const address = this.#find();
    const { memory } = this.#map;
    const count = address === 0 ? 0 : memory.u32[this.#map.valueAt(address) / 4];
    if (count >= this.#n && (this.#n === 0 || number <= memory.f64[this.#map.valueAt(address) / 8 + 1])) return;
    this.#insert(address, count, from, rowAt, rowBytes, number);
  }

  /** Records of the current key, largest first. */
  records(): unknown[] {
    const address = this.#find();
    const records: unknown[] = [];
    if (address === 0) return records;
    const { memory } = this.#map;
    let at = this.#map.valueAt(address);
    const count = memory.u32[at / 4];
    at += HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      records.push(this.#codec.decode(memory, at + ROW_HEADER_BYTES));
      at += ROW_HEADER_BYTES + memory.u32[at / 4 + 2];
    }
    return records;
  }

  /** Builds the new value in scratch memory, without the last row when there is one too many, and stores it. */
  #insert(address: number, count: number, from: Memory, rowAt: number, rowBytes: number, number: number): void {
    const { memory } = this.#map;
    const oldBytes = address === 0 ? HEADER_BYTES : this.#map.valueLength(address);
    const old = address === 0 ? 0 : this.#map.valueAt(address);
    const target = this.#scratch.reserve(oldBytes + ROW_HEADER_BYTES + rowBytes);
    const kept = count < this.#n ? count : this.#n - 1;
    let at = old + HEADER_BYTES;
    let to = HEADER_BYTES;
    let i = 0;
    for (; i < kept && memory.f64[at / 8] >= number; i++) {
      const bytes = ROW_HEADER_BYTES + memory.u32[at / 4 + 2];
      copyBytes(memory, at, target, to, bytes);
      at += bytes;
      to += bytes;
    }
    let least = number;
    target.f64[to / 8] = number;
    target.u32[to / 4 + 2] = rowBytes;
    target.u32[to / 4 + 3] = 0;
    copyBytes(from, rowAt, target, to + ROW_HEADER_BYTES, rowBytes);
    to += ROW_HEADER_BYTES + rowBytes;
    for (; i < kept; i++) {
      least = memory.f64[at / 8];
      const bytes = ROW_HEADER_BYTES + memory.u32[at / 4 + 2];
      copyBytes(memory, at, target, to, bytes);
      at += bytes;
      to += bytes;
    }
    target.u32[0] = kept + 1;
    target.u32[1] = 0;
    target.f64[1] = least;
    const { ref } = this.#key;
    this.#scratch.store(this.#map, this.#map.upsert(ref.hash, ref.memory, ref.at, ref.length, to), to);
  }

  #find(): number {
    const { ref } = this.#key;
    return this.#map.find(ref.hash, ref.memory, ref.at, ref.length);
  }
}

/**
 * A value whose rows have another schema; each row keeps its number, and so its rank.
 *
 * @param former   decodes the rows at `valueAt` of `memory`
 * @param scratch  gets the new value
 * @returns bytes of the new value
 */
export function migrateTopRows(
  memory: Memory,
  valueAt: number,
  former: Pick<Codec, 'decode'>,
  codec: Codec,
  scratch: RowScratch,
): number {
  const row = new RowScratch();
  const count = memory.u32[valueAt / 4];
  let at = valueAt + HEADER_BYTES;
  let to = HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const bytes = row.encode(codec, former.decode(memory, at + ROW_HEADER_BYTES));
    const target = scratch.reserve(to + ROW_HEADER_BYTES + bytes);
    copyBytes(memory, at, target, to, ROW_HEADER_BYTES);
    target.u32[to / 4 + 2] = bytes;
    copyBytes(row.memory, 0, target, to + ROW_HEADER_BYTES, bytes);
    at += ROW_HEADER_BYTES + memory.u32[at / 4 + 2];
    to += ROW_HEADER_BYTES + bytes;
  }
  copyBytes(memory, valueAt, scratch.memory, 0, HEADER_BYTES);
  return to;
}
