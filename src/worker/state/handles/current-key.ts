/** The key that a keyed operator works on: one object per operator, moved before every record. */
import { KeyRef } from '../../../format/codec.ts';
import { Memory } from '../../../format/memory.ts';
import type { StateMap } from '../state-map.ts';

export class CurrentKey {
  /** Where the key's bytes lie: in the frame of the record, or in scratch memory. Valid until the next record. */
  readonly ref = new KeyRef(Memory.local(8));
  /**
   * Grows by one when the key moves. Whoever caches something about the key (an entry's address, the decoded key) notes
   * the version with it; nothing has to be told that a new record begins.
   */
  version = 0;
  /** Map whose entry of this key was looked up with those of other records (`StateMap.locateWords`), and its address, 0 = unknown. */
  locatedIn: StateMap | null = null;
  located = 0;

  /** Call after `ref` was pointed at the key of the next record. */
  moved(located = 0): void {
    this.version++;
    this.located = located;
  }

  /** Address of the entry of this key in a map, 0 when it has none. */
  find(map: StateMap): number {
    const { ref, located } = this;
    if (located !== 0 && map === this.locatedIn && map.isNewest(located)) return located;
    return map.find(ref.hash, ref.memory, ref.at, ref.length);
  }
}
