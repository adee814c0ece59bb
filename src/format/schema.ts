/** Schemas as plain data: what manifests record and codecs are generated from. Built by `t` in `job/types.ts`. */
import type { JsonValue } from './json.ts';

export type Schema =
  | { readonly type: 'i32' | 'f64' | 'int' | 'bigint' | 'boolean' | 'string' | 'bytes' | 'timestamp' }
  | { readonly type: 'enum'; readonly values: readonly string[] }
  | { readonly type: 'optional'; readonly of: Schema }
  | { readonly type: 'list'; readonly of: Schema }
  | { readonly type: 'record'; readonly fields: readonly FieldSchema[] };

export interface FieldSchema {
  readonly name: string;
  readonly schema: Schema;
  /** Value for rows written before the field existed. */
  readonly default?: JsonValue;
}
