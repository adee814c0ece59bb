/** The key that a keyed operator works on: one object per operator, moved before every record. */
import { KeyRef } from '../../../format/codec.ts';
import { Memory } from '../../../format/memory.ts';

export class CurrentKey {
  /** Where the key's bytes lie: in the frame of the record, or in scratch memory. Valid until the next record. */
  readonly ref = new KeyRef(Memory.local(8));
  /**
   * Grows by one when the key moves. Whoever caches something about the key (an entry's address, the decoded key) notes
   * the version with it; nothing has to be told that a new record begins.
   */
  version = 0;

  /** Call after `ref` was pointed at the key of the next record. */
  moved(): void {
    this.version++;
  }
}
