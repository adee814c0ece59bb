/**
 * Rows: the bytes of one value of a schema. A row is self-contained (offsets are relative to its start), begins at a
 * multiple of 8 and is a multiple of 8 long; integers are little-endian, all padding is zero. Equal values have equal bytes.
 *
 * | part             | size            | content                                                                    |
 * |------------------|-----------------|----------------------------------------------------------------------------|
 * | 8-byte slots     | 8 each          | f64, int, timestamp: an f64 (NaN is 0x7ff80000_00000000; -0 is kept)        |
 * |                  |                 | string, bytes, bigint, list, record: u32 offset of the item in the tail,   |
 * |                  |                 | u32 bytes of the item without its padding                                  |
 * | 4-byte slots     | 4 each          | i32 (-0 is written as 0); boolean: u32 0 or 1; enum: u32 index of the value |
 * | null bitmap      | 4 for each 32   | bit i (lowest first) is set when the i-th optional field is absent; its    |
 * |                  | optional fields | slot is then zero                                                          |
 * | padding          | 0 to 7          | to a multiple of 8; a record without fields takes 8 bytes                  |
 * | tail             | -               | the items in field order, each padded to a multiple of 8                   |
 *
 * Within each part slots stand in field order. A schema that is not a record is a row of one field without a name. Items:
 *
 * | type   | item                                                                                                |
 * |--------|-----------------------------------------------------------------------------------------------------|
 * | string | kind byte and code units, see `string-bytes.ts`: the same bytes are the string as a key             |
 * | bytes  | the bytes                                                                                           |
 * | bigint | two's complement, see `bigint-bytes.ts`                                                             |
 * | record | a row                                                                                               |
 * | list   | u32 count, u32 zero; for optional elements a null bitmap, padded to 8; the slots of the elements,   |
 * |        | padded to 8; then the items that they refer to, relative to the list's start                         |
 *
 * Limits: a row has at most 64 MiB.
 */
import { readBigInt, writeBigInt } from './bigint-bytes.ts';
import type { Codec } from './codec.ts';
import { TidemarkError } from './errors.ts';
import { canonicalJson, type JsonValue } from './json.ts';
import type { Memory } from './memory.ts';
import { rowLayout } from './row-layout.ts';
import { NO_ROOM, rowSource } from './row-source.ts';
import type { Schema } from './schema.ts';
import { mismatchError, ownOrGetter } from './schema-check.ts';
import { schemaText } from './schema-text.ts';
import { readString, writeString } from './string-bytes.ts';

export const MAX_ROW_BYTES = 64 * 1024 * 1024;

interface ViewClass {
  new (): object;
  bind(view: object, from: Memory, at: number): void;
}

interface Generated {
  readonly encode: (value: unknown, to: Memory, at: number, limit: number) => number;
  readonly decode: (from: Memory, at: number) => unknown;
  readonly View: ViewClass | null;
}

const HELPERS = { writeString, readString, writeBytes, readBytes, writeBigInt, readBigInt, ownOrGetter };

const codecs = new Map<string, RowCodec>();

/**
 * The codec of a schema. Generated once per schema and thread (about 0.2 ms), then shared: it has no state of its own.
 *
 * @throws TidemarkError ERR_INVALID_ARG when the schema cannot be laid out (an optional of an optional)
 */
export function createRowCodec<T = unknown>(schema: Schema): Codec<T> {
  const key = canonicalJson(schema as unknown as JsonValue);
  let codec = codecs.get(key);
  if (codec === undefined) {
    codec = new RowCodec(schema);
    codecs.set(key, codec);
  }
  return codec as unknown as Codec<T>;
}

class RowCodec implements Codec {
  readonly fixedSize: number;
  readonly schema: Schema;
  readonly decode: (from: Memory, at: number) => unknown;
  readonly #encode: Generated['encode'];
  readonly #View: ViewClass | null;

  constructor(schema: Schema) {
    const layout = rowLayout(schema);
    const generated = compile(schema);
    this.fixedSize = layout.hasTail ? 0 : layout.fixedBytes;
    this.schema = schema;
    this.decode = generated.decode;
    this.#encode = generated.encode;
    this.#View = generated.View;
  }

  encode(value: unknown, to: Memory, at: number, limit: number): number {
    const largest = at + MAX_ROW_BYTES;
    const written = this.#encode(value, to, at, limit < largest ? limit : largest);
    return written >= 0 ? written : this.#refuse(written, value, limit < largest);
  }

  view(): { readonly row: unknown; bind(from: Memory, at: number): void } | null {
    const View = this.#View;
    if (View === null) return null;
    const row = new View();
    return { row, bind: (from, at) => View.bind(row, from, at) };
  }

  #refuse(reason: number, value: unknown, couldFitElsewhere: boolean): -1 {
    if (reason !== NO_ROOM) throw mismatchError(this.schema, value);
    if (couldFitElsewhere) return NO_ROOM;
    throw new TidemarkError(
      'ERR_RECORD_TOO_LARGE',
      `A record of type ${schemaText(this.schema)} needs more than the ${MAX_ROW_BYTES} bytes that a row may have. Split it, or keep large content in files and pass their names.`,
      {
        facts: { limitBytes: MAX_ROW_BYTES },
      },
    );
  }
}

/**
 * The one place where a codec's source becomes code. The text consists of our own templates, numbers, and field names
 * through JSON.stringify, which quotes everything that could end a string literal.
 */
function compile(schema: Schema): Generated {
  const { text, constants } = rowSource(schema);
  // oxlint-disable-next-line typescript/no-implied-eval -- see above what the text consists of
  return new Function('helpers', 'constants', text)(HELPERS, constants) as Generated;
}

/** From here on `Uint8Array.set` beats a loop. */
const LOOP_COPY_BYTES = 32;

function writeBytes(to: Memory, at: number, limit: number, value: Uint8Array): number {
  const { length } = value;
  const end = at + 8 * Math.ceil(length / 8);
  if (end > limit) return NO_ROOM;
  if (length === 0) return 0;
  to.f64[end / 8 - 1] = 0;
  if (length > LOOP_COPY_BYTES) to.u8.set(value, at);
  else for (let i = 0; i < length; i++) to.u8[at + i] = value[i];
  return length;
}

function readBytes(from: Memory, at: number, length: number): Uint8Array {
  const value = new Uint8Array(length);
  if (length > LOOP_COPY_BYTES) value.set(from.u8.subarray(at, at + length));
  else for (let i = 0; i < length; i++) value[i] = from.u8[at + i];
  return value;
}
