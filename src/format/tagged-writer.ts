/** Writes tagged values; the format is described in `tagged-value.ts`. */
import { bigintByteLength, storeBigInt } from './bigint-bytes.ts';
import { describeValue } from './describe-value.ts';
import { TidemarkError } from './errors.ts';
import { Memory } from './memory.ts';
import { writeLatin1Units, writeUtf16Units } from './string-bytes.ts';
import { type ShapeNode, ShapeTree } from './tagged-shapes.ts';
import { BINARY_VIEWS, MAX_DEPTH, MAX_SHORT_STRING, Tag } from './tagged-value.ts';

const INITIAL_BYTES = 1024;
const MAX_VARINT_BYTES = 5;
/** Objects with more names are dictionaries rather than records: their names are written anew each time. */
const MAX_SHAPE_NAMES = 64;

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** Thrown inside and caught by `write`: the value is larger than the limit. */
const TOO_LARGE = Symbol('too large');

export class TaggedWriter {
  /** Holds what was written last, from `start` on. Replaced when it grows. */
  memory = Memory.local(INITIAL_BYTES);
  readonly #purpose: 'key' | 'record';
  readonly #start: number;
  readonly #limit: number;
  readonly #shapes = new ShapeTree();
  #at = 0;
  #depth = 0;

  /**
   * @param purpose     'key': sorted properties, only what can be a key; 'record': also maps, sets and binary views
   * @param start       offset of the first byte
   * @param limitBytes  most bytes of a value
   */
  constructor(purpose: 'key' | 'record', start: number, limitBytes: number) {
    this.#purpose = purpose;
    this.#start = start;
    this.#limit = start + limitBytes;
  }

  /**
   * Writes `value` over the one before.
   *
   * @returns bytes, or -1 when they are more than the limit
   * @throws  TidemarkError ERR_INVALID_ARG for a function, a symbol, an instance of a class, or a value that contains itself
   */
  write(value: unknown): number {
    this.#at = this.#start;
    this.#depth = 0;
    try {
      this.#value(value);
    } catch (error) {
      if (error === TOO_LARGE) return -1;
      throw error;
    }
    return this.#at > this.#limit ? -1 : this.#at - this.#start;
  }

  #value(value: unknown): void {
    switch (typeof value) {
      case 'string':
        this.#string(value);
        return;
      case 'number':
        this.#number(value);
        return;
      case 'boolean':
        this.#tag(value ? Tag.true : Tag.false);
        return;
      case 'undefined':
        this.#tag(Tag.undefined);
        return;
      case 'bigint':
        this.#bigint(value);
        return;
      case 'object':
        if (value === null) this.#tag(Tag.null);
        else this.#object(value);
        return;
      default:
        throw this.#refused(value);
    }
  }

  #tag(tag: number): void {
    this.#reserve(1);
    this.memory.u8[this.#at++] = tag;
  }

  #number(value: number): void {
    this.#reserve(1 + 8);
    const { u8 } = this.memory;
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      u8[this.#at++] = Tag.i32;
      this.#varint(((value << 1) ^ (value >> 31)) >>> 0);
    } else {
      u8[this.#at++] = Tag.number;
      this.#double(value);
    }
  }

  #double(value: number): void {
    const { u8 } = this.memory;
    double[0] = value;
    if (value !== value) {
      doubleBytes.fill(0, 0, 6);
      doubleBytes[6] = 0xf8;
      doubleBytes[7] = 0x7f;
    }
    const at = this.#at;
    for (let i = 0; i < 8; i++) u8[at + i] = doubleBytes[i];
    this.#at = at + 8;
  }

  #string(value: string): void {
    const { length } = value;
    this.#reserve(1 + MAX_VARINT_BYTES + length);
    const at = this.#at;
    if (length <= MAX_SHORT_STRING) {
      this.memory.u8[this.#at++] = Tag.shortString | length;
    } else {
      this.memory.u8[this.#at++] = Tag.latin1;
      this.#varint(length);
    }
    if (writeLatin1Units(this.memory, this.#at, value)) {
      this.#at += length;
      return;
    }
    this.#at = at;
    this.#reserve(1 + MAX_VARINT_BYTES + 2 * length);
    this.memory.u8[this.#at++] = Tag.utf16;
    this.#varint(length);
    writeUtf16Units(this.memory, this.#at, value);
    this.#at += 2 * length;
  }

  #bigint(value: bigint): void {
    const length = bigintByteLength(value);
    this.#reserve(1 + MAX_VARINT_BYTES + length);
    this.memory.u8[this.#at++] = Tag.bigint;
    this.#varint(length);
    storeBigInt(this.memory.u8, this.#at, length, value);
    this.#at += length;
  }

  #object(value: object): void {
    if (++this.#depth > MAX_DEPTH) {
      throw new TidemarkError(
        'ERR_INVALID_ARG',
        `A ${this.#purpose} is nested more than ${MAX_DEPTH} levels deep, or contains itself. Only trees of values can be encoded.`,
      );
    }
    if (Array.isArray(value)) this.#array(value);
    else if (isPlain(value)) this.#properties(value as Readonly<Record<string, unknown>>);
    else this.#instance(value);
    this.#depth--;
  }

  #array(value: readonly unknown[]): void {
    const { length } = value;
    this.#header(Tag.array, length);
    for (let i = 0; i < length; i++) this.#value(value[i]);
  }

  #properties(value: Readonly<Record<string, unknown>>): void {
    if (this.#purpose === 'key') {
      if (Object.getOwnPropertySymbols(value).length > 0) throw this.#refused(Object.getOwnPropertySymbols(value)[0]);
      const names = Object.keys(value).sort();
      this.#names(names);
      for (const name of names) this.#value(value[name]);
      return;
    }
    let shape: ShapeNode | null = this.#shapes.root;
    let count = 0;
    for (const name in value) {
      if (shape !== null) shape = ++count > MAX_SHAPE_NAMES ? null : (shape.step(name) ?? this.#shapes.extend(shape, name));
    }
    if (shape === null || shape.block === null) {
      const from = this.#at;
      const names: string[] = [];
      for (const name in value) names.push(name);
      this.#names(names);
      if (shape !== null) shape.block = Uint8Array.from(this.memory.u8.subarray(from, this.#at));
    } else {
      this.#raw(shape.block);
    }
    for (const name in value) this.#value(value[name]);
  }

  #names(names: readonly string[]): void {
    this.#header(Tag.object, names.length);
    // The size of the block is known only after it: it is moved up by the bytes that its varint takes.
    const from = this.#at;
    for (const name of names) this.#string(name);
    const bytes = this.#at - from;
    this.#reserve(MAX_VARINT_BYTES);
    this.memory.u8.copyWithin(from + varintBytes(bytes), from, this.#at);
    this.#at = from;
    this.#varint(bytes);
    this.#at += bytes;
  }

  #instance(value: object): void {
    if (value instanceof Date) {
      this.#reserve(1 + 8);
      this.memory.u8[this.#at++] = Tag.date;
      this.#double(value.getTime());
    } else if (value instanceof Uint8Array) {
      this.#header(Tag.bytes, value.length);
      this.#raw(value);
    } else if (this.#purpose === 'key') {
      throw this.#refused(value);
    } else if (value instanceof Map) {
      this.#header(Tag.map, value.size);
      for (const [key, item] of value) {
        this.#value(key);
        this.#value(item);
      }
    } else if (value instanceof Set) {
      this.#header(Tag.set, value.size);
      for (const item of value) this.#value(item);
    } else {
      this.#binary(value);
    }
  }

  #binary(value: object): void {
    const kind = BINARY_VIEWS.findIndex((view) => value instanceof view);
    if (kind < 0) throw this.#refused(value);
    const bytes = ArrayBuffer.isView(value)
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value as ArrayBuffer);
    this.#reserve(2 + MAX_VARINT_BYTES);
    this.memory.u8[this.#at++] = Tag.binary;
    this.memory.u8[this.#at++] = kind;
    this.#varint(bytes.length);
    this.#raw(bytes);
  }

  #header(tag: number, count: number): void {
    this.#reserve(1 + MAX_VARINT_BYTES);
    this.memory.u8[this.#at++] = tag;
    this.#varint(count);
  }

  #varint(value: number): void {
    const { u8 } = this.memory;
    let rest = value;
    while (rest >= 0x80) {
      u8[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    u8[this.#at++] = rest;
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    const { u8 } = this.memory;
    const at = this.#at;
    // A loop beats `set` for the names of small objects (`LOOP_COPY_BYTES` in row-codec.ts).
    if (bytes.length > 64) u8.set(bytes, at);
    else for (let i = 0; i < bytes.length; i++) u8[at + i] = bytes[i];
    this.#at = at + bytes.length;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.memory.byteLength) return;
    // A few header bytes may be reserved in excess of what is written, hence the slack.
    if (needed > this.#limit + 64) throw TOO_LARGE;
    const larger = Memory.local(Math.max(needed, 2 * this.memory.byteLength));
    larger.u8.set(this.memory.u8);
    this.memory = larger;
  }

  #refused(value: unknown): TidemarkError {
    const instead =
      this.#purpose === 'key'
        ? 'Keys are strings, numbers, bigints, booleans, null, undefined, dates, Uint8Arrays, and arrays and plain objects of them.'
        : 'Records are plain data: make it a plain object, or give the stream a schema.';
    return new TidemarkError(
      'ERR_INVALID_ARG',
      `A ${this.#purpose} contains ${describeValue(value)}, which cannot be encoded. ${instead}`,
      { facts: { received: describeValue(value) } },
    );
  }
}

/** An object literal or Object.create(null), of any realm: its prototype is the root of its realm, or none. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return (
    prototype === Object.prototype ||
    prototype === null ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
  );
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}
