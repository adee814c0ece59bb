/** Value state. Numbers and booleans are read and written in place; everything else goes through the state's codec. */
import type { Codec } from '../../../format/codec.ts';
import type { Schema } from '../../../format/schema.ts';
import type { ValueState } from '../../../job/process.ts';
import type { StateMap } from '../state-map.ts';
import type { CurrentKey } from './current-key.ts';
import { F64ValueState, I32ValueState } from './number-value-state.ts';
import { RowScratch } from './row-scratch.ts';
import { ValueCell } from './value-cell.ts';

/**
 * @param initial  value of keys that have none; `undefined` leaves them without
 * @throws TidemarkError ERR_INVALID_ARG when `initial` does not match the schema
 */
export function createValueState(map: StateMap, key: CurrentKey, codec: Codec, initial: unknown): ValueState<unknown> {
  switch (codec.schema?.type) {
    case 'f64':
    case 'int':
    case 'timestamp':
      return new F64ValueState(map, key, codec, initial as number | undefined);
    case 'i32':
    case 'boolean':
      return new I32ValueState(map, key, codec, initial as number | boolean | undefined);
    default:
      return new CodecValueState(map, key, codec, initial);
  }
}

/** Schemas whose values `createValueState` keeps in place. */
export function isInPlace(schema: Schema | null): boolean {
  return schema !== null && ['f64', 'int', 'timestamp', 'i32', 'boolean'].includes(schema.type);
}

class CodecValueState implements ValueState<unknown> {
  readonly #cell: ValueCell;
  readonly #codec: Codec;
  /**
   * The initial value, encoded: each `get` decodes a fresh one, so that a function which changes the object it got
   * does not change what other keys begin with.
   */
  readonly #initial: RowScratch | null = null;

  constructor(map: StateMap, key: CurrentKey, codec: Codec, initial: unknown) {
    this.#cell = new ValueCell(map, key, codec);
    this.#codec = codec;
    if (initial !== undefined) {
      this.#initial = new RowScratch();
      this.#initial.encode(codec, initial);
    }
  }

  get exists(): boolean {
    return this.#cell.address !== 0;
  }

  get(): unknown {
    if (this.#cell.address !== 0) return this.#cell.read();
    return this.#initial === null ? undefined : this.#codec.decode(this.#initial.memory, 0);
  }

  set(value: unknown): void {
    this.#cell.write(value);
  }

  update(change: (value: unknown) => unknown): unknown {
    const value = change(this.get());
    this.#cell.write(value);
    return value;
  }

  clear(): void {
    this.#cell.clear();
  }
}
