/** Interface of the keyed state map. The implementation is `log-state-map.ts`; see there for the layout. */
import type { EntryBatch } from '../../format/entry-batch.ts';
import type { Memory } from '../../format/memory.ts';

/**
 * Shared memory of one map: what a thread needs to open it. Sent between threads by structured clone. All three are reserved
 * at their largest size, committed as they are touched, and stay the same for the map's life.
 */
export interface StateMapHandles {
  readonly control: SharedArrayBuffer;
  readonly log: SharedArrayBuffer;
  readonly index: SharedArrayBuffer;
}

export interface StateMapOptions {
  /** Most bytes that the log may use; reserved at once, committed on first touch. At most 8 GiB - 8. */
  readonly limitBytes: number;
  /** Expected number of entries, to presize the index. */
  readonly expectedEntries?: number;
  /** First epoch of the map: entries are written in it until the first `mark`. */
  readonly epoch: number;
  /**
   * Entries are found by the hash of all their key bytes; the `hash` that callers give (that of the user's key, the first
   * part of a composite key) is kept for order and key groups only. So 100,000 map-state entries of one user key do not
   * collide in the index, and yet sort and move together.
   */
  readonly composite?: boolean;
  /**
   * The `hash` that callers give is `hashKey` of the key's bytes, so that it need not be kept with keys of 4 and 8 bytes. Not
   * together with `composite`.
   */
  readonly derivesHash?: boolean;
  /** Bytes in a segment, a power of two. By default a fixed size, smaller for low limits; tests use tiny ones. */
  readonly segmentBytes?: number;
  /** For the error when the limit is reached: "state 'total' of operator 'x', subtask 3". */
  readonly label: string;
}

/**
 * A byte-keyed map in shared memory. One thread at a time holds the lease and may call the methods of `StateMap`;
 * any thread may read a frozen region with `DeltaReader` meanwhile. Addresses are in units of 8 bytes, 0 is none.
 */
export interface StateMap {
  readonly memory: Memory;
  /** Live entries. */
  readonly size: number;
  /** Bytes of log memory in use by segments, and of live entries. */
  readonly usedBytes: number;
  readonly liveBytes: number;
  /** Bytes of the entries that were written in this epoch, about. */
  readonly changedBytes: number;
  readonly epoch: number;
  /** Newest epoch that `complete` was called for. */
  readonly completed: number;

  /**
   * Address of the live entry of a key, or 0; valid until the next call that may change the map. `at` is the byte offset of the key in `from`, a multiple of 4 with zero
   * padding up to a multiple of 4. Does not allocate.
   */
  find(hash: number, from: Memory, at: number, length: number): number;
  /**
   * Address of a *mutable* entry of a key whose value has room for exactly `valueLength` bytes: in place when the entry
   * was written in this epoch and has that length, else a copy at the tail (old value bytes copied, up to
   * the shorter length; new bytes zero). Creates the entry when it is absent (value zero-filled, and `created` is true).
   * The address is valid until the next `mark`, `clean` or `rollback`, or until the key gets a value of another length or is deleted.
   *
   * @throws TidemarkError ERR_STATE_MEMORY_LIMIT, having changed nothing; ERR_RECORD_TOO_LARGE above 64 KiB of key or 64 MiB of value
   */
  upsert(hash: number, from: Memory, at: number, length: number, valueLength: number): number;
  readonly created: boolean;
  /** Is the record at `address`, which was found before, still the entry of its key? */
  isNewest(address: number): boolean;
  /**
   * May the value of the entry at `address`, as `find` gave it, be written in place? True when the entry is of this epoch and its
   * value has `valueLength` bytes: then `upsert` would return the same address, after another probe.
   */
  isMutable(address: number, valueLength: number): boolean;
  /** Removes a key (a tombstone is left for the next checkpoint). True when it was there. */
  delete(hash: number, from: Memory, at: number, length: number): boolean;

  /** Byte offset of the value of the entry at an address (a multiple of 8), and its length; of the key likewise. */
  valueAt(address: number): number;
  valueLength(address: number): number;
  keyAt(address: number): number;
  keyLength(address: number): number;
  hashAt(address: number): number;

  /**
   * For each of `count` keys (their hashes in `hashes`), touches index and record so that the following `find` or
   * `upsert` hits the cache: hash all, probe all, touch all. For composite keys these are the hashes of the whole keys. Returns a checksum that the caller must keep alive.
   */
  prefetch(hashes: Uint32Array, count: number): number;

  /**
   * Batch `find` of keys of one 32-bit word (`words` 1) or two: writes the address of each key's entry to `addresses`, or 0 where
   * only `find` can tell. What is done to one key may change where another one's entry is: ask `isNewest` then.
   */
  locateWords(hashes: Uint32Array, keys: Uint32Array, words: 1 | 2, count: number, addresses: Uint32Array): void;
  /**
   * Batch upsert of keys of one 32-bit word (`words` 1) or two, with values of `valueLength` bytes: writes the address
   * of the mutable entry of each key to `addresses`. New entries have zeroed values. Duplicates in the batch are fine.
   * Keys are taken from `keys` (u32 words, 1 or 2 per key). This is the hot path of the built-in aggregates.
   */
  upsertWords(
    hashes: Uint32Array,
    keys: Uint32Array,
    words: 1 | 2,
    count: number,
    valueLength: number,
    addresses: Uint32Array,
  ): void;

  /**
   * The same two for keys of any length: `keyAt` are byte offsets in `from`, multiples of 4, and keys are padded with zero bytes to a
   * multiple of 4.
   */
  locateKeys(
    hashes: Uint32Array,
    from: Memory,
    keyAt: Uint32Array,
    lengths: Uint32Array,
    count: number,
    addresses: Uint32Array,
  ): void;
  upsertKeys(
    hashes: Uint32Array,
    from: Memory,
    keyAt: Uint32Array,
    lengths: Uint32Array,
    count: number,
    valueLength: number,
    addresses: Uint32Array,
  ): void;

  /**
   * Barrier: everything written so far is frozen and belongs to the epoch that ends; `nextEpoch` begins. Constant
   * time.
   */
  mark(nextEpoch: number): void;
  /**
   * The checkpoint that closed `epoch` is durable: versions superseded up to it are garbage, and `clean` moves what is left.
   *
   * Pins do not hold that back. While a reader of a delta (`after`, ...] may still call `collect` or `previous`, whoever owns the map must
   * not complete an epoch beyond its `after`, also when nobody wants the delta any more: `DurableState.droppable` sees to that.
   */
  complete(epoch: number): void;
  /** Undoes everything written after epoch `epoch` (which must not be older than the last completed one). */
  rollback(epoch: number): void;
  /** Moves live entries out of sparse segments and frees them, for at most about `budgetMs`. True when there is more to do. */
  clean(budgetMs: number): boolean;
  handles(): StateMapHandles;

  /** Addresses of all live entries, in the order in which they lie in memory. Allocates 4 bytes per entry. */
  addresses(): Uint32Array;

  /**
   * Restore: adds an entry as clean (it belongs to epoch `epoch - 1` and is not emitted by the next delta) without
   * probing for an older version. The caller guarantees that keys are unique.
   */
  load(
    hash: number,
    from: Memory,
    keyAt: number,
    keyLength: number,
    valueFrom: Memory,
    valueAt: number,
    valueLength: number,
  ): void;

  /**
   * `load` in two steps, so that many entries' index slots are looked at together: `place` writes the entry and returns its address,
   * `addPlaced` makes `count` such addresses known, given the same hashes. Nothing else may be done with the map in between.
   */
  place(
    hash: number,
    from: Memory,
    keyAt: number,
    keyLength: number,
    valueFrom: Memory,
    valueAt: number,
    valueLength: number,
  ): number;
  /** `place` for a batch of entries, with their addresses in `addresses`. */
  placeBatch(batch: EntryBatch, addresses: Uint32Array): void;
  addPlaced(hashes: Uint32Array, addresses: Uint32Array, count: number): void;
}

/**
 * Reads a frozen region from any thread while the owner goes on. Between `pin` (by whoever dispatches the reader, before the
 * mark's turn ends) and `unpin` no segment that the reader may see is reused: the record at an address that `collect` gave stays what it
 * is. Which records there are, and what came before them, is so only while no epoch after `after` is completed.
 */
export interface DeltaReader {
  readonly memory: Memory;
  /**
   * Addresses of the records written in epochs (`after`, `upTo`] that are the newest version as of the end of `upTo`,
   * tombstones included, sorted by (hash, key bytes). `after` = -1 with `full`: all live entries as of `upTo`.
   *
   * @param after  the newest completed epoch, or a later one
   */
  collect(after: number, upTo: number): Uint32Array;
  collectFull(upTo: number): Uint32Array;
  isTombstone(address: number): boolean;
  /** Brings the records at `addresses[from]` to before `to` into the cache: their misses overlap. */
  readAhead(addresses: Uint32Array, from: number, to: number): void;
  /**
   * Writes what `previous` gives for the records at `addresses[from]` to before `to`, where it is not 0, to `previous[0]` and on.
   *
   * @returns how many
   */
  previousOf(addresses: Uint32Array, from: number, to: number, epoch: number, previous: Uint32Array): number;
  /**
   * Makes a batch of the records at `addresses[from]` to before `to`. False, with the batch not to be used, when they are not what a batch
   * can hold: a tombstone among them, or lengths that differ or are no multiples of 4.
   */
  gather(addresses: Uint32Array, from: number, to: number, batch: EntryBatch): boolean;
  /**
   * Newest version of the same key with epoch <= `epoch`, or 0 when there was none or it was a tombstone.
   *
   * @param epoch  the newest completed one, or a later one: a tombstone of a completed epoch is dropped with all that came before it
   */
  previous(address: number, epoch: number): number;
  hashAt(address: number): number;
  keyAt(address: number): number;
  keyLength(address: number): number;
  valueAt(address: number): number;
  valueLength(address: number): number;
}
