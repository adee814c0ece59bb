/** The records that a built-in aggregate emits: the key's fields (or `key`), then the outputs. */
import type { KeySelector } from '../../job/graph.ts';
import type { OutputColumn } from '../../job/accumulator-layout.ts';

export class ResultRecords {
  readonly #keyFields: readonly string[];
  readonly #outputs: readonly OutputColumn[];
  /** Has all fields in order: copies of it share one hidden class, which assigning to an empty object by name would not. */
  readonly #template: Readonly<Record<string, unknown>>;

  constructor(selector: KeySelector, outputs: readonly OutputColumn[]) {
    this.#keyFields = selector.kind === 'fields' ? selector.fields : ['key'];
    this.#outputs = outputs;
    this.#template = Object.fromEntries(
      [...this.#keyFields, ...outputs.map(({ name }) => name)].map((name) => [name, undefined]),
    );
  }

  /**
   * @param key  as `KeyCodec.decode` gives it: the value for one field or a function key, an array for several fields
   * @param at   f64 index of the key's accumulator
   * @param top  records of each `topN` output
   */
  make(key: unknown, f64: Float64Array, at: number, top: readonly (readonly unknown[])[]): Record<string, unknown> {
    const record = { ...this.#template };
    const fields = this.#keyFields;
    if (fields.length === 1) record[fields[0]] = key;
    else for (let i = 0; i < fields.length; i++) record[fields[i]] = (key as readonly unknown[])[i];
    for (const { name, kind, index } of this.#outputs) {
      if (kind === 'topN') record[name] = top[index];
      else record[name] = kind === 'avg' ? f64[at + index] / f64[at] : f64[at + index];
    }
    return record;
  }
}
