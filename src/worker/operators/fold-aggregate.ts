/** `aggregate` with a function of the user's, and `reduce`: a value per key, decoded, folded and encoded for each record. */
import type { JsonValue } from '../../format/json.ts';
import type { AggregateFunction } from '../../job/aggregate.ts';
import type { GraphNode } from '../../job/graph.ts';
import type { Operator, OperatorSnapshot, Rows, RowsTaken } from '../operator.ts';
import { CurrentKey } from '../state/handles/current-key.ts';
import { codecOf } from '../state/handles/open-state.ts';
import { ValueCell } from '../state/handles/value-cell.ts';
import type { StateMap } from '../state/state-map.ts';
import { END_STATE, EndCursor, visitKeys } from './end-cursor.ts';
import { CHUNK_ROWS, gatherFrames } from './keyed-input.ts';
import { PARTIAL_ACCUMULATOR } from './local-combine.ts';
import { operatorFailure } from './operator-failure.ts';
import type { BuiltInEnv } from './built-in-aggregate.ts';

type AggregateNode = Extract<GraphNode, { readonly kind: 'aggregate' }>;
type FoldSpec = Exclude<AggregateNode['aggregate'], { readonly kind: 'built-in' }>;

/** Both kinds as one: how a value is folded into what is there, and what leaves. */
interface Fold {
  /** First accumulator, from the first value. */
  first(value: unknown): unknown;
  next(accumulator: unknown, value: unknown): unknown;
  result(accumulator: unknown): unknown;
}

export class FoldAggregateOperator implements Operator {
  recordsIn = 0;
  recordsOut = 0;
  readonly #env: BuiltInEnv;
  readonly #emitsEach: boolean;
  readonly #fold: Fold;
  readonly #project: ((key: unknown, result: unknown) => unknown) | undefined;
  readonly #map: StateMap;
  readonly #key = new CurrentKey();
  readonly #cell: ValueCell;
  readonly #view: { readonly row: unknown; bind(from: Rows['memory'], at: number): void } | null;
  readonly #cursor: EndCursor;
  readonly #taken: RowsTaken = { frames: 0, next: 0 };
  readonly #frames = new Uint32Array(CHUNK_ROWS + 1);
  readonly #hashes = new Uint32Array(CHUNK_ROWS);
  /** Keeps the engine from dropping the prefetch loop. */
  checksum = 0;

  constructor(node: AggregateNode, spec: FoldSpec, env: BuiltInEnv) {
    this.#env = env;
    this.#emitsEach = spec.emit === 'each';
    this.#fold = foldOf(spec, env.merging);
    this.#project =
      spec.kind === 'function' ? (spec.project as ((key: unknown, result: unknown) => unknown) | undefined) : undefined;
    const { codec, keyCodec } = env.input;
    const schema = spec.kind === 'reduce' ? codec.schema : (spec.aggregate.schema ?? null);
    this.#map = env.openState({
      uid: node.uid,
      name: 'accumulator',
      kind: spec.kind === 'reduce' ? 'reducing' : 'aggregating',
      keyType: keyCodec.type,
      schema: schema as unknown as JsonValue,
      composite: false,
    });
    this.#cell = new ValueCell(this.#map, this.#key, spec.kind === 'reduce' ? codec : codecOf(schema));
    this.#view = node.objectReuse && !env.merging ? codec.view() : null;
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
      this.checksum = (this.checksum + this.#map.prefetch(this.#hashes, count)) | 0;
      const done = this.#chunk(rows, count);
      taken.frames += done;
      taken.next = this.#frames[done];
    }
    this.recordsIn += taken.frames;
    return taken;
  }

  end(deadlineMs: number): boolean {
    if (this.#emitsEach) return true;
    return visitKeys(this.#cursor, this.#key, this.#env.out, deadlineMs, () => {
      try {
        if (this.#cell.address !== 0) this.#emitResult(this.#cell.read(), -Infinity);
      } catch (error) {
        throw operatorFailure(error, this.#env.site, () => ({ endOfKey: this.#decodeKey() }));
      }
    });
  }

  snapshot(): OperatorSnapshot | null {
    const done = this.#cursor.snapshot();
    return done === null ? null : { [END_STATE]: done };
  }

  #chunk(rows: Rows, count: number): number {
    const { memory } = rows;
    const { input, out, site } = this.#env;
    const { codec } = input;
    const cell = this.#cell;
    const view = this.#view;
    let rowAt = 0;
    let i = 0;
    try {
      while (i < count) {
        const frame = this.#frames[i];
        rowAt = input.locate(memory, frame, this.#key);
        let value: unknown;
        if (view === null) value = codec.decode(memory, rowAt);
        else {
          view.bind(memory, rowAt);
          value = view.row;
        }
        const accumulator = cell.address === 0 ? this.#fold.first(value) : this.#fold.next(cell.read(), value);
        cell.write(accumulator);
        i++;
        // The accumulator may be the view itself, which whoever gets the result must not keep.
        if (this.#emitsEach) this.#emitResult(view === null ? accumulator : cell.read(), memory.f64[(frame >>> 3) + 1]);
        if (out.full) break;
      }
    } catch (error) {
      throw operatorFailure(error, site, () => codec.decode(memory, rowAt));
    }
    return i;
  }

  #emitResult(accumulator: unknown, timestampMs: number): void {
    const result = this.#fold.result(accumulator);
    this.recordsOut++;
    this.#env.out.emit(this.#project === undefined ? result : this.#project(this.#decodeKey(), result), timestampMs);
  }

  #decodeKey(): unknown {
    const { ref } = this.#key;
    return this.#env.input.keyCodec.decode(ref.memory, ref.at, ref.length);
  }
}

function foldOf(spec: FoldSpec, merging: boolean): Fold {
  if (spec.kind === 'reduce') {
    // A partial result is a value like any other.
    return { first: (value) => value, next: spec.reduce, result: (accumulator) => accumulator };
  }
  const aggregate = spec.aggregate as AggregateFunction<unknown, unknown, unknown>;
  const result = (accumulator: unknown): unknown => aggregate.result(accumulator);
  if (!merging)
    return {
      first: (value) => aggregate.add(aggregate.create(), value),
      next: (accumulator, value) => aggregate.add(accumulator, value),
      result,
    };
  const partial = (value: unknown): unknown => (value as { readonly [PARTIAL_ACCUMULATOR]: unknown })[PARTIAL_ACCUMULATOR];
  return { first: partial, next: (accumulator, value) => aggregate.merge?.(accumulator, partial(value)), result };
}
