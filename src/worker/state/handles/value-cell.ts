/**
 * One encoded value per key: what value, reducing and aggregating state have in common. The entry's key is the user's key,
 * its value a row of the state's codec.
 */
import type { Codec } from '../../../format/codec.ts';
import type { StateMap } from '../state-map.ts';
import type { CurrentKey } from './current-key.ts';
import { RowScratch } from './row-scratch.ts';

export class ValueCell {
  readonly #map: StateMap;
  readonly #key: CurrentKey;
  readonly #codec: Codec;
  readonly #scratch = new RowScratch();
  #version = -1;
  #address = 0;

  constructor(map: StateMap, key: CurrentKey, codec: Codec) {
    this.#map = map;
    this.#key = key;
    this.#codec = codec;
  }

  /** Address of the current key's entry, 0 when it has none. Looked up once per record. */
  get address(): number {
    if (this.#version !== this.#key.version) {
      this.#address = this.#key.find(this.#map);
      this.#version = this.#key.version;
    }
    return this.#address;
  }

  /** The value, a fresh object. Only when `address` is not 0. */
  read(): unknown {
    return this.#codec.decode(this.#map.memory, this.#map.valueAt(this.#address));
  }

  write(value: unknown): void {
    const length = this.#scratch.encode(this.#codec, value);
    const found = this.address;
    if (found === 0 || !this.#map.isMutable(found, length)) {
      const { ref } = this.#key;
      this.#address = this.#map.upsert(ref.hash, ref.memory, ref.at, ref.length, length);
    }
    this.#scratch.store(this.#map, this.#address, length);
  }

  clear(): void {
    if (this.address === 0) return;
    const { ref } = this.#key;
    this.#map.delete(ref.hash, ref.memory, ref.at, ref.length);
    this.#address = 0;
  }
}
