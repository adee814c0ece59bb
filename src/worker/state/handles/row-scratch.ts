/**
 * Scratch memory into which a value is encoded before it is stored. Values are not encoded straight into the state log:
 * the length of a row is known only afterwards, and a value that does not match its schema must leave the old one whole.
 */
import type { Codec } from '../../../format/codec.ts';
import { copyBytes } from '../../../format/copy-bytes.ts';
import { Memory } from '../../../format/memory.ts';
import type { StateMap } from '../state-map.ts';

const INITIAL_BYTES = 4096;

export class RowScratch {
  memory = Memory.local(INITIAL_BYTES);

  /**
   * Encodes `value` at the beginning of the memory.
   *
   * @returns bytes written, a multiple of 8
   * @throws  TidemarkError ERR_INVALID_ARG, ERR_RECORD_TOO_LARGE from the codec
   */
  encode(codec: Codec, value: unknown): number {
    let bytes = codec.encode(value, this.memory, 0, this.memory.byteLength);
    while (bytes < 0) {
      // The codec itself refuses what is larger than any row may be, so this ends.
      this.memory = Memory.local(this.memory.byteLength * 4);
      bytes = codec.encode(value, this.memory, 0, this.memory.byteLength);
    }
    return bytes;
  }

  /** Room for `byteLength` bytes; what was there is kept. */
  reserve(byteLength: number): Memory {
    if (byteLength > this.memory.byteLength) {
      const grown = Memory.local(Math.max(byteLength, this.memory.byteLength * 2));
      grown.u8.set(this.memory.u8);
      this.memory = grown;
    }
    return this.memory;
  }

  /** Copies the first `length` bytes to the value of an entry. */
  store(map: StateMap, address: number, length: number): void {
    copyBytes(this.memory, 0, map.memory, map.valueAt(address), length);
  }
}
