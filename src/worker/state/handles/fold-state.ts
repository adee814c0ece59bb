/** Reducing and aggregating state: a value per key into which others are folded. */
import type { AggregateFunction } from '../../../job/aggregate.ts';
import type { AggregatingState, ReducingState } from '../../../job/process.ts';
import type { ValueCell } from './value-cell.ts';

/** The first value of a key is kept as it is; each further one is folded in by `reduce`. */
export class CellReducingState implements ReducingState<unknown> {
  readonly #cell: ValueCell;
  readonly #reduce: (a: unknown, b: unknown) => unknown;

  constructor(cell: ValueCell, reduce: (a: never, b: never) => unknown) {
    this.#cell = cell;
    this.#reduce = reduce as (a: unknown, b: unknown) => unknown;
  }

  get(): unknown {
    return this.#cell.address === 0 ? undefined : this.#cell.read();
  }

  add(value: unknown): void {
    this.#cell.write(this.#cell.address === 0 ? value : this.#reduce(this.#cell.read(), value));
  }

  clear(): void {
    this.#cell.clear();
  }
}

/** The accumulator is what is kept; `get` computes the result from it. */
export class CellAggregatingState implements AggregatingState<unknown, unknown> {
  readonly #cell: ValueCell;
  readonly #aggregate: AggregateFunction<unknown, unknown, unknown>;

  constructor(cell: ValueCell, aggregate: AggregateFunction<never, unknown, unknown>) {
    this.#cell = cell;
    this.#aggregate = aggregate;
  }

  get(): unknown {
    return this.#cell.address === 0 ? undefined : this.#aggregate.result(this.#cell.read());
  }

  add(value: unknown): void {
    const accumulator = this.#cell.address === 0 ? this.#aggregate.create() : this.#cell.read();
    this.#cell.write(this.#aggregate.add(accumulator, value));
  }

  clear(): void {
    this.#cell.clear();
  }
}
