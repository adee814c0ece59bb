/**
 * The input of a stage behind an exchange: takes slots from its channels in turn and aligns barriers.
 *
 * Invariants:
 * - A channel is read only while it is in the subtask's epoch; once its barrier was read it is held back.
 * - The epoch ends when every channel that has not ended is held back. Ended channels wait for nobody.
 */
import { Memory } from '../format/memory.ts';
import type { ChannelReader } from './channel.ts';
import type { InputStop, StageInput } from './input.ts';
import type { Rows, RowsTaken } from './operator.ts';
import { type OversizeRow, SLOT_HEADER_BYTES, SlotKind } from './protocol.ts';

/** Head of a chain that takes framed rows. */
export interface RowsHead {
  /** Takes at most `limitFrames` frames, fewer when downstream has no room. */
  rows(rows: Rows, limitFrames: number): RowsTaken;
  readonly full: boolean;
}

/** Rows are taken in pieces of about this much time, so that a turn ends on time and a barrier is not late. */
const PIECE_NS = 500_000;
const MIN_PIECE_FRAMES = 1;
const MAX_PIECE_FRAMES = 16_384;

export class InputGate implements StageInput {
  recordsIn = 0;
  watermarkMs = -Infinity;
  firstBarrierAtMs = 0;
  readonly progress = 0;
  readonly backlog = false;
  readonly #readers: readonly ChannelReader[];
  readonly #watermarks: Float64Array;
  readonly #head: RowsHead;
  readonly #oversize = new Map<string, OversizeRow>();
  readonly #rows: Rows;
  #epoch: number;
  #next = 0;
  #pieceFrames = 256;

  constructor(readers: readonly ChannelReader[], head: RowsHead, epoch: number) {
    this.#readers = readers;
    this.#watermarks = new Float64Array(readers.length).fill(-Infinity);
    this.#head = head;
    this.#epoch = epoch;
    this.#rows = { memory: readers[0].memory, from: 0, to: 0, count: 0 };
  }

  /** The channel that was read last, for messages; null when all have ended: then results of the end are being emitted. */
  get current(): ChannelReader | null {
    const readers = this.#readers;
    if (readers.every(({ ended }) => ended)) return null;
    return readers[(this.#next + readers.length - 1) % readers.length];
  }

  /** Rows that are larger than a slot arrive beside the ring. */
  addOversize(rows: readonly OversizeRow[]): void {
    for (const row of rows) this.#oversize.set(`${row.edge}/${row.channel}/${row.sequence}`, row);
  }

  run(deadlineMs: number): InputStop {
    for (;;) {
      const reader = this.#pick();
      if (reader === null) return this.#whyNothing();
      const slot = reader.slot;
      const kind = reader.slotKind(slot);
      if (kind === SlotKind.rows) {
        if (!this.#consumeRows(reader, slot, deadlineMs)) return this.#head.full ? 'full' : 'more';
      } else if (kind === SlotKind.oversize) {
        if (this.#head.full) return 'full';
        if (!this.#consumeOversize(reader)) return 'idle';
      } else if (kind === SlotKind.barrier) {
        if (this.firstBarrierAtMs === 0) this.firstBarrierAtMs = performance.timeOrigin + performance.now();
        reader.passBarrier();
      } else {
        reader.passEnd();
        this.#setWatermark(this.#readers.indexOf(reader), Infinity);
      }
    }
  }

  flipped(epoch: number): void {
    this.#epoch = epoch;
    this.firstBarrierAtMs = 0;
  }

  snapshot(): null {
    return null;
  }

  close(): void {}

  /** The next channel with something to read in this epoch, in turn. */
  #pick(): ChannelReader | null {
    const readers = this.#readers;
    for (let i = 0, at = this.#next; i < readers.length; i++, at++) {
      if (at >= readers.length) at = 0;
      const reader = readers[at];
      if (reader.epoch === this.#epoch && !reader.ended && reader.ready()) {
        this.#next = at + 1 >= readers.length ? 0 : at + 1;
        return reader;
      }
    }
    return null;
  }

  #whyNothing(): InputStop {
    let held = 0;
    for (const reader of this.#readers) {
      if (reader.ended) continue;
      if (reader.epoch === this.#epoch) return 'idle';
      held++;
    }
    return held > 0 ? 'barrier' : 'ended';
  }

  /** True when the slot was consumed to its end. */
  #consumeRows(reader: ChannelReader, slot: number, deadlineMs: number): boolean {
    const frames = reader.slotFrames(slot);
    const data = slot + SLOT_HEADER_BYTES;
    const end = data + reader.slotBytes(slot);
    const rows = this.#rows;
    rows.memory = reader.memory;
    rows.to = end;
    let done = reader.readFrames;
    rows.from = data + reader.readOffset;
    while (done < frames) {
      if (this.#head.full) break;
      const started = performance.now();
      if (started >= deadlineMs) break;
      rows.count = frames - done;
      const taken = this.#head.rows(rows, Math.min(this.#pieceFrames, rows.count));
      done += taken.frames;
      this.recordsIn += taken.frames;
      rows.from = taken.next;
      this.#adapt(taken.frames, performance.now() - started);
    }
    if (done >= frames) {
      this.#setWatermark(this.#readers.indexOf(reader), reader.slotWatermarkMs(slot));
      reader.release();
      return true;
    }
    reader.advance(rows.from - data, done);
    return false;
  }

  /** False when the row has not arrived yet. */
  #consumeOversize(reader: ChannelReader): boolean {
    const key = `${reader.edge}/${reader.channel}/${reader.sequence}`;
    const row = this.#oversize.get(key);
    if (row === undefined) return false;
    const memory = new Memory(row.bytes);
    this.#head.rows({ memory, from: 0, to: memory.byteLength, count: 1 }, 1);
    this.recordsIn++;
    this.#oversize.delete(key);
    reader.release();
    return true;
  }

  #adapt(frames: number, elapsedMs: number): void {
    if (frames === 0) return;
    const wanted = (PIECE_NS * frames) / Math.max(elapsedMs * 1e6, 1);
    const damped = Math.min(wanted, this.#pieceFrames * 2);
    this.#pieceFrames = Math.max(MIN_PIECE_FRAMES, Math.min(MAX_PIECE_FRAMES, Math.floor(damped)));
  }

  #setWatermark(index: number, watermarkMs: number): void {
    if (watermarkMs === this.#watermarks[index]) return;
    this.#watermarks[index] = watermarkMs;
    let least = Infinity;
    for (const mark of this.#watermarks) if (mark < least) least = mark;
    if (least > this.watermarkMs) this.watermarkMs = least;
  }
}
