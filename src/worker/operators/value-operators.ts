/** map, filter and flatMap: calls from one operator to the next, with no object of ours per record. */
import type { GraphNode } from '../../job/graph.ts';
import type { Output } from '../operator.ts';
import { type FailureSite, operatorFailure } from './operator-failure.ts';

/** An operator that takes values one by one; it is the output of the operator before it. */
export interface ValueOperator extends Output {
  readonly recordsIn: number;
  readonly recordsOut: number;
}

type NodeOf<K extends GraphNode['kind']> = Extract<GraphNode, { readonly kind: K }>;

export class MapOperator implements ValueOperator {
  recordsIn = 0;
  recordsOut = 0;
  readonly #fn: (value: unknown) => unknown;
  readonly #out: Output;
  readonly #site: FailureSite;

  constructor(node: NodeOf<'map'>, out: Output, site: FailureSite) {
    this.#fn = node.fn as (value: unknown) => unknown;
    this.#out = out;
    this.#site = site;
  }

  get full(): boolean {
    return this.#out.full;
  }

  emit(value: unknown, timestampMs: number): void {
    this.recordsIn++;
    try {
      const result = this.#fn(value);
      this.recordsOut++;
      this.#out.emit(result, timestampMs);
    } catch (error) {
      throw operatorFailure(error, this.#site, () => value);
    }
  }
}

export class FilterOperator implements ValueOperator {
  recordsIn = 0;
  recordsOut = 0;
  readonly #fn: (value: unknown) => boolean;
  readonly #out: Output;
  readonly #site: FailureSite;

  constructor(node: NodeOf<'filter'>, out: Output, site: FailureSite) {
    this.#fn = node.fn as (value: unknown) => boolean;
    this.#out = out;
    this.#site = site;
  }

  get full(): boolean {
    return this.#out.full;
  }

  emit(value: unknown, timestampMs: number): void {
    this.recordsIn++;
    try {
      if (!this.#fn(value)) return;
      this.recordsOut++;
      this.#out.emit(value, timestampMs);
    } catch (error) {
      throw operatorFailure(error, this.#site, () => value);
    }
  }
}

/** Takes arrays and any other iterable; `undefined` is none. All results of a record leave with it, also when `full`. */
export class FlatMapOperator implements ValueOperator {
  recordsIn = 0;
  recordsOut = 0;
  readonly #fn: (value: unknown) => Iterable<unknown> | undefined | void;
  readonly #out: Output;
  readonly #site: FailureSite;

  constructor(node: NodeOf<'flatMap'>, out: Output, site: FailureSite) {
    this.#fn = node.fn as (value: unknown) => Iterable<unknown> | undefined | void;
    this.#out = out;
    this.#site = site;
  }

  get full(): boolean {
    return this.#out.full;
  }

  emit(value: unknown, timestampMs: number): void {
    this.recordsIn++;
    try {
      const results = this.#fn(value);
      if (results === undefined) return;
      if (Array.isArray(results)) {
        // An index loop: the array iterator costs more than a short record.
        for (let i = 0; i < results.length; i++) this.#next(results[i], timestampMs);
      } else {
        for (const result of results) this.#next(result, timestampMs);
      }
    } catch (error) {
      throw operatorFailure(error, this.#site, () => value);
    }
  }

  #next(result: unknown, timestampMs: number): void {
    this.recordsOut++;
    this.#out.emit(result, timestampMs);
  }
}
