/**
 * The tail of a chain: hands records to the subtasks of the next stage. It frames rows (layout in `operator.ts`),
 * finds the key and its hash, and picks the channel: the owner of the key group, the next in turn, or the only one.
 */
import { type Codec, type KeyCodec, KeyRef, type RowKey } from '../format/codec.ts';
import { TidemarkError } from '../format/errors.ts';
import { hashKeyOfTwoWords, hashKeyOfWord } from '../format/hash.ts';
import { subtaskOfKeyGroup } from '../format/key-groups.ts';
import { align8, Memory } from '../format/memory.ts';
import type { ChannelWriter } from './channel.ts';
import { FRAME_HEADER_BYTES, type Output, type Rows } from './operator.ts';
import type { ExchangeKind } from './protocol.ts';

/** How a hash edge finds keys: in the row, or by a user function whose result travels in the frame. */
export type EdgeKey =
  | { readonly kind: 'row'; readonly rowKey: RowKey }
  | { readonly kind: 'function'; readonly select: (value: unknown) => unknown; readonly codec: KeyCodec };

export interface EdgeShape {
  readonly kind: ExchangeKind;
  readonly codec: Codec;
  readonly key: EdgeKey | null;
  /** Of the consuming stage. */
  readonly maxParallelism: number;
}

/** Frames that are sent together. */
const RUN_FRAMES = 512;
const INITIAL_SCRATCH_BYTES = 64 * 1024;
/** A value of 64 MiB with its key and header. */
const MAX_FRAME_BYTES = 80 * 1024 * 1024;

export class ExchangeOutput implements Output {
  /** Id of the edge. */
  readonly edge: number;
  /** No room in some channel. Kept up to date after every record, so that asking costs nothing. */
  full = false;
  recordsOut = 0;
  readonly #writers: readonly ChannelWriter[];
  readonly #codec: Codec;
  readonly #key: EdgeKey | null;
  readonly #hash: boolean;
  /** Channel of each key group. */
  readonly #channelOfGroup: Int32Array;
  readonly #groupScale: number;
  readonly #keyRef: KeyRef;
  /** Of a run of frames: byte offsets, channels, and their numbers ordered by channel, where each channel's part ends. */
  readonly #frames = new Uint32Array(RUN_FRAMES);
  readonly #channels = new Uint16Array(RUN_FRAMES);
  readonly #order = new Uint16Array(RUN_FRAMES);
  readonly #ends: Uint32Array;
  #scratch = Memory.local(INITIAL_SCRATCH_BYTES);
  #next: number;

  constructor(shape: EdgeShape, writers: readonly ChannelWriter[], subtask: number) {
    this.edge = writers[0].edge;
    this.#writers = writers;
    this.#codec = shape.codec;
    this.#key = shape.key;
    this.#hash = shape.kind === 'hash';
    this.#groupScale = shape.maxParallelism / 4294967296;
    this.#channelOfGroup = Int32Array.from({ length: shape.maxParallelism }, (_, group) =>
      subtaskOfKeyGroup(group, shape.maxParallelism, writers.length),
    );
    this.#ends = new Uint32Array(writers.length);
    this.#keyRef = new KeyRef(this.#scratch);
    this.#next = subtask % writers.length;
  }

  emit(value: unknown, timestampMs: number): void {
    const key = this.#key;
    let rowAt = FRAME_HEADER_BYTES;
    const ref = this.#keyRef;
    if (key !== null && key.kind === 'function') {
      key.codec.encode(key.select(value), ref);
      rowAt = FRAME_HEADER_BYTES + 8 + align8(ref.length);
      if (rowAt > this.#scratch.byteLength) this.#grow(rowAt);
    }
    let bytes = this.#codec.encode(value, this.#scratch, rowAt, this.#scratch.byteLength);
    while (bytes < 0) {
      this.#grow(this.#scratch.byteLength * 2);
      bytes = this.#codec.encode(value, this.#scratch, rowAt, this.#scratch.byteLength);
    }
    const scratch = this.#scratch;
    let hash = 0;
    if (key !== null) {
      if (key.kind === 'row') {
        key.rowKey.locate(scratch, rowAt, ref);
      } else {
        scratch.u32[FRAME_HEADER_BYTES / 4] = ref.length;
        scratch.u32[FRAME_HEADER_BYTES / 4 + 1] = bytes;
        scratch.f64[rowAt / 8 - 1] = 0;
        scratch.u8.set(ref.memory.u8.subarray(ref.at, ref.at + ref.length), FRAME_HEADER_BYTES + 8);
      }
      hash = ref.hash;
    }
    const length = rowAt + bytes;
    scratch.u32[0] = length;
    scratch.u32[1] = hash;
    scratch.f64[1] = timestampMs;
    this.#send(scratch, 0, length, hash);
  }

  /** Takes framed rows of this edge's codec; their hashes are computed here. Only for edges without a function key. */
  emitRows(rows: Rows): void {
    const key = this.#key;
    const { memory } = rows;
    const { u32 } = memory;
    const frames = this.#frames;
    for (let at = rows.from; at < rows.to; ) {
      let count = 0;
      for (; count < RUN_FRAMES && at < rows.to; count++) {
        frames[count] = at;
        at += u32[at >>> 2];
      }
      if (this.#hash && key !== null && key.kind === 'row') this.#hashFrames(memory, key.rowKey, count);
      else this.#dealOut(count);
      this.#sendFrames(memory, count);
    }
  }

  /** Writes the hash of each frame's key into the frame, and finds its channel. */
  #hashFrames(memory: Memory, rowKey: RowKey, count: number): void {
    const { u32 } = memory;
    const frames = this.#frames;
    const offset = rowKey.fixedOffset < 0 ? 0 : (FRAME_HEADER_BYTES + rowKey.fixedOffset) >>> 2;
    if (rowKey.wordCount === 1) {
      for (let i = 0; i < count; i++) {
        const word = frames[i] >>> 2;
        u32[word + 1] = hashKeyOfWord(u32[word + offset]);
      }
    } else if (rowKey.wordCount === 2) {
      for (let i = 0; i < count; i++) {
        const word = frames[i] >>> 2;
        u32[word + 1] = hashKeyOfTwoWords(u32[word + offset], u32[word + offset + 1]);
      }
    } else {
      const ref = this.#keyRef;
      for (let i = 0; i < count; i++) {
        rowKey.locate(memory, frames[i] + FRAME_HEADER_BYTES, ref);
        u32[(frames[i] >>> 2) + 1] = ref.hash;
      }
    }
    const channelOfGroup = this.#channelOfGroup;
    const channels = this.#channels;
    const scale = this.#groupScale;
    for (let i = 0; i < count; i++) channels[i] = channelOfGroup[(u32[(frames[i] >>> 2) + 1] * scale) | 0];
  }

  #dealOut(count: number): void {
    const { length } = this.#writers;
    for (let i = 0; i < count; i++) {
      this.#channels[i] = this.#next;
      if (length > 1) this.#next = this.#next + 1 === length ? 0 : this.#next + 1;
    }
  }

  /** Sends frames to their channels, those of one channel together and in their order. */
  #sendFrames(memory: Memory, count: number): void {
    const writers = this.#writers;
    const channels = this.#channels;
    const order = this.#order;
    const ends = this.#ends;
    ends.fill(0);
    for (let i = 0; i < count; i++) ends[channels[i]]++;
    let sum = 0;
    for (let c = 0; c < writers.length; c++) {
      const start = sum;
      sum += ends[c];
      ends[c] = start;
    }
    for (let i = 0; i < count; i++) order[ends[channels[i]]++] = i;
    let first = 0;
    for (let c = 0; c < writers.length; c++) {
      if (ends[c] === first) continue;
      writers[c].appendFrames(memory, this.#frames, order, first, ends[c]);
      if (writers[c].full) this.full = true;
      first = ends[c];
    }
    this.recordsOut += count;
  }

  /** Looks again whether there is room, after consumers may have taken slots. */
  refresh(): void {
    this.full = false;
    for (const writer of this.#writers) {
      writer.drain();
      if (writer.full) this.full = true;
    }
  }

  /** At most so many rows a slot, from the measured cost of a row downstream. */
  limitFrames(maxFrames: number): void {
    for (const writer of this.#writers) writer.maxFrames = maxFrames;
  }

  publish(): void {
    for (const writer of this.#writers) writer.publish();
  }

  setWatermark(watermarkMs: number): void {
    for (const writer of this.#writers) writer.watermarkMs = watermarkMs;
  }

  setEpoch(epoch: number): void {
    for (const writer of this.#writers) writer.setEpoch(epoch);
  }

  barrier(epoch: number): void {
    for (const writer of this.#writers) writer.barrier(epoch);
    this.refresh();
  }

  end(): void {
    for (const writer of this.#writers) writer.end();
  }

  #send(memory: Memory, at: number, length: number, hash: number): void {
    let index = 0;
    const writers = this.#writers;
    if (this.#hash) {
      index = this.#channelOfGroup[(hash * this.#groupScale) | 0];
    } else if (writers.length > 1) {
      index = this.#next;
      this.#next = index + 1 === writers.length ? 0 : index + 1;
    }
    const writer = writers[index];
    writer.append(memory, at, length);
    if (!writer.open && writer.full) this.full = true;
    this.recordsOut++;
  }

  #grow(byteLength: number): void {
    if (byteLength > 2 * MAX_FRAME_BYTES) {
      throw new TidemarkError(
        'ERR_RECORD_TOO_LARGE',
        `A record is larger than ${MAX_FRAME_BYTES / 1024 / 1024} MiB when encoded. Split it, or keep the large part in a file and send its path.`,
        {
          facts: { limitBytes: MAX_FRAME_BYTES },
        },
      );
    }
    const grown = Memory.local(byteLength);
    grown.u8.set(this.#scratch.u8);
    this.#scratch = grown;
  }
}

/** Several outputs that each get every record: a stage with more than one consumer. */
export class BroadcastOutput implements Output {
  readonly #outputs: readonly Output[];

  constructor(outputs: readonly Output[]) {
    this.#outputs = outputs;
  }

  get full(): boolean {
    for (const output of this.#outputs) if (output.full) return true;
    return false;
  }

  emit(value: unknown, timestampMs: number): void {
    for (const output of this.#outputs) output.emit(value, timestampMs);
  }
}
