/**
 * Searches of a state map that end at the first record with the key's hash, one key at a time and many together: what runs for nearly
 * every record. Each map has a copy of this code (`own-copy.ts`). What it does not find, because it is absent, deleted or long, because the
 * index is growing or has two keys with one hash, the general search finds (`IndexTable.search`).
 *
 * A map larger than the cache costs two misses for each key, one in the index and one in the log, and the second has to wait
 * for the first. Loops that only read let the processor have the misses of many keys under way together: hash all, look at all slots,
 * look at all records.
 *
 * Word indexes are `address << 1`: a log has at most 8 GiB, so that is a positive 32-bit integer. Address 0 stands for the log's first
 * units, which are zero and nobody's.
 */
import type { Memory } from '../../format/memory.ts';
import { CURRENT_EPOCH, INDEX_MASK, INDEX_MODE } from './control-layout.ts';
import { GIVEN } from './index-table.ts';
import { ownCopy } from './own-copy.ts';
import { EPOCH, KEY, KEY_LENGTH_SHIFT, META, SUPERSEDED, TOMBSTONE, VALUE_LENGTH_MASK } from './record-layout.ts';

export type Probe = ReturnType<typeof probeOf>;

/** The constants that the code uses, as arguments: a copy of it knows no imports. */
const LAYOUT = {
  currentEpoch: CURRENT_EPOCH,
  given: GIVEN,
  indexMask: INDEX_MASK,
  indexMode: INDEX_MODE,
  epochWord: EPOCH,
  keyWord: KEY,
  metaWord: META,
  supersededWord: SUPERSEDED,
  keyLengthShift: KEY_LENGTH_SHIFT,
  tombstone: TOMBSTONE,
  valueLengthMask: VALUE_LENGTH_MASK,
};

/** The general ways of a map, for what the probe does not find. Given is the index hash, signed. */
export interface Fallback {
  indexHash(hash: number, from: Memory, at: number, length: number): number;
  find(indexHash: number, from: Memory, at: number, length: number): number;
}

export function createProbe(ctl: Int32Array, slots: Int32Array, log: Int32Array, fallback: Fallback): Probe {
  return ownCopy(probeOf)(ctl, slots, log, fallback, LAYOUT);
}

function probeOf(ctl: Int32Array, slots: Int32Array, log: Int32Array, fallback: Fallback, layout: typeof LAYOUT) {
  const {
    currentEpoch,
    indexMask,
    indexMode,
    given,
    epochWord,
    keyWord,
    metaWord,
    supersededWord,
    keyLengthShift,
    tombstone,
    valueLengthMask,
  } = layout;
  /** What `look` read: kept, so that the reads are not optimised away. */
  let touched = 0;

  /** `StateMap.find`. */
  function find(hash: number, from: Memory, at: number, length: number): number {
    const indexHash = ctl[indexMode] === given ? hash | 0 : fallback.indexHash(hash, from, at, length);
    const address = entryOf(indexHash, from.i32, at <= 0x7fffffff ? at >>> 2 : at / 4, length);
    return address !== 0 ? address : fallback.find(indexHash, from, at, length);
  }

  /** `StateMap.isNewest`. */
  function isNewest(address: number): boolean {
    const at = address << 1;
    return log[at + supersededWord] === 0 && (log[at + metaWord] & tombstone) === 0;
  }

  /**
   * Address of the entry of a key, or 0 where only the general search can tell.
   *
   * @param hash  what the index hashes, signed
   * @param word  where the key lies in `words`, padded with zero bytes to a multiple of 4
   */
  function entryOf(hash: number, words: Int32Array, word: number, length: number): number {
    let slot = (hash & ctl[indexMask]) << 1;
    while (slots[slot] !== hash && slots[slot + 1] !== 0) slot += 2;
    const address = slots[slot + 1];
    const at = address << 1;
    // The length of the key, and that the record is neither a tombstone nor long, in one comparison.
    if (log[at + metaWord] >>> keyLengthShift !== length) return 0;
    // Without a loop for the commonest length: 188 ns instead of 296 for an update by itself.
    if (length === 8) return log[at + keyWord] === words[word] && log[at + keyWord + 1] === words[word + 1] ? address : 0;
    const count = (length + 3) >>> 2;
    for (let i = 0; i < count; i++) if (log[at + keyWord + i] !== words[word + i]) return 0;
    return address;
  }

  /** The same for an entry that may be written in place, with a value of `valueLength` bytes. */
  function findMutable(hash: number, words: Int32Array, word: number, length: number, valueLength: number): number {
    const address = entryOf(hash, words, word, length);
    return isMutable(address, valueLength) ? address : 0;
  }

  /** Is the record at `address` an entry of this epoch, not a long one, with a value of this length? Address 0 is not. */
  function isMutable(address: number, valueLength: number): boolean {
    const at = address << 1;
    return log[at + epochWord] === ctl[currentEpoch] && (log[at + metaWord] & valueLengthMask) === valueLength;
  }

  /**
   * For keys of one or two words: writes the address of the newest version of each key where its `meta` is this one in all bits of
   * `mask`, and 0 where only the general search can tell. The index must hash what the caller gave.
   */
  function findWords(
    meta: number,
    mask: number,
    hashes: Uint32Array,
    keys: Uint32Array,
    words: 1 | 2,
    from: number,
    to: number,
    addresses: Uint32Array,
  ): void {
    look(hashes, from, to, addresses, keyWord + 1 + words);
    if (words === 1) {
      for (let i = from; i < to; i++) {
        const at = addresses[i] << 1;
        if (((log[at + keyWord] ^ keys[i]) | ((log[at + metaWord] ^ meta) & mask)) !== 0) addresses[i] = 0;
      }
    } else {
      for (let i = from; i < to; i++) {
        const at = addresses[i] << 1;
        const wrongKey = (log[at + keyWord] ^ keys[2 * i]) | (log[at + keyWord + 1] ^ keys[2 * i + 1]);
        if ((wrongKey | ((log[at + metaWord] ^ meta) & mask)) !== 0) addresses[i] = 0;
      }
    }
  }

  /** Are these the addresses of records of this epoch, none of them 0? */
  function areMutable(addresses: Uint32Array, from: number, to: number): boolean {
    const epoch = ctl[currentEpoch];
    let older = 0;
    for (let i = from; i < to; i++) older |= log[(addresses[i] << 1) + epochWord] ^ epoch;
    return older === 0;
  }

  /**
   * The same for keys of any length: `keyAt` and `lengths` are byte offsets in `from`, multiples of 4, and bytes; keys are padded
   * with zero bytes to a multiple of 4. `valueLength` -1 takes values of any length.
   */
  function findKeys(
    valueLength: number,
    hashes: Uint32Array,
    from: Int32Array,
    keyAt: Uint32Array,
    lengths: Uint32Array,
    start: number,
    end: number,
    addresses: Uint32Array,
  ): void {
    look(hashes, start, end, addresses, metaWord);
    const wanted = valueLength < 0 ? 0 : valueLength;
    const mask = valueLength < 0 ? -1 << keyLengthShift : -1;
    for (let i = start; i < end; i++) {
      const at = addresses[i] << 1;
      const length = lengths[i];
      let wrong = (log[at + metaWord] ^ ((length << keyLengthShift) | wanted)) & mask;
      const key = keyAt[i] >>> 2;
      const words = (length + 3) >>> 2;
      for (let word = 0; word < words && wrong === 0; word++) wrong = log[at + keyWord + word] ^ from[key + word];
      if (wrong !== 0) addresses[i] = 0;
    }
  }

  /**
   * Writes the address of the first record with each hash. Reads two words of each record, its epoch and the one at `last`, since
   * records of more than 32 bytes often lie in two cache lines.
   */
  function look(hashes: Uint32Array, from: number, to: number, addresses: Uint32Array, last: number): void {
    const mask = ctl[indexMask];
    for (let i = from; i < to; i++) touched ^= slots[(hashes[i] & mask) << 1];
    for (let i = from; i < to; i++) {
      const hash = hashes[i] | 0;
      let slot = (hash & mask) << 1;
      while (slots[slot] !== hash && slots[slot + 1] !== 0) slot += 2;
      addresses[i] = slots[slot + 1];
    }
    for (let i = from; i < to; i++) {
      const at = addresses[i] << 1;
      touched ^= log[at + epochWord] ^ log[at + last];
    }
  }

  return { find, findMutable, isNewest, isMutable, findWords, findKeys, areMutable, look };
}
