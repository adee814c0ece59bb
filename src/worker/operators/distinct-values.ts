/**
 * Which values of a field a key has had, for `distinct`: an empty entry for each, whose sub key (see `composite-key.ts`) is
 * the value, encoded like a key. The number of them is a slot of the key's accumulator.
 */
import { type Codec, type KeyCodec, KeyRef, type RowKey } from '../../format/codec.ts';
import { createKeyCodec } from '../../format/key-codec.ts';
import { Memory } from '../../format/memory.ts';
import { createRowKey } from '../../format/row-key.ts';
import { CompositeKey } from '../state/handles/composite-key.ts';
import type { CurrentKey } from '../state/handles/current-key.ts';
import type { StateMap } from '../state/state-map.ts';

/** First word of the sub keys, as of map state entries. */
const ENTRY = 1;

export class DistinctValues {
  readonly #map: StateMap;
  readonly #codec: Codec;
  readonly #field: string;
  readonly #composite: CompositeKey;
  /** Finds the value in the row where there is a schema. */
  readonly #rowKey: RowKey | null;
  readonly #keyCodec: KeyCodec;
  readonly #value = new KeyRef(Memory.local(8));

  constructor(map: StateMap, key: CurrentKey, codec: Codec, field: string) {
    this.#map = map;
    this.#codec = codec;
    this.#field = field;
    this.#composite = new CompositeKey(key);
    this.#rowKey = codec.schema === null ? null : createRowKey(codec.schema, [field]);
    this.#keyCodec = createKeyCodec(null);
  }

  /** Notes the value of the row; true when the current key has not had it before. */
  add(memory: Memory, rowAt: number): boolean {
    const value = this.#value;
    if (this.#rowKey !== null) this.#rowKey.locate(memory, rowAt, value);
    else
      this.#keyCodec.encode(
        (this.#codec.decode(memory, rowAt) as Readonly<Record<string, unknown>> | null)?.[this.#field],
        value,
      );
    this.#composite.wordAndBytes(ENTRY, value.memory, value.at, value.length);
    this.#composite.upsert(this.#map, 0);
    return this.#map.created;
  }
}
