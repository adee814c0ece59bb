/**
 * The entries of a keyed state, read as what a user sees: keys, and for each key a value, a list, the entries of a map.
 * For whoever reads tables without running a job; the layouts are those of the handles that write them:
 *
 * | kind                          | entries of a user key                                         | layout                                  |
 * |-------------------------------|---------------------------------------------------------------|-----------------------------------------|
 * | value, reducing, aggregating  | one: a row                                                    | `row-codec.ts`, `general-codec.ts`      |
 * | topN                          | one: rows after a header                                      | `worker/operators/top-rows.ts`          |
 * | list                          | chunks of elements, sub key: their number                     | `worker/state/handles/list-state.ts`    |
 * | map                           | buckets of the directory (sub key 0), entries (1 and the key) | `worker/state/handles/map-directory.ts` |
 * | distinct                      | empty entries, sub key: 1 and the value                       | `worker/operators/distinct-values.ts`   |
 *
 * Kinds of several entries have composite keys (`worker/state/handles/composite-key.ts`).
 */
import type { Codec, KeyCodec, KeyRef } from './codec.ts';
import { compareBytes } from './copy-bytes.ts';
import { TidemarkError } from './errors.ts';
import { createGeneralCodec } from './general-codec.ts';
import type { JsonValue } from './json.ts';
import { createKeyCodec } from './key-codec.ts';
import { keyToJson } from './key-text.ts';
import { parseKeyType } from './key-type.ts';
import { Memory, wordOf } from './memory.ts';
import { plainToJson } from './plain-json.ts';
import { createRowCodec } from './row-codec.ts';
import type { Schema } from './schema.ts';
import { valueToJson } from './schema-json.ts';
import type { TableEntry } from './sorted-table/cursor.ts';

/** What tables and manifests record of a keyed state. */
export interface StateDescription {
  readonly name: string;
  readonly kind: string;
  readonly keyType: string;
  readonly keySchema: Schema | null;
  readonly schema: Schema | null;
}

/** What a user key has of a state. */
export type StateValue =
  | { readonly kind: 'value'; readonly value: JsonValue }
  | { readonly kind: 'list'; readonly values: readonly JsonValue[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [key: JsonValue, value: JsonValue])[] };

const COMPOSITE_KINDS = new Set(['list', 'map', 'distinct']);
const SIMPLE_KINDS = new Set(['value', 'reducing', 'aggregating', 'topN']);
const MAP_ENTRY = 1;

/** Do the entries of a state have composite keys: several entries for one user key? */
export function isComposite(kind: string): boolean {
  return COMPOSITE_KINDS.has(kind);
}

/** Codecs of one state. Not reentrant. */
export class StateCodec {
  readonly kind: string;
  readonly composite: boolean;
  readonly keySchemas: readonly Schema[] | null;
  readonly keyCodec: KeyCodec;
  readonly #codec: Codec;
  /** Of map keys and distinct values. */
  readonly #subKeySchemas: readonly Schema[] | null;
  readonly #subKeyCodec: KeyCodec;

  /** @throws TidemarkError ERR_FORMAT_UNSUPPORTED for a kind or a type that this version does not know */
  constructor({ name, kind, keyType, keySchema, schema }: StateDescription) {
    const keySchemas = parseKeyType(keyType);
    if (keySchemas === undefined || !(COMPOSITE_KINDS.has(kind) || SIMPLE_KINDS.has(kind))) {
      throw new TidemarkError(
        'ERR_FORMAT_UNSUPPORTED',
        `State ${JSON.stringify(name)} is a ${kind} state with keys of type ${keyType}, which this version cannot decode. Use the version of Tidemark that wrote it, or a newer one.`,
        { facts: { state: name, kind, keyType } },
      );
    }
    const subKey = kind === 'distinct' ? schema : keySchema;
    this.composite = isComposite(kind);
    this.keySchemas = keySchemas;
    this.keyCodec = createKeyCodec(keySchemas);
    this.kind = kind;
    this.#codec = schema === null ? createGeneralCodec() : createRowCodec(schema);
    this.#subKeySchemas = subKey === null ? null : [subKey];
    this.#subKeyCodec = createKeyCodec(this.#subKeySchemas);
  }

  /** Offset of the user's key in the memory of an entry. */
  userKeyAt(entry: TableEntry): number {
    return this.composite ? entry.keyAt + 4 : entry.keyAt;
  }

  userKeyLength(entry: TableEntry): number {
    return this.composite ? entry.memory.u32[wordOf(entry.keyAt)] : entry.keyLength;
  }

  isOfKey(entry: TableEntry, key: KeyRef): boolean {
    const length = this.userKeyLength(entry);
    return compareBytes(entry.memory, this.userKeyAt(entry), length, key.memory, key.at, key.length) === 0;
  }

  keyOf(entry: TableEntry): JsonValue {
    const key = this.keyCodec.decode(entry.memory, this.userKeyAt(entry), this.userKeyLength(entry));
    return keyToJson(key, this.keySchemas);
  }

  /** @param bytes  of a user key */
  decodeKey(bytes: Uint8Array): JsonValue {
    const memory = Memory.local(bytes.length);
    memory.u8.set(bytes);
    return keyToJson(this.keyCodec.decode(memory, 0, bytes.length), this.keySchemas);
  }

  /** The key in a map, or the distinct value, that an entry stands for; undefined for the entries that only organise the others. */
  mapKeyOf(entry: TableEntry): JsonValue | undefined {
    const at = this.subKeyAt(entry);
    return entry.memory.u32[wordOf(at)] === MAP_ENTRY ? this.#subKey(entry, at + 4) : undefined;
  }

  /** Bytes before the row of an element of a list. */
  get elementHeaderBytes(): number {
    return this.#codec.fixedSize > 0 ? 0 : 8;
  }

  get fixedRowBytes(): number {
    return this.#codec.fixedSize;
  }

  rowAt({ memory }: TableEntry, at: number): JsonValue {
    const value = this.#codec.decode(memory, at);
    return this.#codec.schema === null ? plainToJson(value) : valueToJson(this.#codec.schema, value);
  }

  /** Offset of the sub key of an entry, whose first word says what the entry is. */
  subKeyAt(entry: TableEntry): number {
    return entry.keyAt + 4 + ((this.userKeyLength(entry) + 3) & ~3);
  }

  #subKey(entry: TableEntry, at: number): JsonValue {
    const key = this.#subKeyCodec.decode(entry.memory, at, entry.keyAt + entry.keyLength - at);
    return keyToJson(key, this.#subKeySchemas);
  }
}

/** As plain JSON: a map as an array of [key, value], since its keys need not be strings. */
export function stateValueToJson(value: StateValue): JsonValue {
  return value.kind === 'value' ? value.value : value.kind === 'list' ? value.values : value.entries;
}
