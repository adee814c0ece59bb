/** Finds keys in encoded rows, for `keyBy` on fields; the bytes are those that `key-codec.ts` writes for the value. */
import type { KeyRef, RowKey } from './codec.ts';
import { TidemarkError } from './errors.ts';
import { hashKey, hashKeyOfTwoWords, hashKeyOfWord } from './hash.ts';
import { KeyScratch, keyValue } from './key-value.ts';
import { keyTooLarge, MAX_KEY_BYTES } from './key-limit.ts';
import type { Memory } from './memory.ts';
import { findSlot, type Slot } from './row-layout.ts';
import type { Schema } from './schema.ts';

/**
 * The key of rows of `schema`: one field, or several in the order given.
 *
 * @throws TidemarkError ERR_INVALID_ARG for no fields, an unknown field, or one whose type cannot be a key
 */
export function createRowKey(schema: Schema, fields: readonly string[]): RowKey {
  if (fields.length === 0) throw new TidemarkError('ERR_INVALID_ARG', 'A key needs at least one field.');
  const slots = fields.map((field) => findSlot(schema, field));
  const widths = slots.map((slot) => keyValue(slot.schema).width);
  const only = slots[0];
  if (slots.length > 1 || only.optional) return new GatheredRowKey(slots, widths);
  switch (widths[0]) {
    case 4:
      return new WordRowKey(only.offset);
    case 8:
      return new TwoWordRowKey(only.offset);
    case 0:
      return new ItemRowKey(only.offset);
  }
}

class WordRowKey implements RowKey {
  readonly fixedOffset: number;
  readonly wordCount = 1;
  readonly itemOffset = -1;

  constructor(offset: number) {
    this.fixedOffset = offset;
  }

  locate(from: Memory, at: number, out: KeyRef): void {
    const keyAt = at + this.fixedOffset;
    out.memory = from;
    out.at = keyAt;
    out.length = 4;
    out.hash = hashKeyOfWord(from.u32[keyAt / 4]);
  }
}

class TwoWordRowKey implements RowKey {
  readonly fixedOffset: number;
  readonly wordCount = 2;
  readonly itemOffset = -1;

  constructor(offset: number) {
    this.fixedOffset = offset;
  }

  locate(from: Memory, at: number, out: KeyRef): void {
    const keyAt = at + this.fixedOffset;
    const word = keyAt / 4;
    out.memory = from;
    out.at = keyAt;
    out.length = 8;
    out.hash = hashKeyOfTwoWords(from.u32[word], from.u32[word + 1]);
  }
}

/** A string, bytes or a bigint: the item in the row's tail is the key. */
class ItemRowKey implements RowKey {
  readonly fixedOffset = -1;
  readonly wordCount = 0;
  readonly itemOffset: number;

  constructor(offset: number) {
    this.itemOffset = offset;
  }

  locate(from: Memory, at: number, out: KeyRef): void {
    const word = (at + this.itemOffset) / 4;
    const keyAt = at + from.u32[word];
    const length = from.u32[word + 1];
    if (length > MAX_KEY_BYTES) throw keyTooLarge(length);
    out.memory = from;
    out.at = keyAt;
    out.length = length;
    out.hash = hashKey(from, keyAt, length);
  }
}

/** Several fields, or one that may be absent. */
class GatheredRowKey implements RowKey {
  readonly fixedOffset = -1;
  readonly wordCount = 0;
  readonly itemOffset = -1;
  readonly #slots: readonly Slot[];
  readonly #widths: readonly number[];
  readonly #scratch = new KeyScratch();

  constructor(slots: readonly Slot[], widths: readonly number[]) {
    this.#slots = slots;
    this.#widths = widths;
  }

  locate(from: Memory, at: number, out: KeyRef): void {
    const scratch = this.#scratch;
    scratch.length = 0;
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[i];
      const slotAt = at + slot.offset;
      const width = this.#widths[i];
      if (slot.optional && (from.u32[(at + slot.nullOffset) / 4] & slot.nullMask) !== 0) {
        scratch.absent();
      } else if (width === 0) {
        const itemBytes = from.u32[slotAt / 4 + 1];
        if (itemBytes > MAX_KEY_BYTES) throw keyTooLarge(itemBytes);
        scratch.variable(from, at + from.u32[slotAt / 4], itemBytes);
      } else if (slot.optional) {
        scratch.variable(from, slotAt, width);
      } else {
        scratch.fixed(from, slotAt, width);
      }
    }
    if (scratch.length > MAX_KEY_BYTES) throw keyTooLarge(scratch.length);
    out.memory = scratch.memory;
    out.at = 0;
    out.length = scratch.length;
    out.hash = hashKey(scratch.memory, 0, scratch.length);
  }
}
