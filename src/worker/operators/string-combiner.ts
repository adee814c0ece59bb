/**
 * The local combiner of built-in aggregates whose key is one string field. A cache rather than a map: a set holds two keys, and a
 * third sends the rarer of them on its way as a partial result. So it needs no room to grow, finds a key by comparing hash and
 * string, and only what leaves is encoded.
 *
 *     set      hash, key, count, sums ...   hash, key, count, sums ...
 *
 * Words by Zipf's law, 43,000 different ones: 50 ns a record, and 7 % leave before they must. Encoding each record and folding
 * its bytes, as `RowCombiner` does, took 110 ns and let 20 % leave.
 */
import type { Codec } from '../../format/codec.ts';
import { Memory } from '../../format/memory.ts';
import type { BuiltInAggregate } from '../../job/aggregate.ts';
import type { Output, Rows } from '../operator.ts';
import { numberField } from './field-values.ts';
import { FoldingGauge } from './folding-gauge.ts';
import { type FailureSite, operatorFailure } from './operator-failure.ts';
import { encodePartial, foldNumbers, type PartialColumn, partialColumns } from './partial-frame.ts';

/** With a quarter of the sets 21 % leave early, with twice as many 3 %, and nothing is faster: they lie in a farther cache. */
const SET_BITS = 14;
const SLOTS = 2 << SET_BITS;
/** Characters of a key that is held; longer ones are not worth their hash. */
const MAX_KEY_LENGTH = 64;
/** Frames are sent when they take so many bytes. */
const FRAMES_BYTES = 32 * 1024;
/** Partial results that one call of `drain` sends: about 0.3 ms. */
const DRAIN_KEYS = 2048;

export interface StringCombinerShape {
  readonly outputs: Readonly<Record<string, BuiltInAggregate>>;
  readonly keyField: string;
  /** Of partial results. */
  readonly codec: Codec;
}

export class StringCombiner implements Output {
  recordsIn = 0;
  readonly #out: Output & Required<Pick<Output, 'emitRows'>>;
  readonly #site: FailureSite;
  readonly #codec: Codec;
  readonly #keyField: string;
  readonly #columns: readonly PartialColumn[];
  readonly #gauge = new FoldingGauge();
  readonly #partial: Record<string, unknown> = {};
  readonly #hashes = new Int32Array(SLOTS);
  /** Of each slot; undefined: it is empty. */
  readonly #keys: (string | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  /** The columns of each slot; the count, which comes first, is 0 in an empty one. */
  readonly #numbers: Float64Array;
  /** Frames on their way. */
  #frames = Memory.local(FRAMES_BYTES);
  #framesEnd = 0;
  #frameCount = 0;
  readonly #rows: Rows = { memory: this.#frames, from: 0, to: 0, count: 0 };
  /** Slots below this one are drained already. */
  #drained = 0;

  constructor(shape: StringCombinerShape, out: Output & Required<Pick<Output, 'emitRows'>>, site: FailureSite) {
    this.#out = out;
    this.#site = site;
    this.#codec = shape.codec;
    this.#keyField = shape.keyField;
    this.#columns = partialColumns(shape.outputs);
    this.#numbers = new Float64Array(SLOTS * this.#columns.length);
  }

  get full(): boolean {
    return this.#out.full;
  }

  emit(value: unknown): void {
    this.recordsIn++;
    try {
      const key = (value as Readonly<Record<string, unknown>>)[this.#keyField];
      if (typeof key !== 'string' || key.length > MAX_KEY_LENGTH || this.#gauge.passes()) this.#sendAlone(key, value);
      else this.#fold(key, value);
    } catch (error) {
      throw operatorFailure(error, this.#site, () => value);
    }
  }

  /** Sends some of what is held, as long as there is room. True when nothing is left; no record may come before that. */
  drain(): boolean {
    const width = this.#columns.length;
    for (let left = DRAIN_KEYS; this.#drained < SLOTS; this.#drained++) {
      if (this.#numbers[this.#drained * width] === 0) continue;
      if (left-- === 0 || this.#out.full) return false;
      this.#leave(this.#drained);
      this.#numbers[this.#drained * width] = 0;
    }
    this.#flush();
    this.#keys.fill(undefined);
    this.#drained = 0;
    return true;
  }

  #fold(key: string, value: unknown): void {
    const hash = hashOf(key);
    let slot = (hash >>> (32 - SET_BITS)) * 2;
    if (this.#hashes[slot] !== hash || this.#keys[slot] !== key) {
      slot++;
      if (this.#hashes[slot] !== hash || this.#keys[slot] !== key) {
        this.#begin(slot - 1, hash, key, value);
        return;
      }
    }
    const columns = this.#columns;
    const numbers = this.#numbers;
    const first = slot * columns.length;
    numbers[first]++;
    for (let i = 1; i < columns.length; i++) {
      const { kind, field } = columns[i];
      numbers[first + i] = foldNumbers(kind, numbers[first + i], numberField(value, field as string));
    }
    this.#gauge.note(false);
  }

  /** Takes the rarer slot of a set for a key. */
  #begin(set: number, hash: number, key: string, value: unknown): void {
    const columns = this.#columns;
    const numbers = this.#numbers;
    const width = columns.length;
    const slot = numbers[set * width] <= numbers[(set + 1) * width] ? set : set + 1;
    if (numbers[slot * width] !== 0) this.#leave(slot);
    this.#hashes[slot] = hash;
    this.#keys[slot] = key;
    numbers[slot * width] = 1;
    for (let i = 1; i < width; i++) numbers[slot * width + i] = numberField(value, columns[i].field as string);
    this.#gauge.note(true);
  }

  #leave(slot: number): void {
    const columns = this.#columns;
    const partial = this.#partial;
    partial[this.#keyField] = this.#keys[slot];
    for (let i = 0; i < columns.length; i++) partial[columns[i].name] = this.#numbers[slot * columns.length + i];
    this.#append(partial);
  }

  /** Sends a record as a partial result of one. */
  #sendAlone(key: unknown, value: unknown): void {
    const partial = this.#partial;
    partial[this.#keyField] = key;
    for (const { name, field } of this.#columns) partial[name] = field === null ? 1 : numberField(value, field);
    this.#append(partial);
  }

  #append(partial: unknown): void {
    for (;;) {
      const bytes = encodePartial(this.#codec, partial, this.#frames, this.#framesEnd);
      if (bytes >= 0) {
        this.#framesEnd += bytes;
        this.#frameCount++;
        return;
      }
      if (this.#framesEnd > 0) this.#flush();
      else this.#frames = Memory.local(this.#frames.byteLength * 2);
    }
  }

  /** Sends frames, whether there is room downstream or not: what finds none waits in the heap. */
  #flush(): void {
    if (this.#frameCount === 0) return;
    const rows = this.#rows;
    rows.memory = this.#frames;
    rows.to = this.#framesEnd;
    rows.count = this.#frameCount;
    this.#framesEnd = 0;
    this.#frameCount = 0;
    this.#out.emitRows(rows);
  }
}

/** Of all characters of a short key, else of its first and its last ones, where keys differ. It is not written anywhere. */
function hashOf(key: string): number {
  const { length } = key;
  let hash = length;
  let from = 0;
  if (length > 16) {
    for (let i = 0; i < 4; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
    from = length - 12;
  }
  for (let i = from; i < length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
}
