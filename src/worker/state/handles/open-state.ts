/** From the description of a keyed state to its map and its handle. */
import type { Codec, KeyCodec } from '../../../format/codec.ts';
import { createGeneralCodec } from '../../../format/general-codec.ts';
import type { JsonValue } from '../../../format/json.ts';
import { createKeyCodec } from '../../../format/key-codec.ts';
import { createRowCodec } from '../../../format/row-codec.ts';
import type { Schema } from '../../../format/schema.ts';
import type { StateSpec } from '../../../job/process.ts';
import type { StateMap } from '../state-map.ts';
import { subKeyIs } from './composite-key.ts';
import type { CurrentKey } from './current-key.ts';
import { CellAggregatingState, CellReducingState } from './fold-state.ts';
import { ChunkedListState } from './list-state.ts';
import { DIRECTORY } from './map-directory.ts';
import { DirectoryMapState } from './map-state.ts';
import { ValueCell } from './value-cell.ts';
import { createValueState } from './value-state.ts';

/** What the engine needs to know of a keyed state before it can open its map; recorded in checkpoints. */
export interface KeyedStateInfo {
  readonly uid: string;
  readonly name: string;
  /** `value`, `list`, `map`, `reducing`, `aggregating`, or one of the built-in aggregates' (`built-in-state.ts`). */
  readonly kind: string;
  /** `KeyCodec.type` of the key. */
  readonly keyType: string;
  /** Schema of the values; of a map state, those of its keys and values. */
  readonly schema: JsonValue;
  /** Entries have composite keys (`composite-key.ts`): see `StateMapOptions.composite`. */
  readonly composite: boolean;
}

/** A state of a keyed operator, open. */
export interface OpenedState {
  /** What the user's function gets. */
  readonly handle: unknown;
  readonly map: StateMap;
  /** Which entries stand for a key of the user; null where all do. */
  readonly isHead: ((map: StateMap, address: number) => boolean) | null;
}

export function codecOf(schema: Schema | null): Codec {
  return schema === null ? createGeneralCodec() : createRowCodec(schema);
}

/** @throws TidemarkError ERR_INVALID_ARG when the initial value of a value state does not match its schema */
export function openState(
  spec: StateSpec,
  info: Pick<KeyedStateInfo, 'uid' | 'name' | 'keyType'>,
  key: CurrentKey,
  open: (info: KeyedStateInfo) => StateMap,
): OpenedState {
  const codec = codecOf(spec.schema);
  const schema = spec.schema as unknown as JsonValue;
  switch (spec.kind) {
    case 'value': {
      const map = open({ ...info, kind: spec.kind, schema, composite: false });
      return { handle: createValueState(map, key, codec, spec.initial), map, isHead: null };
    }
    case 'reducing': {
      const map = open({ ...info, kind: spec.kind, schema, composite: false });
      return { handle: new CellReducingState(new ValueCell(map, key, codec), spec.reduce), map, isHead: null };
    }
    case 'aggregating': {
      const map = open({ ...info, kind: spec.kind, schema, composite: false });
      return { handle: new CellAggregatingState(new ValueCell(map, key, codec), spec.aggregate), map, isHead: null };
    }
    case 'list': {
      const map = open({ ...info, kind: spec.kind, schema, composite: true });
      return { handle: new ChunkedListState(map, key, codec), map, isHead: (of, address) => subKeyIs(of, address, 0, null) };
    }
    case 'map': {
      const keyCodec: KeyCodec = createKeyCodec(spec.keySchema === null ? null : [spec.keySchema]);
      const map = open({
        ...info,
        kind: spec.kind,
        schema: { key: spec.keySchema as unknown as JsonValue, value: schema },
        composite: true,
      });
      return {
        handle: new DirectoryMapState(map, key, keyCodec, codec),
        map,
        isHead: (of, address) => subKeyIs(of, address, DIRECTORY, 0),
      };
    }
  }
}
