/**
 * Tagged values: any plain JavaScript value as bytes that say what they are. For records without a schema
 * (`general-codec.ts`) and for the results of key functions (`key-codec.ts`). Written by `tagged-writer.ts`, read by
 * `tagged-reader.ts`. Byte-packed, little-endian; a varint has 7 bits a byte, lowest first, the high bit set on all but
 * the last.
 *
 * | tag         | value         | what follows                                                                          |
 * |-------------|---------------|---------------------------------------------------------------------------------------|
 * | 0x01        | undefined     |                                                                                       |
 * | 0x02        | null          |                                                                                       |
 * | 0x03, 0x04  | false, true   |                                                                                       |
 * | 0x05        | i32           | varint of the zigzag form; every integer of 32 bits except -0                         |
 * | 0x06        | number        | 8 bytes: every other number; NaN is 0x7ff80000_00000000                               |
 * | 0x07        | string        | varint length, a byte for each code unit; of more than 127 units, all up to 0xff      |
 * | 0x08        | string        | varint number of code units, two bytes each; some unit is above 0xff                  |
 * | 0x09        | bigint        | varint length, two's complement (`bigint-bytes.ts`)                                   |
 * | 0x0a        | Date          | 8 bytes: ms since 1970; NaN for an invalid date                                       |
 * | 0x0b        | Uint8Array    | varint length, the bytes; a Buffer comes back as a Uint8Array                         |
 * | 0x0c        | array         | varint length, the elements; holes are undefined                                      |
 * | 0x0d        | object        | varint number of names, varint bytes of all names, the names as strings, the values   |
 * | 0x0e        | Map           | varint size, then key, value, in insertion order                                      |
 * | 0x0f        | Set           | varint size, the elements, in insertion order                                         |
 * | 0x10        | binary view   | u8 kind (index in BINARY_VIEWS), varint length in bytes, the bytes                    |
 * | 0x80 - 0xff | string        | tag minus 0x80 bytes, one for each code unit                                          |
 *
 * 0 is never a tag, so zeroed bytes are caught. Values are trees: an object met twice is written twice, and equal values
 * have equal bytes if their properties, maps and sets have the same order. In keys, properties are sorted by code units and
 * 0x0e to 0x10 do not occur, so equal keys always have equal bytes.
 */

export const Tag = {
  undefined: 0x01,
  null: 0x02,
  false: 0x03,
  true: 0x04,
  i32: 0x05,
  number: 0x06,
  latin1: 0x07,
  utf16: 0x08,
  bigint: 0x09,
  date: 0x0a,
  bytes: 0x0b,
  array: 0x0c,
  object: 0x0d,
  map: 0x0e,
  set: 0x0f,
  binary: 0x10,
  shortString: 0x80,
} as const;

/** Longest string whose length is in the tag. */
export const MAX_SHORT_STRING = 0x7f;

/** Deeper values are refused: they would exhaust the stack, and a value that contains itself has no end. */
export const MAX_DEPTH = 500;

/** Views and buffers other than Uint8Array; the index is written, so the order never changes. */
export const BINARY_VIEWS = [
  ArrayBuffer,
  DataView,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;
