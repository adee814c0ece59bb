/** Where each field of a row lies. Pure; the layout itself is described in `row-codec.ts`. */
import { TidemarkError } from './errors.ts';
import { align8 } from './memory.ts';
import type { FieldSchema, Schema } from './schema.ts';
import { schemaText } from './schema-text.ts';

/** A field's schema without `optional`. */
export type ValueSchema = Exclude<Schema, { readonly type: 'optional' }>;

export interface Slot {
  /** Field name; empty for the one field of a schema that is not a record. */
  readonly name: string;
  readonly schema: ValueSchema;
  readonly optional: boolean;
  /** Byte offset in the row: a multiple of `width`. */
  readonly offset: number;
  readonly width: 4 | 8;
  /** Byte offset of the word with the null bit, and the bit; 0 when not optional. */
  readonly nullOffset: number;
  readonly nullMask: number;
}

export interface RowLayout {
  /** In field order. */
  readonly slots: readonly Slot[];
  /** Byte offset and number of the words of the null bitmap. */
  readonly nullOffset: number;
  readonly nullWords: number;
  /** Bytes in use before the padding that makes them a multiple of 8. */
  readonly usedBytes: number;
  /** Bytes of the fixed part, a multiple of 8, at least 8. */
  readonly fixedBytes: number;
  /** Do rows have variable parts? */
  readonly hasTail: boolean;
}

/** Layout of the rows of a schema. */
export function rowLayout(schema: Schema): RowLayout {
  const fields: readonly FieldSchema[] = schema.type === 'record' ? schema.fields : [{ name: '', schema }];
  const parts = fields.map((field) => ({ name: field.name, ...splitOptional(field.schema) }));
  const eights = parts.filter((part) => slotWidth(part.schema) === 8).length;
  const fours = parts.length - eights;
  const nullOffset = eights * 8 + fours * 4;
  const nullWords = Math.ceil(parts.filter((part) => part.optional).length / 32);

  let nextEight = 0;
  let nextFour = eights * 8;
  let nextNull = 0;
  const slots = parts.map((part): Slot => {
    const width = slotWidth(part.schema);
    const offset = width === 8 ? nextEight : nextFour;
    if (width === 8) nextEight += 8;
    else nextFour += 4;
    const nullBit = part.optional ? nextNull++ : -1;
    return {
      ...part,
      offset,
      width,
      nullOffset: nullBit < 0 ? 0 : nullOffset + 4 * (nullBit >>> 5),
      nullMask: nullBit < 0 ? 0 : (1 << (nullBit & 31)) >>> 0,
    };
  });
  const usedBytes = nullOffset + nullWords * 4;
  return {
    slots,
    nullOffset,
    nullWords,
    usedBytes,
    fixedBytes: Math.max(8, align8(usedBytes)),
    hasTail: parts.some((part) => isReference(part.schema)),
  };
}

/** Where a number lies in every row, so that built-in aggregates read it without decoding; see `fieldAccess`. */
export interface FieldAccess {
  /** Byte offset in the row: a multiple of 4 for `i32`, of 8 for the others, which are all stored as f64. */
  readonly offset: number;
  readonly type: 'i32' | 'f64' | 'int' | 'timestamp';
}

/** Place of a numeric field that is always present; null when the field is not such a number. */
export function fieldAccess(schema: Schema, field: string): FieldAccess | null {
  const slot = findSlot(schema, field);
  if (slot.optional) return null;
  const { type } = slot.schema;
  return type === 'i32' || type === 'f64' || type === 'int' || type === 'timestamp' ? { offset: slot.offset, type } : null;
}

/** The slot of a field of a record schema. @throws TidemarkError ERR_INVALID_ARG naming the fields there are */
export function findSlot(schema: Schema, field: string): Slot {
  if (schema.type !== 'record') {
    throw new TidemarkError(
      'ERR_INVALID_ARG',
      `There is no field '${field}' in values of type ${schemaText(schema)}. Fields exist only in records.`,
      { facts: { field } },
    );
  }
  const slot = rowLayout(schema).slots.find(({ name }) => name === field);
  if (slot === undefined) {
    const names = schema.fields.map(({ name }) => `'${name}'`).join(', ');
    throw new TidemarkError(
      'ERR_INVALID_ARG',
      `There is no field '${field}'; the record has ${names === '' ? 'no fields' : names}.`,
      { facts: { field } },
    );
  }
  return slot;
}

/** Fields that lie in the tail, found through (offset, length) in their slot. */
export function isReference(schema: ValueSchema): boolean {
  switch (schema.type) {
    case 'string':
    case 'bytes':
    case 'bigint':
    case 'list':
    case 'record':
      return true;
    default:
      return false;
  }
}

export function slotWidth(schema: ValueSchema): 4 | 8 {
  return schema.type === 'i32' || schema.type === 'boolean' || schema.type === 'enum' ? 4 : 8;
}

export function splitOptional(schema: Schema): { readonly schema: ValueSchema; readonly optional: boolean } {
  if (schema.type !== 'optional') return { schema, optional: false };
  if (schema.of.type === 'optional')
    throw new TidemarkError('ERR_INVALID_ARG', 'An optional of an optional cannot tell which of the two is absent. Use one.');
  return { schema: schema.of, optional: true };
}
