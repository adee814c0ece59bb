/**
 * `aggregate` with the built-in functions, in binary: no object per record. A chunk of rows at a time goes through loops,
 * each over one thing (frames, keys, accumulators, one field, one slot), so that cache misses overlap.
 */
import type { OperatorSnapshot, Operator, Rows, RowsTaken } from '../operator.ts';
import { type AccumulatorLayout, accumulatorLayout, type Slot } from '../../job/accumulator-layout.ts';
import type { BuiltInAggregate } from '../../job/aggregate.ts';
import type { GraphNode, KeySelector } from '../../job/graph.ts';
import type { JsonValue } from '../../format/json.ts';
import type { Schema } from '../../format/schema.ts';
import { CurrentKey } from '../state/handles/current-key.ts';
import type { StateMap } from '../state/state-map.ts';
import { addCounts, addValues, countRecords, keepLargest, keepLeast } from './accumulator.ts';
import { DistinctValues } from './distinct-values.ts';
import { END_STATE, EndCursor, visitKeys } from './end-cursor.ts';
import { FieldValues } from './field-values.ts';
import { CHUNK_ROWS, gatherFrames, gatherKeys } from './keyed-input.ts';
import { PARTIAL_COUNT, partialColumn } from './local-combine.ts';
import { operatorFailure } from './operator-failure.ts';
import type { KeyedEnv } from './process-operator.ts';
import { ResultRecords } from './result-records.ts';
import { TopRows } from './top-rows.ts';

type AggregateNode = Extract<GraphNode, { readonly kind: 'aggregate' }>;

export interface BuiltInEnv extends KeyedEnv {
  readonly selector: KeySelector;
  /** Rows are partial results of a local combine and are merged. */
  readonly merging: boolean;
}

/** A slot and where its input comes from. */
interface FedSlot extends Slot {
  readonly input: FieldValues;
}

export class BuiltInAggregateOperator implements Operator {
  recordsIn = 0;
  recordsOut = 0;
  readonly #env: BuiltInEnv;
  readonly #emitsEach: boolean;
  readonly #layout: AccumulatorLayout;
  readonly #map: StateMap;
  readonly #key = new CurrentKey();
  readonly #inputs: readonly FieldValues[];
  readonly #counts: FieldValues | null;
  readonly #slots: readonly FedSlot[];
  readonly #distinct: readonly { readonly index: number; readonly values: DistinctValues }[];
  readonly #top: readonly { readonly rows: TopRows; readonly input: FieldValues }[];
  readonly #results: ResultRecords;
  readonly #cursor: EndCursor;
  readonly #taken: RowsTaken = { frames: 0, next: 0 };
  readonly #frames = new Uint32Array(CHUNK_ROWS + 1);
  readonly #hashes = new Uint32Array(CHUNK_ROWS);
  readonly #rowAt = new Uint32Array(CHUNK_ROWS);
  /** Of each row's key: its words, or where it lies and how long it is. */
  readonly #keys = new Uint32Array(2 * CHUNK_ROWS);
  readonly #keyLengths = new Uint32Array(CHUNK_ROWS);
  readonly #addresses = new Uint32Array(CHUNK_ROWS);
  /** f64 index of the accumulator of each row of the chunk. */
  readonly #at = new Uint32Array(CHUNK_ROWS);
  readonly #fresh = new Uint8Array(CHUNK_ROWS);
  /** Keeps the engine from dropping the prefetch loop. */
  checksum = 0;

  constructor(node: AggregateNode, outputs: Readonly<Record<string, BuiltInAggregate>>, env: BuiltInEnv) {
    this.#env = env;
    this.#emitsEach = node.aggregate.emit === 'each';
    this.#layout = accumulatorLayout(outputs);
    const { input, merging } = env;
    const { codec, keyCodec } = input;
    const { slots, topN, schema } = this.#layout;
    const inputs = new Map<string, FieldValues>();
    const inputOf = (field: string): FieldValues => {
      const values = inputs.get(field) ?? new FieldValues(codec, field);
      inputs.set(field, values);
      return values;
    };
    this.#counts = merging ? inputOf(PARTIAL_COUNT) : null;
    this.#slots = slots
      .filter(({ kind }) => kind !== 'distinct')
      .map((slot) => ({ ...slot, input: inputOf(merging ? partialColumn(slot.index) : slot.field) }));
    const open = (name: string, kind: string, recorded: unknown, composite: boolean): StateMap =>
      env.openState({ uid: node.uid, name, kind, keyType: keyCodec.type, schema: recorded as JsonValue, composite });
    this.#map = open('accumulator', 'value', schema, false);
    this.#distinct = slots
      .filter(({ kind }) => kind === 'distinct')
      .map(({ field, index }) => ({
        index,
        values: new DistinctValues(
          open(`distinct(${field})`, 'distinct', fieldSchema(codec.schema, field), true),
          this.#key,
          codec,
          field,
        ),
      }));
    this.#top = topN.map(({ name, field, n }) => ({
      rows: new TopRows(open(`topN(${name})`, 'topN', codec.schema, false), this.#key, codec, n),
      input: inputOf(field),
    }));
    this.#inputs = [...inputs.values()];
    this.#results = new ResultRecords(env.selector, this.#layout.outputs);
    this.#cursor = new EndCursor([{ map: this.#map, isHead: null }], env.range, env.restored?.[END_STATE]);
  }

  record(): never {
    throw new Error('a keyed operator takes rows');
  }

  rows(rows: Rows, limitFrames: number): RowsTaken {
    this.#cursor.reset();
    const { out } = this.#env;
    const taken = this.#taken;
    taken.frames = 0;
    taken.next = rows.from;
    while (taken.frames < limitFrames && taken.next < rows.to && !out.full) {
      const count = gatherFrames(rows, taken.next, limitFrames - taken.frames, this.#frames, this.#hashes);
      const done = this.#chunk(rows, count);
      taken.frames += done;
      taken.next = this.#frames[done];
    }
    this.recordsIn += taken.frames;
    return taken;
  }

  end(deadlineMs: number): boolean {
    if (this.#emitsEach) return true;
    const { ref } = this.#key;
    return visitKeys(this.#cursor, this.#key, this.#env.out, deadlineMs, () => {
      const address = this.#map.find(ref.hash, ref.memory, ref.at, ref.length);
      this.#emitResult(this.#map.valueAt(address) / 8, -Infinity);
    });
  }

  snapshot(): OperatorSnapshot | null {
    const done = this.#cursor.snapshot();
    return done === null ? null : { [END_STATE]: done };
  }

  /** @returns rows processed: fewer than `count` when results found no more room */
  #chunk(rows: Rows, count: number): number {
    const { memory } = rows;
    let failed = 0;
    try {
      this.#locateRows(memory, count);
      for (const input of this.#inputs) input.gather(memory, this.#rowAt, count);
      this.#locateAccumulators(memory, count);
      if (!this.#emitsEach) {
        this.#apply(0, count);
        this.#applyKeyed(memory, 0, count);
        return count;
      }
      for (let i = 0; i < count; i++) {
        failed = i;
        this.#apply(i, i + 1);
        this.#applyKeyed(memory, i, i + 1);
        this.#env.input.locate(memory, this.#frames[i], this.#key);
        this.#emitResult(this.#at[i], memory.f64[(this.#frames[i] >>> 3) + 1]);
        if (this.#env.out.full) return i + 1;
      }
      return count;
    } catch (error) {
      throw operatorFailure(error, this.#env.site, () => this.#env.input.codec.decode(memory, this.#rowAt[failed]));
    }
  }

  #locateRows(memory: Rows['memory'], count: number): void {
    const { input } = this.#env;
    for (let i = 0; i < count; i++) this.#rowAt[i] = input.rowAt(memory, this.#frames[i]);
  }

  /** Finds or creates the accumulator of each row's key, all of the same length, so that none moves in the chunk. */
  #locateAccumulators(memory: Rows['memory'], count: number): void {
    const { input } = this.#env;
    const map = this.#map;
    const at = this.#at;
    const addresses = this.#addresses;
    if (input.fixedKeyBytes !== 0) {
      const words = input.fixedKeyBytes === 4 ? 1 : 2;
      gatherKeys(memory.u32, this.#frames, input.fixedKeyOffset, words, count, this.#keys);
      map.upsertWords(this.#hashes, this.#keys, words, count, this.#layout.valueBytes, addresses);
      // Keys are equally long, so the value is at the same distance from every entry.
      const distance = map.valueAt(addresses[0]) / 8 - addresses[0];
      for (let i = 0; i < count; i++) at[i] = addresses[i] + distance;
      return;
    }
    const { valueBytes } = this.#layout;
    if (input.placeKeys(memory, this.#frames, count, this.#keys, this.#keyLengths)) {
      map.upsertKeys(this.#hashes, memory, this.#keys, this.#keyLengths, count, valueBytes, addresses);
      for (let i = 0; i < count; i++) at[i] = map.valueAt(addresses[i]) / 8;
      return;
    }
    this.checksum = (this.checksum + map.prefetch(this.#hashes, count)) | 0;
    const { ref } = this.#key;
    for (let i = 0; i < count; i++) {
      input.locate(memory, this.#frames[i], this.#key);
      at[i] = map.valueAt(map.upsert(ref.hash, ref.memory, ref.at, ref.length, valueBytes)) / 8;
    }
  }

  #apply(from: number, to: number): void {
    const { f64 } = this.#map.memory;
    const at = this.#at;
    const fresh = this.#fresh;
    if (this.#counts === null) countRecords(f64, at, from, to, fresh);
    else addCounts(f64, at, from, to, fresh, this.#counts.values);
    for (const { kind, index, input } of this.#slots) {
      if (kind === 'sum') addValues(f64, at, from, to, index, input.values);
      else if (kind === 'min') keepLeast(f64, at, from, to, index, input.values, fresh);
      else keepLargest(f64, at, from, to, index, input.values, fresh);
    }
  }

  /** `distinct` and `topN`: state of their own, row by row. */
  #applyKeyed(memory: Rows['memory'], from: number, to: number): void {
    if (this.#distinct.length === 0 && this.#top.length === 0) return;
    const { f64 } = this.#map.memory;
    for (let i = from; i < to; i++) {
      const frame = this.#frames[i];
      const rowAt = this.#env.input.locate(memory, frame, this.#key);
      for (const { index, values } of this.#distinct) if (values.add(memory, rowAt)) f64[this.#at[i] + index]++;
      for (const { rows, input } of this.#top) rows.offer(memory, rowAt, this.#frames[i + 1] - rowAt, input.values[i]);
    }
  }

  /** Emits the result of `#key`, whose accumulator is at `at`. */
  #emitResult(at: number, timestampMs: number): void {
    const { ref } = this.#key;
    const key = this.#env.input.keyCodec.decode(ref.memory, ref.at, ref.length);
    const top = this.#top.map(({ rows }) => rows.records());
    this.recordsOut++;
    this.#env.out.emit(this.#results.make(key, this.#map.memory.f64, at, top), timestampMs);
  }
}

/** Schema of a field; null for records without one. */
function fieldSchema(schema: Schema | null, field: string): Schema | null {
  return schema?.type === 'record' ? (schema.fields.find(({ name }) => name === field)?.schema ?? null) : null;
}
