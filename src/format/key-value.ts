/** One value of a scalar type as key bytes; the table of encodings is in `key-codec.ts`. */
import { readBigInt, writeBigInt } from './bigint-bytes.ts';
import { copyBytes } from './copy-bytes.ts';
import { TidemarkError } from './errors.ts';
import { Memory } from './memory.ts';
import type { ValueSchema } from './row-layout.ts';
import { MAX_TIMESTAMP_MS } from './schema-check.ts';
import { schemaText } from './schema-text.ts';
import { readString, writeString } from './string-bytes.ts';

/** `write` found that the value is not of the type. */
export const WRONG_TYPE = -2;

export interface KeyValue {
  /** 4 or 8 when every value takes so many bytes, else 0. */
  readonly width: 0 | 4 | 8;
  /** Writes at offset 0, zero-padded to a multiple of 8. @returns bytes, -1 without room below `limit`, or WRONG_TYPE */
  write(value: unknown, to: Memory, limit: number): number;
  /** Reads `length` bytes at `at`, a multiple of 4. */
  read(from: Memory, at: number, length: number): unknown;
}

/** @throws TidemarkError ERR_INVALID_ARG for a type that cannot be a key */
export function keyValue(schema: ValueSchema): KeyValue {
  switch (schema.type) {
    case 'i32':
      return I32;
    case 'boolean':
      return BOOLEAN;
    case 'f64':
      return F64;
    case 'int':
      return INT;
    case 'timestamp':
      return TIMESTAMP;
    case 'string':
      return STRING;
    case 'bytes':
      return BYTES;
    case 'bigint':
      return BIGINT;
    case 'enum':
      return enumKey(schema.values);
    case 'list':
    case 'record':
      throw new TidemarkError(
        'ERR_INVALID_ARG',
        `A ${schemaText(schema)} cannot be a key as it is. Name the fields that identify a record, or use a key function: keyBy((value) => ...).`,
      );
  }
}

const I32: KeyValue = {
  width: 4,
  write(value, to) {
    if (((value as number) | 0) !== value) return WRONG_TYPE;
    to.i32[0] = value;
    return 4;
  },
  read: (from, at) => from.i32[at >>> 2],
};

const BOOLEAN: KeyValue = {
  width: 4,
  write(value, to) {
    if (value !== true && value !== false) return WRONG_TYPE;
    to.u32[0] = value ? 1 : 0;
    return 4;
  },
  read: (from, at) => from.u32[at >>> 2] !== 0,
};

function enumKey(values: readonly string[]): KeyValue {
  const indexes = new Map<unknown, number>(values.map((value, i) => [value, i]));
  return {
    width: 4,
    write(value, to) {
      const index = indexes.get(value);
      if (index === undefined) return WRONG_TYPE;
      to.u32[0] = index;
      return 4;
    },
    read: (from, at) => values[from.u32[at >>> 2]],
  };
}

function doubleKey(accepts: (value: unknown) => boolean): KeyValue {
  return {
    width: 8,
    write(value, to) {
      if (!accepts(value)) return WRONG_TYPE;
      const number = value as number;
      if (number === number) {
        to.f64[0] = number;
      } else {
        to.u32[0] = 0;
        to.u32[1] = 0x7ff80000;
      }
      return 8;
    },
    read: readDouble,
  };
}

const F64 = doubleKey((value) => typeof value === 'number');
const INT = doubleKey((value) => Number.isSafeInteger(value));
const TIMESTAMP = doubleKey((value) => typeof value === 'number' && Math.abs(value) <= MAX_TIMESTAMP_MS);

const words = new Uint32Array(2);
const double = new Float64Array(words.buffer);

/** Keys are aligned to 4 only, so a double is read as two words. */
function readDouble(from: Memory, at: number): number {
  words[0] = from.u32[at >>> 2];
  words[1] = from.u32[(at >>> 2) + 1];
  return double[0];
}

const STRING: KeyValue = {
  width: 0,
  write: (value, to, limit) => (typeof value === 'string' ? writeString(to, 0, limit, value) : WRONG_TYPE),
  read: readString,
};

const BYTES: KeyValue = {
  width: 0,
  write(value, to, limit) {
    if (!(value instanceof Uint8Array)) return WRONG_TYPE;
    const end = 8 * Math.ceil(value.length / 8);
    if (end > limit) return -1;
    if (end > 0) to.f64[end / 8 - 1] = 0;
    to.u8.set(value, 0);
    return value.length;
  },
  read: (from, at, length) => Uint8Array.from(from.u8.subarray(at, at + length)),
};

const BIGINT: KeyValue = {
  width: 0,
  write: (value, to, limit) => (typeof value === 'bigint' ? writeBigInt(to, 0, limit, value) : WRONG_TYPE),
  read: (from, at, length) => readBigInt(from.u8, at, length),
};

/** Length word of an absent part. */
export const ABSENT = 0xffffffff;
/** A key begins small and grows to the limit when a long one comes. */
const INITIAL_BYTES = 1024;

/** Memory in which the parts of a key of several parts are gathered. */
export class KeyScratch {
  memory = Memory.local(INITIAL_BYTES);
  length = 0;

  /** Appends `width` (4 or 8) bytes as they are. */
  fixed(from: Memory, at: number, width: number): void {
    this.#reserve(width);
    copyBytes(from, at, this.memory, this.length, width);
    this.length += width;
  }

  /** Appends a length word and the bytes, zero-padded to a multiple of 4. */
  variable(from: Memory, at: number, bytes: number): void {
    const padded = (bytes + 3) & -4;
    this.#reserve(4 + padded);
    const { memory } = this;
    memory.u32[this.length >>> 2] = bytes;
    if (padded > 0) memory.u32[(this.length + padded) >>> 2] = 0;
    copyBytes(from, at, memory, this.length + 4, bytes);
    this.length += 4 + padded;
  }

  absent(): void {
    this.#reserve(4);
    this.memory.u32[this.length >>> 2] = ABSENT;
    this.length += 4;
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.memory.byteLength) return;
    const larger = Memory.local(Math.max(needed, 2 * this.memory.byteLength));
    larger.u8.set(this.memory.u8);
    this.memory = larger;
  }
}
