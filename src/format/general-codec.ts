/**
 * Rows of streams without a schema, and values of states without one: any plain data. Format 1:
 *
 * | offset | size | type | field   | meaning                                          |
 * |-------:|-----:|------|---------|--------------------------------------------------|
 * |      0 |    4 | u32  | length  | bytes of the value                               |
 * |      4 |    - | -    | value   | tagged encoding, see `tagged-value.ts`           |
 * |     .. | 0-7  | -    | padding | zero bytes, to a multiple of 8                   |
 *
 * Keeps undefined, NaN, -0, lone surrogates, bigints of any size, dates, maps, sets, binary views, and property order. What
 * is lost: that one object occurs twice (it comes back as two), holes in arrays, symbol properties. Refused with
 * ERR_INVALID_ARG: functions, symbols, instances of classes, values that contain themselves. Limit: 64 MiB.
 *
 * Not msgpackr, which would do the same: where every row must be self-contained (no shared structures) it takes 1030 ns to
 * encode and 1030 ns to decode a record of seven fields and 180 bytes (700 and 750 ns as maps, which loses the difference
 * between Map and object), and it changes -0, lone surrogates, `__proto__`, invalid dates, functions and class instances in
 * silence. This: 440 and 300 ns; with a schema, 170 and 160.
 */
import type { Codec } from './codec.ts';
import { copyBytes } from './copy-bytes.ts';
import { TidemarkError } from './errors.ts';
import { align8, type Memory } from './memory.ts';
import { TaggedReader } from './tagged-reader.ts';
import { TaggedWriter } from './tagged-writer.ts';

const LENGTH_BYTES = 4;
const MAX_VALUE_BYTES = 64 * 1024 * 1024;

/** A codec with scratch memory of its own: one for each operator and thread. */
export function createGeneralCodec<T = unknown>(): Codec<T> {
  return new GeneralCodec() as unknown as Codec<T>;
}

class GeneralCodec implements Codec {
  readonly fixedSize = 0;
  readonly schema = null;
  readonly #writer = new TaggedWriter('record', LENGTH_BYTES, MAX_VALUE_BYTES);
  readonly #reader = new TaggedReader();

  encode(value: unknown, to: Memory, at: number, limit: number): number {
    const length = this.#writer.write(value);
    if (length < 0) {
      throw new TidemarkError(
        'ERR_RECORD_TOO_LARGE',
        `A record needs more than the ${MAX_VALUE_BYTES} bytes that one may have. Split it, or keep large content in files and pass their names.`,
        {
          facts: { limitBytes: MAX_VALUE_BYTES },
        },
      );
    }
    const bytes = align8(LENGTH_BYTES + length);
    if (at + bytes > limit) return -1;
    to.f64[(at + bytes) / 8 - 1] = 0;
    const { memory } = this.#writer;
    memory.u32[0] = length;
    copyBytes(memory, 0, to, at, LENGTH_BYTES + length);
    return bytes;
  }

  decode(from: Memory, at: number): unknown {
    return this.#reader.read(from, at + LENGTH_BYTES, from.u32[at / 4]);
  }

  view(): null {
    return null;
  }
}
