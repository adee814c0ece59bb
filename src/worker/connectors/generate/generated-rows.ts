/**
 * Generated records written as rows (`format/row-codec.ts`), without an object or a string for each.
 *
 * Rows are made in chunks, and within a chunk column by column: each loop does one thing, so V8 keeps it in registers,
 * and there is no code generation. Every row starts as a copy of a template that holds the constants, the null bits and
 * the padding; then the columns that vary are written over it.
 */
import { Memory } from '../../../format/memory.ts';
import { createRowCodec } from '../../../format/row-codec.ts';
import { isReference, rowLayout, type Slot } from '../../../format/row-layout.ts';
import type { Schema } from '../../../format/schema.ts';
import type { GeneratedField, NumberGenerator } from './field-generators.ts';

const CHUNK_ROWS = 512;

/** Writes rows; one instance per reader. */
export class GeneratedRows {
  /** What the last call wrote. */
  count = 0;
  bytes = 0;
  readonly #fixedBytes: number;
  readonly #template: Memory;
  readonly #numbers: readonly NumberColumn[];
  readonly #tails: readonly TailColumn[];
  readonly #rowAt = new Float64Array(CHUNK_ROWS + 1);

  /** @param schema  a record schema that the fields were compiled for */
  constructor(schema: Schema, fields: readonly GeneratedField[]) {
    const layout = rowLayout(schema);
    this.#fixedBytes = layout.fixedBytes;
    const template = templateRow(schema, fields);
    this.#template = template;
    this.#numbers = layout.slots.flatMap((slot, i) => {
      const field = fields[i];
      return field.kind === 'number' ? [{ slot, number: field.number, values: new Float64Array(CHUNK_ROWS) }] : [];
    });
    this.#tails = layout.slots.flatMap((slot, i) => tailColumn(slot, fields[i], template));
  }

  /**
   * Writes the rows of records `index`, `index + stride`, ... back to back.
   *
   * @param at     a multiple of 8
   * @param limit  first byte that must not be written
   */
  write(index: number, stride: number, rows: number, to: Memory, at: number, limit: number): void {
    this.count = 0;
    this.bytes = 0;
    while (this.count < rows) {
      const wanted = Math.min(CHUNK_ROWS, rows - this.count);
      const fitted = this.#writeChunk(index + this.count * stride, stride, wanted, to, at + this.bytes, limit);
      this.count += fitted;
      this.bytes += this.#rowAt[fitted] - (at + this.bytes);
      if (fitted < wanted) return;
    }
  }

  #writeChunk(index: number, stride: number, rows: number, to: Memory, at: number, limit: number): number {
    const fitted = this.#place(index, stride, rows, at, limit);
    copyTemplate(this.#template.u32, this.#fixedBytes >>> 2, to.u32, this.#rowAt, fitted);
    for (const { slot, number, values } of this.#numbers) {
      fillNumbers(number, index, stride, fitted, values);
      if (slot.width === 4) storeIntegers(to.i32, slot.offset, values, this.#rowAt, fitted);
      else storeDoubles(to.f64, slot.offset, values, this.#rowAt, fitted);
    }
    if (this.#tails.length > 0) this.#writeTails(to, fitted);
    return fitted;
  }

  /** Decides where each row begins. Returns how many rows end below `limit`. */
  #place(index: number, stride: number, rows: number, at: number, limit: number): number {
    const rowAt = this.#rowAt;
    rowAt[0] = at;
    if (this.#tails.length === 0) {
      const size = this.#fixedBytes;
      const fitted = Math.max(0, Math.min(rows, Math.floor((limit - at) / size)));
      for (let i = 1; i <= fitted; i++) rowAt[i] = at + i * size;
      return fitted;
    }
    for (const tail of this.#tails) if (tail.number !== null) fillNumbers(tail.number, index, stride, rows, tail.values);
    for (let i = 0; i < rows; i++) {
      let end = rowAt[i] + this.#fixedBytes;
      for (const tail of this.#tails) end += (itemBytes(tail, i) + 7) & ~7;
      if (end > limit) return i;
      rowAt[i + 1] = end;
    }
    return rows;
  }

  #writeTails(to: Memory, rows: number): void {
    const { u32, u8, f64 } = to;
    for (let i = 0; i < rows; i++) {
      const row = this.#rowAt[i];
      let at = row + this.#fixedBytes;
      for (const tail of this.#tails) {
        const length = itemBytes(tail, i);
        const slot = (row + tail.slotOffset) / 4;
        u32[slot] = at - row;
        u32[slot + 1] = length;
        const end = at + ((length + 7) & ~7);
        // Zero first: what stays of the last word is the padding.
        if (end > at) f64[end / 8 - 1] = 0;
        const { head } = tail;
        for (let b = 0; b < head.length; b++) u8[at + b] = head[b];
        if (tail.number !== null) writeDecimal(u8, at + length, tail.values[i]);
        at = end;
      }
    }
  }
}

interface NumberColumn {
  readonly slot: Slot;
  readonly number: NumberGenerator;
  /** Numbers of the current chunk. */
  readonly values: Float64Array;
}

/** A field whose item lies in the tail: constant bytes, then for a label a decimal number. */
interface TailColumn {
  readonly slotOffset: number;
  readonly head: Uint8Array;
  readonly number: NumberGenerator | null;
  readonly values: Float64Array;
}

/** Can these fields be written as rows? Not a label whose prefix has characters beyond Latin-1: a row would have it in UTF-16. */
export function canWriteRows(fields: readonly GeneratedField[]): boolean {
  return fields.every((field) => field.kind !== 'label' || !/[^\u0000-\u00ff]/.test(field.prefix));
}

/** A row with all constants; the fields that vary stand in it as 0 and ''. */
function templateRow(schema: Schema, fields: readonly GeneratedField[]): Memory {
  const sample = Object.fromEntries(fields.map((field) => [field.name, field.kind === 'constant' ? field.value : field.kind === 'number' ? 0 : '']));
  const codec = createRowCodec(schema);
  for (let size = 1024; ; size *= 2) {
    const template = Memory.local(size);
    if (codec.encode(sample, template, 0, size) >= 0) return template;
  }
}

const NO_NUMBERS = new Float64Array(0);

function tailColumn({ offset, schema }: Slot, field: GeneratedField, template: Memory): readonly TailColumn[] {
  if (field.kind === 'label') {
    const head = Uint8Array.from([0, ...Buffer.from(field.prefix, 'latin1')]);
    return [{ slotOffset: offset, head, number: field.number, values: new Float64Array(CHUNK_ROWS) }];
  }
  if (field.kind === 'number' || field.value === undefined || !isReference(schema)) return [];
  const at = template.u32[offset / 4];
  const length = template.u32[offset / 4 + 1];
  return [{ slotOffset: offset, head: template.u8.slice(at, at + length), number: null, values: NO_NUMBERS }];
}

function itemBytes(tail: TailColumn, row: number): number {
  return tail.number === null ? tail.head.length : tail.head.length + decimalDigits(tail.values[row]);
}

function fillNumbers(number: NumberGenerator, index: number, stride: number, rows: number, values: Float64Array): void {
  for (let i = 0; i < rows; i++) values[i] = number(index + i * stride);
}

function copyTemplate(template: Uint32Array, words: number, to: Uint32Array, rowAt: Float64Array, rows: number): void {
  for (let i = 0; i < rows; i++) {
    const word = rowAt[i] / 4;
    for (let w = 0; w < words; w++) to[word + w] = template[w];
  }
}

function storeIntegers(to: Int32Array, offset: number, values: Float64Array, rowAt: Float64Array, rows: number): void {
  for (let i = 0; i < rows; i++) to[(rowAt[i] + offset) / 4] = values[i];
}

function storeDoubles(to: Float64Array, offset: number, values: Float64Array, rowAt: Float64Array, rows: number): void {
  for (let i = 0; i < rows; i++) to[(rowAt[i] + offset) / 8] = values[i];
}

/** Characters of an integer in decimal. */
function decimalDigits(value: number): number {
  let digits = value < 0 ? 2 : 1;
  let rest = Math.abs(value);
  while (rest >= 10000) {
    rest = Math.floor(rest / 10000);
    digits += 4;
  }
  return rest < 10 ? digits : rest < 100 ? digits + 1 : rest < 1000 ? digits + 2 : digits + 3;
}

/** Writes an integer in decimal, to end before byte `end`. */
function writeDecimal(u8: Uint8Array, end: number, value: number): void {
  let at = end - 1;
  let rest = Math.abs(value);
  while (rest > 0x7fffffff) {
    const quotient = Math.floor(rest / 10);
    u8[at--] = 48 + (rest - quotient * 10);
    rest = quotient;
  }
  let small = rest | 0;
  do {
    const quotient = (small / 10) | 0;
    u8[at--] = 48 + (small - quotient * 10);
    small = quotient;
  } while (small > 0);
  if (value < 0) u8[at] = 45;
}
