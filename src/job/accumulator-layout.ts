/**
 * Accumulators of the built-in aggregates: a few doubles per key. Which they are follows from the description, so
 * that planner, workers and tools agree without asking one another.
 *
 * Value of an entry of the state `accumulator`:
 *
 * | slot (f64) | content                                                                              |
 * |-----------:|--------------------------------------------------------------------------------------|
 * |          0 | records of the key; exact to 2^53                                                    |
 * |     1 .. k | in order of first use, one for each different: sum of a field (`sum`, `avg`), its    |
 * |            | least or largest value (`min`, `max`), number of its distinct values (`distinct`)    |
 *
 * It is a row of `layout.schema`, with `count`, `sum(ms)`, … as fields, so that any reader of value state can read it.
 * `min` and `max` are NaN once a value was; the order in which records come makes no difference, rounding of sums aside.
 */
import type { Schema } from '../format/schema.ts';
import type { BuiltInAggregate } from './aggregate.ts';

export type SlotKind = 'sum' | 'min' | 'max' | 'distinct';

export interface Slot {
  readonly kind: SlotKind;
  readonly field: string;
  /** Position among the doubles of the accumulator. */
  readonly index: number;
}

/** How one output is computed from the accumulator. `index` is that of `topN` among the outputs of that kind. */
export interface OutputColumn {
  readonly name: string;
  readonly kind: BuiltInAggregate['kind'];
  readonly index: number;
}

export interface AccumulatorLayout {
  readonly slots: readonly Slot[];
  readonly outputs: readonly OutputColumn[];
  readonly topN: readonly { readonly name: string; readonly field: string; readonly n: number }[];
  readonly valueBytes: number;
  readonly schema: Schema;
}

export function accumulatorLayout(outputs: Readonly<Record<string, BuiltInAggregate>>): AccumulatorLayout {
  const slots: Slot[] = [];
  const topN: { name: string; field: string; n: number }[] = [];
  const slotOf = (kind: SlotKind, field: string): number => {
    const known = slots.find((slot) => slot.kind === kind && slot.field === field);
    if (known !== undefined) return known.index;
    slots.push({ kind, field, index: slots.length + 1 });
    return slots.length;
  };
  const columns = Object.entries(outputs).map(([name, output]): OutputColumn => {
    switch (output.kind) {
      case 'count':
        return { name, kind: output.kind, index: 0 };
      case 'avg':
        return { name, kind: output.kind, index: slotOf('sum', output.field) };
      case 'topN':
        topN.push({ name, field: output.field, n: output.n });
        return { name, kind: output.kind, index: topN.length - 1 };
      default:
        return { name, kind: output.kind, index: slotOf(output.kind, output.field) };
    }
  });
  return {
    slots,
    outputs: columns,
    topN,
    valueBytes: 8 * (1 + slots.length),
    schema: {
      type: 'record',
      fields: [
        { name: 'count', schema: { type: 'f64' } },
        ...slots.map((slot) => ({ name: `${slot.kind}(${slot.field})`, schema: { type: 'f64' } as const })),
      ],
    },
  };
}
