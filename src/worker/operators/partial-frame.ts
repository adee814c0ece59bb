/** Partial results of built-in aggregates as they travel: frames of rows, their columns of numbers, and how two of one key become one. */
import type { Codec } from '../../format/codec.ts';
import type { Memory } from '../../format/memory.ts';
import { accumulatorLayout, type SlotKind } from '../../job/accumulator-layout.ts';
import type { BuiltInAggregate } from '../../job/aggregate.ts';
import { FRAME_HEADER_BYTES } from '../operator.ts';
import { PARTIAL_COUNT, partialColumn } from './local-combine.ts';

/** A column of numbers of the partial result. */
export interface PartialColumn {
  readonly name: string;
  /** How two are folded. */
  readonly kind: Exclude<SlotKind, 'distinct'>;
  /** Field of the record; null for the count. */
  readonly field: string | null;
}

/** The count comes first. */
export function partialColumns(outputs: Readonly<Record<string, BuiltInAggregate>>): readonly PartialColumn[] {
  return [
    { name: PARTIAL_COUNT, kind: 'sum', field: null },
    ...accumulatorLayout(outputs).slots.map(({ kind, field, index }) => ({
      name: partialColumn(index),
      kind: kind as PartialColumn['kind'],
      field,
    })),
  ];
}

export function foldNumbers(kind: PartialColumn['kind'], a: number, b: number): number {
  return kind === 'sum' ? a + b : kind === 'min' ? Math.min(a, b) : Math.max(a, b);
}

/**
 * Writes the frame of a partial result at byte offset `at`.
 *
 * @returns its bytes, or -1 when it does not fit into the memory
 */
export function encodePartial(codec: Codec, partial: unknown, to: Memory, at: number): number {
  if (at + FRAME_HEADER_BYTES > to.byteLength) return -1;
  const bytes = codec.encode(partial, to, at + FRAME_HEADER_BYTES, to.byteLength);
  if (bytes < 0) return -1;
  const { u32, f64 } = to;
  u32[at >>> 2] = FRAME_HEADER_BYTES + bytes;
  u32[(at >>> 2) + 1] = 0;
  // Results of combined aggregates leave at the end, so the time of a single record is not of interest any more.
  f64[(at >>> 3) + 1] = -Infinity;
  return FRAME_HEADER_BYTES + bytes;
}
