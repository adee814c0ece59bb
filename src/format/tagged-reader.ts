/** Reads tagged values; the format is described in `tagged-value.ts`. */
import { readBigInt } from './bigint-bytes.ts';
import { TidemarkError } from './errors.ts';
import type { Memory } from './memory.ts';
import { literalKey } from './row-source.ts';
import { readLatin1, readUtf16 } from './string-bytes.ts';
import { BINARY_VIEWS, MAX_DEPTH, MAX_SHORT_STRING, Tag } from './tagged-value.ts';

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** Shapes met lately, by a hash of their names. A power of two. */
const SHAPE_SLOTS = 256;
/** Objects of a shape read before a constructor is compiled for it: compiling costs as much as some hundred objects. */
const READS_BEFORE_COMPILING = 64;

/** What the generated constructors call. */
interface ValueReader {
  value(): unknown;
}

interface Shape {
  readonly block: Uint8Array;
  readonly names: readonly string[];
  reads: number;
  /** `{ name: reader.value(), ... }` with the names as constants. */
  construct: ((reader: ValueReader) => object) | null;
}

export class TaggedReader implements ValueReader {
  #memory: Memory | null = null;
  #u8: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #depth = 0;
  readonly #shapes: (Shape | undefined)[] = Array.from({ length: SHAPE_SLOTS }, () => undefined);

  /**
   * The value in `length` bytes at `at`, any alignment.
   *
   * @throws TidemarkError ERR_TABLE_CORRUPT when the bytes are not exactly one value: they can come from a file
   */
  read(from: Memory, at: number, length: number): unknown {
    this.#memory = from;
    this.#u8 = from.u8;
    this.#at = at;
    this.#end = at + length;
    this.#depth = 0;
    const value = this.value();
    if (this.#at !== this.#end) throw this.#damaged(`ends ${this.#end - this.#at} bytes before its length`);
    return value;
  }

  /** The value at the current position. For generated constructors. */
  value(): unknown {
    if (this.#at >= this.#end) throw this.#damaged('is cut short');
    const tag = this.#u8[this.#at++];
    if (tag >= Tag.shortString) return this.#latin1(tag & MAX_SHORT_STRING);
    switch (tag) {
      case Tag.undefined:
        return undefined;
      case Tag.null:
        return null;
      case Tag.false:
        return false;
      case Tag.true:
        return true;
      case Tag.i32: {
        const zigzag = this.#varint();
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
      case Tag.number:
        return this.#double();
      case Tag.latin1:
        return this.#latin1(this.#varint());
      case Tag.utf16: {
        const at = this.#take(2 * this.#varint());
        return readUtf16(this.#memory as Memory, at, this.#at - at);
      }
      case Tag.bigint: {
        const at = this.#take(this.#varint());
        return readBigInt(this.#u8, at, this.#at - at);
      }
      case Tag.date:
        return new Date(this.#double());
      case Tag.bytes: {
        const at = this.#take(this.#varint());
        return Uint8Array.from(this.#u8.subarray(at, this.#at));
      }
      case Tag.binary:
        return this.#binary();
      default:
        return this.#container(tag);
    }
  }

  #container(tag: number): unknown {
    if (++this.#depth > MAX_DEPTH) throw this.#damaged(`is nested more than ${MAX_DEPTH} levels deep`);
    const count = this.#varint();
    // Every element takes at least a byte: a count that cannot be is refused before memory is taken for it.
    if (count > this.#end - this.#at) throw this.#damaged(`declares ${count} elements in ${this.#end - this.#at} bytes`);
    let value: unknown;
    switch (tag) {
      case Tag.array: {
        const array: unknown[] = [];
        for (let i = 0; i < count; i++) array.push(this.value());
        value = array;
        break;
      }
      case Tag.object:
        value = this.#object(count);
        break;
      case Tag.map: {
        const map = new Map<unknown, unknown>();
        for (let i = 0; i < count; i++) {
          const key = this.value();
          map.set(key, this.value());
        }
        value = map;
        break;
      }
      case Tag.set: {
        const set = new Set<unknown>();
        for (let i = 0; i < count; i++) set.add(this.value());
        value = set;
        break;
      }
      default:
        throw this.#damaged(`has the unknown tag ${tag}`);
    }
    this.#depth--;
    return value;
  }

  #object(count: number): object {
    const bytes = this.#varint();
    const at = this.#take(bytes);
    const shape = this.#shape(at, bytes, count);
    if (shape.construct !== null) return shape.construct(this);
    if (++shape.reads > READS_BEFORE_COMPILING) shape.construct = compileConstructor(shape.names);
    const object: Record<string, unknown> = {};
    for (const name of shape.names) {
      if (name === '__proto__')
        Object.defineProperty(object, name, { value: this.value(), enumerable: true, configurable: true, writable: true });
      else object[name] = this.value();
    }
    return object;
  }

  /** The shape whose names are the `bytes` bytes at `at`. */
  #shape(at: number, bytes: number, count: number): Shape {
    const u8 = this.#u8;
    const middle = bytes === 0 ? 0 : u8[at + (bytes >>> 1)];
    const last = bytes === 0 ? 0 : u8[at + bytes - 1];
    const slot = (Math.imul(bytes, 31) ^ Math.imul(count, 17) ^ Math.imul(middle, 7) ^ last) & (SHAPE_SLOTS - 1);
    const known = this.#shapes[slot];
    if (known !== undefined && known.names.length === count && sameBytes(known.block, u8, at, bytes)) return known;
    const names: string[] = [];
    const after = this.#at;
    this.#at = at;
    for (let i = 0; i < count; i++) {
      const name = this.value();
      if (typeof name !== 'string') throw this.#damaged('has a property name that is not a string');
      names.push(name);
    }
    if (this.#at !== after) throw this.#damaged('has property names of another length than declared');
    const shape: Shape = { block: Uint8Array.from(u8.subarray(at, at + bytes)), names, reads: 0, construct: null };
    this.#shapes[slot] = shape;
    return shape;
  }

  #binary(): object {
    const View = BINARY_VIEWS[this.#u8[this.#take(1)]];
    const at = this.#take(this.#varint());
    const { buffer } = Uint8Array.from(this.#u8.subarray(at, this.#at));
    if (View === undefined || ('BYTES_PER_ELEMENT' in View && buffer.byteLength % View.BYTES_PER_ELEMENT !== 0))
      throw this.#damaged('has a binary view of an unknown kind or size');
    return View === ArrayBuffer ? buffer : new (View as DataViewConstructor)(buffer);
  }

  #latin1(length: number): string {
    const at = this.#take(length);
    return readLatin1(this.#memory as Memory, at, length);
  }

  #double(): number {
    const at = this.#take(8);
    const u8 = this.#u8;
    for (let i = 0; i < 8; i++) doubleBytes[i] = u8[at + i];
    return double[0];
  }

  /** At most 32 bits. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#u8[this.#take(1)];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw this.#damaged('has a number of more than 32 bits');
  }

  /** Moves on by `bytes`. @returns where they begin */
  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#end - at) throw this.#damaged(`needs ${bytes} bytes where ${this.#end - at} are left`);
    this.#at = at + bytes;
    return at;
  }

  #damaged(what: string): TidemarkError {
    return new TidemarkError(
      'ERR_TABLE_CORRUPT',
      `An encoded value ${what}, ${this.#at} bytes into its memory. The bytes were damaged or written by something else.`,
      { facts: { offset: this.#at } },
    );
  }
}

function sameBytes(known: Uint8Array, u8: Uint8Array, at: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== u8[at + i]) return false;
  return true;
}

/**
 * An object literal with the names as constants is three times faster than adding properties by computed names. The text
 * holds nothing but the names, quoted by JSON.stringify.
 */
function compileConstructor(names: readonly string[]): (reader: ValueReader) => object {
  const fields = names.map((name) => `${literalKey(name)}: reader.value()`);
  // oxlint-disable-next-line typescript/no-implied-eval -- see above what the text consists of
  return new Function('reader', `return { ${fields.join(', ')} };`) as (reader: ValueReader) => object;
}
