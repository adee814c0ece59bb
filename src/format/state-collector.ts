/**
 * Puts the entries of one user key together again: what its state holds. Layouts are in `worker/state/handles/list-state.ts` and
 * `worker/operators/top-rows.ts`.
 */
import type { JsonValue } from './json.ts';
import { wordOf } from './memory.ts';
import type { TableEntry } from './sorted-table/cursor.ts';
import type { StateCodec, StateValue } from './state-content.ts';

/** Of the value of a list's chunk. */
const CHUNK_HEADER_BYTES = 16;
const CHUNK_USED_WORD = 2;

/** Of the value of a `topN`, and of each of its rows. */
const TOP_HEADER_BYTES = 16;
const TOP_ROW_HEADER_BYTES = 16;
const TOP_ROW_LENGTH_WORD = 2;

export interface StateCollector {
  /** `entry` need not outlive the call. */
  add(entry: TableEntry): void;
  /** null: nothing was added. */
  result(): StateValue | null;
}

/** For the live entries of one user key, in any order. */
export function collectorFor(codec: StateCodec): StateCollector {
  switch (codec.kind) {
    case 'list':
      return new ListCollector(codec);
    case 'map':
    case 'distinct':
      return new MapCollector(codec, codec.kind === 'distinct');
    case 'topN':
      return new TopCollector(codec);
    default:
      return new ValueCollector(codec);
  }
}

class ValueCollector implements StateCollector {
  readonly #codec: StateCodec;
  #value: StateValue | null = null;

  constructor(codec: StateCodec) {
    this.#codec = codec;
  }

  add(entry: TableEntry): void {
    this.#value = { kind: 'value', value: this.#codec.rowAt(entry, entry.valueAt) };
  }

  result(): StateValue | null {
    return this.#value;
  }
}

class TopCollector implements StateCollector {
  readonly #codec: StateCodec;
  #values: JsonValue[] | null = null;

  constructor(codec: StateCodec) {
    this.#codec = codec;
  }

  add(entry: TableEntry): void {
    const { u32 } = entry.memory;
    let at = entry.valueAt + TOP_HEADER_BYTES;
    this.#values = Array.from({ length: u32[wordOf(entry.valueAt)] }, () => {
      const value = this.#codec.rowAt(entry, at + TOP_ROW_HEADER_BYTES);
      at += TOP_ROW_HEADER_BYTES + u32[wordOf(at) + TOP_ROW_LENGTH_WORD];
      return value;
    });
  }

  result(): StateValue | null {
    return this.#values === null ? null : { kind: 'list', values: this.#values };
  }
}

class ListCollector implements StateCollector {
  readonly #codec: StateCodec;
  /** By chunk number: tables have the chunks in order of their bytes. */
  readonly #chunks = new Map<number, JsonValue[]>();

  constructor(codec: StateCodec) {
    this.#codec = codec;
  }

  add(entry: TableEntry): void {
    const { u32 } = entry.memory;
    const header = this.#codec.elementHeaderBytes;
    const values: JsonValue[] = [];
    let at = entry.valueAt + CHUNK_HEADER_BYTES;
    const end = at + u32[wordOf(entry.valueAt) + CHUNK_USED_WORD];
    while (at < end) {
      values.push(this.#codec.rowAt(entry, at + header));
      at += header === 0 ? this.#codec.fixedRowBytes : header + u32[wordOf(at)];
    }
    this.#chunks.set(u32[wordOf(this.#codec.subKeyAt(entry))], values);
  }

  result(): StateValue | null {
    if (this.#chunks.size === 0) return null;
    const chunks = [...this.#chunks].sort(([a], [b]) => a - b);
    return { kind: 'list', values: chunks.flatMap(([, values]) => values) };
  }
}

class MapCollector implements StateCollector {
  readonly #codec: StateCodec;
  readonly #keysOnly: boolean;
  readonly #entries: (readonly [JsonValue, JsonValue])[] = [];

  constructor(codec: StateCodec, keysOnly: boolean) {
    this.#codec = codec;
    this.#keysOnly = keysOnly;
  }

  add(entry: TableEntry): void {
    const key = this.#codec.mapKeyOf(entry);
    if (key === undefined) return;
    this.#entries.push([key, this.#keysOnly ? null : this.#codec.rowAt(entry, entry.valueAt)]);
  }

  result(): StateValue | null {
    if (this.#entries.length === 0) return null;
    return this.#keysOnly ? { kind: 'list', values: this.#entries.map(([key]) => key) } : { kind: 'map', entries: this.#entries };
  }
}
