/**
 * Records of a `collect` sink as a committable: what one subtask wrote in one epoch. Plain JSON where the records survive
 * that, so that a manifest stays readable; otherwise (bigint, Map, Date, undefined, NaN, ...) in V8's serialization.
 */
import { deserialize, serialize } from 'node:v8';
import type { JsonValue } from './json.ts';
import { findNotJson } from './json-safe.ts';

export interface Collected {
  /** Unique over the attempts of a job: the same committable may be delivered more than once. */
  readonly id: string;
  readonly values: readonly unknown[];
}

export function encodeCollected({ id, values }: Collected): JsonValue {
  if (findNotJson(values) === null) return { id, values: values as readonly JsonValue[] };
  return { id, serialized: serialize(values).toString('base64') };
}

export function decodeCollected(committable: JsonValue): Collected {
  const { id, values, serialized } = committable as {
    readonly id: string;
    readonly values?: readonly unknown[];
    readonly serialized?: string;
  };
  return { id, values: values ?? (deserialize(Buffer.from(serialized ?? '', 'base64')) as readonly unknown[]) };
}
