/**
 * Key encodings. Two different keys never encode alike, and equal keys always do: -0 is not 0, "1" is not 1, 1n is not 1,
 * lone surrogates are kept; all NaN are one key. Bytes are little-endian. The hash, the key group and the order in tables
 * come from these bytes, so they are part of the file format.
 *
 * Typed keys: the types are known, from the fields of a schema or from `keyBy(fn, type)`, and recorded beside the state.
 *
 * | type                 | bytes of the key                                                                          |
 * |----------------------|-------------------------------------------------------------------------------------------|
 * | i32                  | 4: the integer                                                                            |
 * | boolean, enum        | 4: 0 or 1; the index of the value                                                         |
 * | f64, int, timestamp  | 8: an f64; NaN is 0x7ff80000_00000000                                                     |
 * | string               | kind byte and code units (`string-bytes.ts`)                                              |
 * | bytes                | the bytes                                                                                 |
 * | bigint               | two's complement (`bigint-bytes.ts`)                                                      |
 * | several, or optional | the parts one after another, each a multiple of 4: of fixed width the bytes as above; else |
 * |                      | u32 length, the bytes, zero padding; optional of any type likewise, u32 0xffffffff when   |
 * |                      | it is absent                                                                              |
 *
 * These are the bytes that the value has inside a row, so `row-key.ts` finds a key without encoding anything.
 *
 * Untyped keys: the results of key functions, in the tagged encoding of `tagged-value.ts` with sorted object keys.
 *
 * Limit: 64 KiB.
 */
import type { KeyCodec, KeyRef } from './codec.ts';
import { describeValue } from './describe-value.ts';
import { TidemarkError } from './errors.ts';
import { hashKey, hashKeyOfTwoWords, hashKeyOfWord } from './hash.ts';
import { keyMismatch, keyTooLarge, MAX_KEY_BYTES } from './key-limit.ts';
import { ABSENT, KeyScratch, keyValue, type KeyValue, WRONG_TYPE } from './key-value.ts';
import { Memory } from './memory.ts';
import { splitOptional, type ValueSchema } from './row-layout.ts';
import type { Schema } from './schema.ts';
import { schemaText } from './schema-text.ts';
import { TaggedReader } from './tagged-reader.ts';
import { TaggedWriter } from './tagged-writer.ts';

/**
 * @param schemas  types of the key's parts: one part is a bare value, several are an array. `null`: untyped
 * @returns a codec with scratch memory of its own: one for each operator and thread
 * @throws TidemarkError ERR_INVALID_ARG for a type that cannot be a key
 */
export function createKeyCodec(schemas: readonly Schema[] | null): KeyCodec {
  if (schemas === null) return new UntypedKeyCodec();
  if (schemas.length === 0) throw new TidemarkError('ERR_INVALID_ARG', 'A key needs at least one part.');
  const [only] = schemas;
  return schemas.length > 1 || only.type === 'optional' ? new GatheredKeyCodec(schemas) : new SingleKeyCodec(only);
}

/** Type of a key as manifests record it: `string`, `(string, i32)`, `any` for untyped keys. */
export function keyTypeText(schemas: readonly Schema[] | null): string {
  if (schemas === null) return 'any';
  const texts = schemas.map(schemaText);
  return texts.length === 1 ? texts[0] : `(${texts.join(', ')})`;
}

const INITIAL_BYTES = 1024;
/** Room for the largest key and for the padding that follows it. */
const SCRATCH_LIMIT = MAX_KEY_BYTES + 8;

/** Memory for one encoded value, which grows once: most keys are short. */
class ValueScratch {
  memory = Memory.local(INITIAL_BYTES);

  write(encoding: KeyValue, schema: Schema, value: unknown): number {
    let length = encoding.write(value, this.memory, this.memory.byteLength);
    if (length === -1 && this.memory.byteLength < SCRATCH_LIMIT) {
      this.memory = Memory.local(SCRATCH_LIMIT);
      length = encoding.write(value, this.memory, SCRATCH_LIMIT);
    }
    if (length === WRONG_TYPE) throw keyMismatch(schema, value);
    if (length < 0 || length > MAX_KEY_BYTES) throw keyTooLarge();
    return length;
  }
}

class SingleKeyCodec implements KeyCodec {
  readonly type: string;
  readonly #schema: Schema;
  readonly #value: KeyValue;
  readonly #scratch = new ValueScratch();

  constructor(schema: ValueSchema) {
    this.type = keyTypeText([schema]);
    this.#schema = schema;
    this.#value = keyValue(schema);
  }

  encode(key: unknown, out: KeyRef): void {
    const length = this.#scratch.write(this.#value, this.#schema, key);
    const { memory } = this.#scratch;
    out.memory = memory;
    out.at = 0;
    out.length = length;
    switch (this.#value.width) {
      case 4:
        out.hash = hashKeyOfWord(memory.u32[0]);
        break;
      case 8:
        out.hash = hashKeyOfTwoWords(memory.u32[0], memory.u32[1]);
        break;
      case 0:
        out.hash = hashKey(memory, 0, length);
    }
  }

  decode(from: Memory, at: number, length: number): unknown {
    return this.#value.read(from, at, length);
  }
}

interface KeyPart {
  readonly schema: ValueSchema;
  readonly optional: boolean;
  readonly value: KeyValue;
}

class GatheredKeyCodec implements KeyCodec {
  readonly type: string;
  readonly #parts: readonly KeyPart[];
  readonly #key = new KeyScratch();
  readonly #part = new ValueScratch();

  constructor(schemas: readonly Schema[]) {
    this.type = keyTypeText(schemas);
    this.#parts = schemas.map((schema) => {
      const part = splitOptional(schema);
      return { ...part, value: keyValue(part.schema) };
    });
  }

  encode(key: unknown, out: KeyRef): void {
    const parts = this.#parts;
    if (parts.length > 1 && (!Array.isArray(key) || key.length !== parts.length)) {
      throw new TidemarkError(
        'ERR_INVALID_ARG',
        `A key of type ${this.type} is an array of ${parts.length} values, but it is ${describeValue(key)}.`,
        {
          facts: { expected: this.type, received: describeValue(key) },
        },
      );
    }
    const scratch = this.#key;
    scratch.length = 0;
    for (let i = 0; i < parts.length; i++) this.#append(parts[i], parts.length === 1 ? key : (key as readonly unknown[])[i]);
    if (scratch.length > MAX_KEY_BYTES) throw keyTooLarge(scratch.length);
    out.memory = scratch.memory;
    out.at = 0;
    out.length = scratch.length;
    out.hash = hashKey(scratch.memory, 0, scratch.length);
  }

  decode(from: Memory, at: number): unknown {
    const values: unknown[] = [];
    let partAt = at;
    for (const { value, optional } of this.#parts) {
      let length: number = value.width;
      if (optional || length === 0) {
        length = from.u32[partAt >>> 2];
        partAt += 4;
        if (length === ABSENT) {
          values.push(undefined);
          continue;
        }
      }
      values.push(value.read(from, partAt, length));
      partAt += (length + 3) & -4;
    }
    return this.#parts.length === 1 ? values[0] : values;
  }

  #append({ value: encoding, schema, optional }: KeyPart, value: unknown): void {
    if (optional && (value === undefined || value === null)) {
      this.#key.absent();
      return;
    }
    const length = this.#part.write(encoding, schema, value);
    if (optional || encoding.width === 0) this.#key.variable(this.#part.memory, 0, length);
    else this.#key.fixed(this.#part.memory, 0, length);
  }
}

class UntypedKeyCodec implements KeyCodec {
  readonly type = 'any';
  readonly #writer = new TaggedWriter('key', 0, MAX_KEY_BYTES);
  readonly #reader = new TaggedReader();

  encode(key: unknown, out: KeyRef): void {
    const length = this.#writer.write(key);
    if (length < 0) throw keyTooLarge();
    const { memory } = this.#writer;
    // The hash reads whole words; what a longer key left behind the end must not be seen by those who copy padding.
    for (let at = length; (at & 7) !== 0; at++) memory.u8[at] = 0;
    out.memory = memory;
    out.at = 0;
    out.length = length;
    out.hash = hashKey(memory, 0, length);
  }

  decode(from: Memory, at: number, length: number): unknown {
    return this.#reader.read(from, at, length);
  }
}
