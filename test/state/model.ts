/**
 * A state map and what it must contain, side by side. Every operation goes to both; the model keeps a copy of its content at each mark, so
 * deltas, full scans and rollbacks can be compared with it.
 */
import { expect } from 'vitest';

import { hashKey } from '../../src/format/hash.ts';
import { Memory } from '../../src/format/memory.ts';
import { openDeltaReader } from '../../src/worker/state/delta-reader.ts';
import { createStateMap, openStateMap, pinReader, unpinReader } from '../../src/worker/state/log-state-map.ts';
import type { DeltaReader, StateMap, StateMapOptions } from '../../src/worker/state/state-map.ts';

export interface Key {
  readonly hash: number;
  readonly length: number;
  readonly text: string;
}

const scratch = Memory.local(128 * 1024);

/** Puts a key into the scratch memory, padded with zero bytes. */
function put(text: string): number {
  const length = scratch.buf.write(text, 0, 'latin1');
  scratch.u8.fill(0, length, length + 8);
  return length;
}

const KEY_ROOM = 64;
const manyKeys = Memory.local(KEY_ROOM * 512);

/** Puts up to 512 keys of up to 56 bytes beside one another. */
function placeKeys(keys: readonly Key[]): { hashes: Uint32Array; at: Uint32Array; lengths: Uint32Array } {
  const at = Uint32Array.from(keys, (_, i) => i * KEY_ROOM);
  keys.forEach(({ text }, i) => {
    manyKeys.u8.fill(0, at[i], at[i] + KEY_ROOM);
    manyKeys.buf.write(text, at[i], 'latin1');
  });
  return { hashes: Uint32Array.from(keys, ({ hash }) => hash), at, lengths: Uint32Array.from(keys, ({ length }) => length) };
}

export function keyOf(text: string, hash?: number): Key {
  const length = put(text);
  return { text, length, hash: hash ?? hashKey(scratch, 0, length) };
}

/** Reads a whole entry as text: what the model stores. */
function read(map: StateMap | DeltaReader, address: number): { key: string; value: string } {
  const { buf } = map.memory;
  const keyAt = map.keyAt(address);
  const valueAt = map.valueAt(address);
  expect(keyAt % 4).toBe(0);
  expect(valueAt % 8).toBe(0);
  return {
    key: buf.toString('latin1', keyAt, keyAt + map.keyLength(address)),
    value: buf.toString('latin1', valueAt, valueAt + map.valueLength(address)),
  };
}

interface Seen {
  readonly address: number;
  readonly isTombstone: boolean;
  readonly entry: { readonly key: string; readonly value: string };
  readonly older: string | undefined;
}

function look(reader: DeltaReader, address: number, after: number): Seen {
  const older = reader.previous(address, after);
  return {
    address,
    isTombstone: reader.isTombstone(address),
    entry: read(reader, address),
    older: older === 0 ? undefined : read(reader, older).value,
  };
}

export class Model {
  map: StateMap;
  readonly options: StateMapOptions;
  readonly content = new Map<string, string>();
  /** Content at the end of each epoch that can still be gone back to, or read. */
  readonly ended = new Map<number, Map<string, string>>();
  readonly hashes = new Map<string, number>();
  completed: number;
  /** What a reader that is still pinned saw when it began. */
  #held: { readonly reader: DeltaReader; readonly after: number; readonly seen: readonly Seen[] } | undefined;

  #promised:
    | {
        readonly after: number;
        readonly upTo: number;
        readonly before: Map<string, string>;
        readonly expected: Map<string, string>;
      }
    | undefined;

  constructor(options: Partial<StateMapOptions> = {}) {
    this.options = { limitBytes: 1 << 20, segmentBytes: 1024, epoch: 1, label: 'test', ...options };
    this.map = createStateMap(this.options);
    this.completed = this.options.epoch - 1;
    this.ended.set(this.completed, new Map());
  }

  /** Writes a value, over what an earlier value of the same length holds. */
  set(key: Key, value: string): void {
    const { map } = this;
    put(key.text);
    this.hashes.set(key.text, key.hash);
    const address = map.upsert(key.hash, scratch, 0, key.length, value.length);
    const old = this.content.get(key.text);
    expect(map.created).toBe(old === undefined);
    // What was there must have come along, up to the shorter length; the rest is zero.
    const expected = (old ?? '').slice(0, value.length).padEnd(value.length, '\0');
    expect(read(map, address)).toEqual({ key: key.text, value: expected });
    map.memory.buf.write(value, map.valueAt(address), 'latin1');
    this.content.set(key.text, value);
  }

  /** Writes the same value, of at most 8191 bytes, to many keys at once; a key may be there twice. */
  setMany(keys: readonly Key[], value: string): void {
    const { map } = this;
    const { hashes, at, lengths } = placeKeys(keys);
    const addresses = new Uint32Array(keys.length);
    map.upsertKeys(hashes, manyKeys, at, lengths, keys.length, value.length, addresses);
    keys.forEach((key, i) => {
      const expected = (this.content.get(key.text) ?? '').slice(0, value.length).padEnd(value.length, '\0');
      expect(read(map, addresses[i])).toEqual({ key: key.text, value: expected });
      expect(map.isNewest(addresses[i]) && map.isMutable(addresses[i], value.length)).toBe(true);
    });
    keys.forEach((key, i) => {
      map.memory.buf.write(value, map.valueAt(addresses[i]), 'latin1');
      this.hashes.set(key.text, key.hash);
      this.content.set(key.text, value);
    });
  }

  /** Looks for many keys at once: what is found is right. A map whose index hashes whole keys finds none of them so. */
  locateMany(keys: readonly Key[]): void {
    const { map } = this;
    const { hashes, at, lengths } = placeKeys(keys);
    const addresses = new Uint32Array(keys.length).fill(1);
    map.prefetch(hashes, keys.length);
    map.locateKeys(hashes, manyKeys, at, lengths, keys.length, addresses);
    keys.forEach((key, i) => {
      const value = this.content.get(key.text);
      if (addresses[i] === 0) return;
      expect(read(map, addresses[i])).toEqual({ key: key.text, value });
      expect(map.isNewest(addresses[i])).toBe(true);
      expect(map.isMutable(addresses[i], (value?.length ?? 0) + 1)).toBe(false);
    });
  }

  delete(key: Key): void {
    put(key.text);
    expect(this.map.delete(key.hash, scratch, 0, key.length)).toBe(this.content.delete(key.text));
  }

  get(key: Key): void {
    put(key.text);
    const address = this.map.find(key.hash, scratch, 0, key.length);
    expect(address === 0 ? undefined : read(this.map, address).value).toBe(this.content.get(key.text));
  }

  mark(): void {
    this.ended.set(this.map.epoch, new Map(this.content));
    this.map.mark(this.map.epoch + 1);
  }

  complete(epoch: number): void {
    // A reader that has not begun may still collect, which the map's owner promises not to go beyond: see `StateMap.complete`.
    if (this.#promised !== undefined && epoch > this.#promised.after) return;
    this.map.complete(epoch);
    this.completed = epoch;
    this.#forget();
  }

  #forget(): void {
    for (const ended of this.ended.keys()) if (ended < this.completed) this.ended.delete(ended);
  }

  rollback(epoch: number): void {
    if (this.#promised !== undefined && epoch < this.#promised.upTo) this.fulfil();
    this.map.rollback(epoch);
    this.content.clear();
    for (const [key, value] of this.ended.get(epoch)!) this.content.set(key, value);
    for (const ended of this.ended.keys()) if (ended > epoch) this.ended.delete(ended);
    expect(this.map.epoch).toBe(epoch + 1);
  }

  reopen(): void {
    this.map = openStateMap(structuredClone(this.map.handles()), this.options);
  }

  /** Compares the delta (after, upTo] with the difference between the two contents, and the older versions with the older content. */
  checkDelta(after: number, upTo: number): void {
    const before = this.ended.get(after)!;
    const then = this.ended.get(upTo)!;
    pinReader(this.map.handles());
    try {
      const reader = openDeltaReader(this.map.handles());
      const applied = new Map(before);
      const addresses = reader.collect(after, upTo);
      this.#checkOrder(reader, addresses);
      for (const address of addresses) {
        const { key, value } = read(reader, address);
        const older = reader.previous(address, after);
        expect(older === 0 ? undefined : read(reader, older)).toEqual(
          before.has(key) ? { key, value: before.get(key) } : undefined,
        );
        if (reader.isTombstone(address)) applied.delete(key);
        else applied.set(key, value);
      }
      expect(sorted(applied)).toEqual(sorted(then));
    } finally {
      unpinReader(this.map.handles());
    }
  }

  /** Pins a reader of a delta and remembers all it sees, older versions included. */
  hold(after: number, upTo: number): void {
    if (this.#held !== undefined || this.#promised !== undefined) return;
    pinReader(this.map.handles());
    const reader = openDeltaReader(this.map.handles());
    const seen = [...reader.collect(after, upTo)].map((address) => look(reader, address, after));
    this.#held = { reader, after, seen };
  }

  /**
   * Whatever happened since: at the addresses that the pinned reader collected it must see the same. What came before is promised only
   * as long as nothing beyond the reader's `after` is complete; a tombstone in between is dropped with the versions under it.
   */
  unhold(): void {
    if (this.#held === undefined) return;
    const { reader, after, seen } = this.#held;
    this.#held = undefined;
    const olderIsKept = this.completed <= after;
    for (const before of seen) {
      const now = look(reader, before.address, after);
      expect(olderIsKept ? now : { ...now, older: before.older }).toEqual(before);
    }
    unpinReader(this.map.handles());
  }

  /** Pins a reader that will collect its delta later, as one in a busy pool does. */
  promise(after: number, upTo: number): void {
    if (this.#held !== undefined || this.#promised !== undefined) return;
    pinReader(this.map.handles());
    this.#promised = { after, upTo, before: this.ended.get(after)!, expected: this.ended.get(upTo)! };
  }

  /** The delta is what it was when the reader was pinned, and collecting it twice gives the same. */
  fulfil(): void {
    if (this.#promised === undefined) return;
    const { after, upTo, before, expected } = this.#promised;
    this.#promised = undefined;
    this.ended.set(after, before).set(upTo, expected);
    this.checkDelta(after, upTo);
    this.checkDelta(after, upTo);
    this.#forget();
    unpinReader(this.map.handles());
  }

  checkFull(upTo: number): void {
    pinReader(this.map.handles(), 'full');
    try {
      const reader = openDeltaReader(this.map.handles());
      const addresses = reader.collectFull(upTo);
      this.#checkOrder(reader, addresses);
      expect(new Set(addresses).size).toBe(addresses.length);
      expect(sorted(new Map([...addresses].map((address) => [read(reader, address).key, read(reader, address).value])))).toEqual(
        sorted(this.ended.get(upTo)!),
      );
    } finally {
      unpinReader(this.map.handles(), 'full');
    }
  }

  /** The whole content, found by scanning and by key, and the counters. */
  check(): void {
    const { map } = this;
    const addresses = map.addresses();
    expect(addresses.length).toBe(this.content.size);
    expect(map.size).toBe(this.content.size);
    expect(sorted(new Map([...addresses].map((address) => [read(map, address).key, read(map, address).value])))).toEqual(
      sorted(this.content),
    );
    for (const [key] of this.hashes) this.get({ text: key, length: key.length, hash: this.hashes.get(key)! });
    let liveBytes = 0;
    for (const address of addresses) liveBytes += this.#recordBytes(address);
    expect(map.liveBytes).toBe(liveBytes);
    expect(map.usedBytes).toBeGreaterThanOrEqual(map.liveBytes);
  }

  /** Where the value ends is where the record ends: from the header, which the key follows after 20 or 24 bytes. */
  #recordBytes(address: number): number {
    const end = this.map.valueAt(address) + this.map.valueLength(address);
    return Math.ceil(end / 8) * 8 - address * 8;
  }

  #checkOrder(reader: DeltaReader, addresses: Uint32Array): void {
    for (let i = 1; i < addresses.length; i++) {
      const a = addresses[i - 1];
      const b = addresses[i];
      const order = reader.hashAt(a) - reader.hashAt(b) || Buffer.compare(keyBytes(reader, a), keyBytes(reader, b));
      expect(order).toBeLessThan(0);
    }
  }
}

function keyBytes(reader: DeltaReader, address: number): Buffer {
  return reader.memory.buf.subarray(reader.keyAt(address), reader.keyAt(address) + reader.keyLength(address));
}

function sorted(map: Map<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
