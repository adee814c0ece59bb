/**
 * The keys of a diff as a user knows them: one line for each user key, in a map one for each of its keys. A list is kept in several
 * entries, and those of one key follow one another, its head first.
 */
import type { JsonValue } from '../format/json.ts';
import { StateCodec } from '../format/state-content.ts';
import type { ChangeKind, OnChange } from './diff.ts';

export interface ChangedKey {
  readonly uid: string;
  readonly state: string;
  readonly change: ChangeKind;
  readonly key: JsonValue;
  /** Only of map states. */
  readonly mapKey?: JsonValue;
}

export function listChangedKeys(onKey: (key: ChangedKey) => void): OnChange {
  let codec: { readonly of: unknown; readonly codec: StateCodec } | null = null;
  let lastList = '';
  return ({ uid, info }, change, entry) => {
    if (codec?.of !== info) {
      codec = { of: info, codec: new StateCodec(info) };
      lastList = '';
    }
    const key = codec.codec.keyOf(entry);
    const changed = { uid, state: info.name, change, key };
    if (!codec.codec.composite) return onKey(changed);
    if (info.kind !== 'list') {
      const mapKey = codec.codec.mapKeyOf(entry);
      return mapKey === undefined ? undefined : onKey({ ...changed, mapKey });
    }
    const text = JSON.stringify(key);
    if (text === lastList) return;
    lastList = text;
    onKey(changed);
  };
}
