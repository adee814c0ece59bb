/**
 * Folds the records of one key in an epoch, before they are sent to the key's owner (what travels: `local-combine.ts`). It is
 * the output in front of one exchange. Only aggregates whose results leave at the end are combined, so nobody waits for
 * what is held here.
 *
 * It holds results back in the heap, so it must be drained before every barrier and at the end; a bounded part at a time, so
 * that the barrier is late by it and nothing stands still. And it must pay: when keys hardly repeat, folding costs and saves nothing,
 * so the reduction is measured and the combiner steps aside for a while where it is too small.
 */
import type { AggregateFunction } from '../../job/aggregate.ts';
import { selectFields } from '../edge-shape.ts';
import type { Output } from '../operator.ts';
import { accumulatorLayout, type Slot } from '../../job/accumulator-layout.ts';
import { numberField } from './field-values.ts';
import { FoldingGauge } from './folding-gauge.ts';
import { KeySlots, NO_SLOT } from './key-slots.ts';
import { type LocalCombine, PARTIAL_ACCUMULATOR, PARTIAL_COUNT, PARTIAL_KEY, partialColumn } from './local-combine.ts';
import { type FailureSite, operatorFailure } from './operator-failure.ts';
import { foldNumbers, type PartialColumn } from './partial-frame.ts';

/**
 * Keys held at most. With more a `Map` of strings outgrows the cache: of words by Zipf's law, 50,000 different ones, 32,768
 * fold 10 into one and 4,096 only 2.7, but a look into the larger map costs 170 ns instead of 90. To let the seldom ones go
 * and keep the others folds 3.3, and deleting from the map costs what that saves.
 */
const MAX_KEYS = 4096;
/** Partial results that one call of `drain` sends: about 0.3 ms. */
const DRAIN_KEYS = 2048;
/** Partial results of the keys held, by slot. */
interface Partials {
  /** Begins a slot with a record. */
  start(slot: number, value: unknown): void;
  add(slot: number, value: unknown): void;
  /** The partial result of a slot, to be encoded at once: the object may be reused. */
  take(slot: number, key: unknown): unknown;
}

export class LocalCombiner implements Output {
  recordsIn = 0;
  readonly #out: Output;
  readonly #site: FailureSite;
  readonly #keyOf: (value: unknown) => unknown;
  readonly #slots: KeySlots;
  /** Key of each slot. */
  readonly #keys: unknown[] = [];
  readonly #partials: Partials;
  readonly #gauge = new FoldingGauge();
  /** Slots below this one are sent already: what is held is being drained. */
  #drained = 0;

  constructor(combine: LocalCombine, out: Output, site: FailureSite) {
    this.#out = out;
    this.#site = site;
    const { selector } = combine;
    this.#keyOf = selector.kind === 'function' ? (selector.select as (value: unknown) => unknown) : selectFields(selector.fields);
    this.#slots = new KeySlots(selector.kind === 'fields' ? selector.fields.length : 1);
    this.#partials = createPartials(combine);
  }

  get full(): boolean {
    return this.#out.full;
  }

  emit(value: unknown): void {
    this.recordsIn++;
    try {
      this.#combine(value);
    } catch (error) {
      throw operatorFailure(error, this.#site, () => value);
    }
  }

  /** Sends some of what is held, as long as there is room. True when nothing is left; no record may come before that. */
  drain(): boolean {
    const keys = this.#keys;
    const end = Math.min(keys.length, this.#drained + DRAIN_KEYS);
    for (; this.#drained < end && !this.#out.full; this.#drained++) this.#send(this.#drained, keys[this.#drained]);
    if (this.#drained < keys.length) return false;
    this.#drained = 0;
    this.#slots.clear();
    keys.length = 0;
    return true;
  }

  #combine(value: unknown): void {
    const key = this.#keyOf(value);
    if (this.#gauge.passes()) {
      this.#sendAlone(key, value);
      return;
    }
    const held = this.#slots.count;
    const slot = this.#slots.slotOf(key);
    if (slot === NO_SLOT) {
      this.#sendAlone(key, value);
    } else if (slot === held) {
      this.#keys[slot] = key;
      this.#partials.start(slot, value);
      if (slot === MAX_KEYS - 1) this.#sendAll();
    } else {
      this.#partials.add(slot, value);
    }
    this.#gauge.note(slot === NO_SLOT || slot === held);
  }

  /** Sends what is held, whether there is room downstream or not: what finds none waits in the heap. */
  #sendAll(): void {
    for (let slot = 0; slot < this.#keys.length; slot++) this.#send(slot, this.#keys[slot]);
    this.#slots.clear();
    this.#keys.length = 0;
  }

  /** Sends a record as a partial result of one. */
  #sendAlone(key: unknown, value: unknown): void {
    this.#partials.start(MAX_KEYS, value);
    this.#send(MAX_KEYS, key);
  }

  #send(slot: number, key: unknown): void {
    // Results of combined aggregates leave at the end, so the time of a single record is not of interest any more.
    this.#out.emit(this.#partials.take(slot, key), -Infinity);
  }
}

function createPartials(combine: LocalCombine): Partials {
  const { aggregate } = combine.node;
  switch (aggregate.kind) {
    case 'built-in':
      return new SlotPartials(accumulatorLayout(aggregate.outputs).slots, keyWriter(combine));
    case 'function':
      return new FunctionPartials(aggregate.aggregate, keyWriter(combine));
    case 'reduce':
      return new ReducePartials(aggregate.reduce as (a: unknown, b: unknown) => unknown);
  }
}

/** Writes the key into a partial result: as its fields, or as `$key`. */
type KeyWriter = (partial: Record<string, unknown>, key: unknown) => void;

function keyWriter({ selector, keyOf }: LocalCombine): KeyWriter {
  if (keyOf !== undefined || selector.kind === 'function') {
    return (partial, key) => {
      partial[PARTIAL_KEY] = key;
    };
  }
  const { fields } = selector;
  if (fields.length === 1) {
    const [field] = fields;
    return (partial, key) => {
      partial[field] = key;
    };
  }
  return (partial, key) => {
    for (let i = 0; i < fields.length; i++) partial[fields[i]] = (key as readonly unknown[])[i];
  };
}

/** Built-in aggregates: doubles, as in `accumulator.ts`. */
class SlotPartials implements Partials {
  readonly #slots: readonly Slot[];
  readonly #width: number;
  readonly #values: Float64Array;
  readonly #writeKey: KeyWriter;
  readonly #partial: Record<string, unknown> = {};
  readonly #columns: readonly string[];

  constructor(slots: readonly Slot[], writeKey: KeyWriter) {
    this.#slots = slots;
    this.#width = slots.length + 1;
    this.#values = new Float64Array((MAX_KEYS + 1) * this.#width);
    this.#writeKey = writeKey;
    this.#columns = slots.map(({ index }) => partialColumn(index));
  }

  start(slot: number, value: unknown): void {
    const at = slot * this.#width;
    this.#values[at] = 1;
    for (const { field, index } of this.#slots) this.#values[at + index] = numberField(value, field);
  }

  add(slot: number, value: unknown): void {
    const at = slot * this.#width;
    const values = this.#values;
    values[at]++;
    for (const { kind, field, index } of this.#slots) {
      values[at + index] = foldNumbers(kind as PartialColumn['kind'], values[at + index], numberField(value, field));
    }
  }

  take(slot: number, key: unknown): unknown {
    const at = slot * this.#width;
    const partial = this.#partial;
    this.#writeKey(partial, key);
    partial[PARTIAL_COUNT] = this.#values[at];
    for (let i = 0; i < this.#columns.length; i++) partial[this.#columns[i]] = this.#values[at + 1 + i];
    return partial;
  }
}

class FunctionPartials implements Partials {
  readonly #aggregate: AggregateFunction<unknown, unknown, unknown>;
  readonly #accumulators: unknown[] = Array.from({ length: MAX_KEYS + 1 }, () => undefined);
  readonly #writeKey: KeyWriter;

  constructor(aggregate: AggregateFunction<unknown, unknown, unknown>, writeKey: KeyWriter) {
    this.#aggregate = aggregate;
    this.#writeKey = writeKey;
  }

  start(slot: number, value: unknown): void {
    this.#accumulators[slot] = this.#aggregate.add(this.#aggregate.create(), value);
  }

  add(slot: number, value: unknown): void {
    this.#accumulators[slot] = this.#aggregate.add(this.#accumulators[slot], value);
  }

  take(slot: number, key: unknown): unknown {
    const partial: Record<string, unknown> = {};
    this.#writeKey(partial, key);
    partial[PARTIAL_ACCUMULATOR] = this.#accumulators[slot];
    this.#accumulators[slot] = undefined;
    return partial;
  }
}

class ReducePartials implements Partials {
  readonly #reduce: (a: unknown, b: unknown) => unknown;
  readonly #values: unknown[] = Array.from({ length: MAX_KEYS + 1 }, () => undefined);

  constructor(reduce: (a: unknown, b: unknown) => unknown) {
    this.#reduce = reduce;
  }

  start(slot: number, value: unknown): void {
    this.#values[slot] = value;
  }

  add(slot: number, value: unknown): void {
    this.#values[slot] = this.#reduce(this.#values[slot], value);
  }

  take(slot: number): unknown {
    const value = this.#values[slot];
    this.#values[slot] = undefined;
    return value;
  }
}
