/** Where framed rows enter a chain that does not begin with a keyed operator. */
import type { Codec } from '../../format/codec.ts';
import { FRAME_HEADER_BYTES, type InputShape, type Output, type Rows, type RowsTaken } from '../operator.ts';
import { rowAfterKey } from './keyed-input.ts';

/** Rows to values, for operators that take values. */
export class RowDecoder {
  readonly #input: InputShape;
  readonly #view: ReturnType<Codec['view']>;
  readonly #out: Output;
  readonly #taken: RowsTaken = { frames: 0, next: 0 };

  /** @param view  a view of the input codec to bind to each row instead of decoding it, or null */
  constructor(input: InputShape, view: ReturnType<Codec['view']>, out: Output) {
    this.#input = input;
    this.#view = view;
    this.#out = out;
  }

  rows(rows: Rows, limitFrames: number): RowsTaken {
    const { memory } = rows;
    const { codec, keyInFrame } = this.#input;
    const view = this.#view;
    const out = this.#out;
    const taken = this.#taken;
    let frames = 0;
    let at = rows.from;
    while (frames < limitFrames && at < rows.to && !out.full) {
      const rowAt = keyInFrame ? rowAfterKey(memory, at) : at + FRAME_HEADER_BYTES;
      const timestampMs = memory.f64[(at >>> 3) + 1];
      if (view === null) {
        out.emit(codec.decode(memory, rowAt), timestampMs);
      } else {
        view.bind(memory, rowAt);
        out.emit(view.row, timestampMs);
      }
      at += memory.u32[at >>> 2];
      frames++;
    }
    taken.frames = frames;
    taken.next = at;
    return taken;
  }
}

/** Rows that go on as they are, for a chain without operators. */
export class RowForwarder {
  readonly #tail: Output;
  readonly #taken: RowsTaken = { frames: 0, next: 0 };

  constructor(tail: Output) {
    this.#tail = tail;
  }

  rows(rows: Rows, limitFrames: number): RowsTaken {
    const { u32 } = rows.memory;
    const taken = this.#taken;
    let frames = 0;
    let at = rows.from;
    if (limitFrames >= rows.count) {
      frames = rows.count;
      at = rows.to;
    }
    while (frames < limitFrames && at < rows.to) {
      at += u32[at >>> 2];
      frames++;
    }
    this.#tail.emitRows?.({ memory: rows.memory, from: rows.from, to: at, count: frames });
    taken.frames = frames;
    taken.next = at;
    return taken;
  }
}
