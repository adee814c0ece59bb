/** Numbers of one field of a chunk of rows, gathered into an array: from the row's bytes where the field is a plain number. */
import type { Codec } from '../../format/codec.ts';
import { describeValue } from '../../format/describe-value.ts';
import { TidemarkError } from '../../format/errors.ts';
import type { Memory } from '../../format/memory.ts';
import { type FieldAccess, fieldAccess } from '../../format/row-layout.ts';
import { CHUNK_ROWS } from './keyed-input.ts';

export class FieldValues {
  readonly field: string;
  /** The numbers, by position in the chunk. */
  readonly values = new Float64Array(CHUNK_ROWS);
  readonly #codec: Codec;
  readonly #access: FieldAccess | null;

  /** @throws TidemarkError ERR_INVALID_ARG when the codec's schema has no such field */
  constructor(codec: Codec, field: string) {
    this.field = field;
    this.#codec = codec;
    this.#access = codec.schema === null ? null : fieldAccess(codec.schema, field);
  }

  /** @param rowAt  byte offset of each row */
  gather(memory: Memory, rowAt: Uint32Array, count: number): void {
    const access = this.#access;
    if (access === null) this.#decode(memory, rowAt, count);
    else if (access.type === 'i32') gatherI32(memory.i32, rowAt, count, access.offset, this.values);
    else gatherF64(memory.f64, rowAt, count, access.offset, this.values);
  }

  /** Fields of records without a schema, and optional ones. */
  #decode(memory: Memory, rowAt: Uint32Array, count: number): void {
    for (let i = 0; i < count; i++) {
      this.values[i] = numberField(this.#codec.decode(memory, rowAt[i]), this.field);
    }
  }
}

function gatherI32(i32: Int32Array, rowAt: Uint32Array, count: number, offset: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = i32[(rowAt[i] + offset) >>> 2];
}

function gatherF64(f64: Float64Array, rowAt: Uint32Array, count: number, offset: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = f64[(rowAt[i] + offset) >>> 3];
}

/** @throws TidemarkError ERR_INVALID_ARG when the field is not a number */
export function numberField(record: unknown, field: string): number {
  const value = (record as Readonly<Record<string, unknown>> | null | undefined)?.[field];
  if (typeof value === 'number') return value;
  const received = describeValue(value);
  throw new TidemarkError(
    'ERR_INVALID_ARG',
    `Field '${field}' must be a number to be aggregated, but it is ${received}. Filter such records out, or give them a number, before the aggregate`,
    {
      facts: { field, received },
    },
  );
}
