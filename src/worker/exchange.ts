/**
 * The tail of a chain: hands records to the subtasks of the next stage. It frames rows (layout in `operator.ts`),
 * finds the key and its hash, and picks the channel: the owner of the key group, the next in turn, or the only one.
 */
import { type Codec, type KeyCodec, KeyRef, type RowKey } from '../format/codec.ts';
import { TidemarkError } from '../format/errors.ts';
import { hashKey, hashKeyOfTwoWords, hashKeyOfWord } from '../format/hash.ts';
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

/** Keys up to here are hashed where they lie; longer ones go through `locate`, which refuses those that are too long. */
const SHORT_KEY_BYTES = 1024;
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
  /** Word offsets of a run of frames, RUN_FRAMES places for each channel, and how many each has. */
  readonly #sorted: Uint32Array;
  readonly #counts: Uint32Array;
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
    this.#sorted = new Uint32Array(writers.length * RUN_FRAMES);
    this.#counts = new Uint32Array(writers.length);
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
    for (let at = rows.from; at < rows.to; ) {
      if (this.#hash && key !== null && key.kind === 'row') at = this.#sortByKey(memory, at, rows.to, key.rowKey);
      else at = this.#dealOut(memory, at, rows.to);
      this.#sendSorted(memory);
    }
  }

  /**
   * Sorts a run of frames by channel, those from byte `at` on, and writes the hash of its key into each. One loop does it all: each
   * loop more would load the frame again. Returns the byte offset after the run.
   */
  #sortByKey(memory: Memory, at: number, to: number, rowKey: RowKey): number {
    const { u32 } = memory;
    const sorted = this.#sorted;
    const counts = this.#counts;
    const channelOfGroup = this.#channelOfGroup;
    const scale = this.#groupScale;
    const ref = this.#keyRef;
    const { wordCount } = rowKey;
    const offset = rowKey.fixedOffset < 0 ? 0 : (FRAME_HEADER_BYTES + rowKey.fixedOffset) >>> 2;
    const item = rowKey.itemOffset < 0 ? -1 : (FRAME_HEADER_BYTES + rowKey.itemOffset) >>> 2;
    let word = at >>> 2;
    const end = to >>> 2;
    for (let i = 0; i < RUN_FRAMES && word < end; i++) {
      let hash: number;
      if (wordCount === 1) {
        hash = hashKeyOfWord(u32[word + offset]);
      } else if (wordCount === 2) {
        hash = hashKeyOfTwoWords(u32[word + offset], u32[word + offset + 1]);
      } else if (item >= 0 && u32[word + item + 1] <= SHORT_KEY_BYTES) {
        hash = hashKey(memory, word * 4 + FRAME_HEADER_BYTES + u32[word + item], u32[word + item + 1]);
      } else {
        rowKey.locate(memory, word * 4 + FRAME_HEADER_BYTES, ref);
        hash = ref.hash;
      }
      u32[word + 1] = hash;
      const channel = channelOfGroup[(hash * scale) | 0];
      const count = counts[channel];
      counts[channel] = count + 1;
      sorted[channel * RUN_FRAMES + count] = word;
      word += u32[word] >>> 2;
    }
    return word * 4;
  }

  /** The same without keys: frames go to the channels in turn. */
  #dealOut(memory: Memory, at: number, to: number): number {
    const { u32 } = memory;
    const channels = this.#writers.length;
    let word = at >>> 2;
    for (let i = 0; i < RUN_FRAMES && word < to >>> 2; i++) {
      this.#sorted[this.#next * RUN_FRAMES + this.#counts[this.#next]++] = word;
      this.#next = this.#next + 1 === channels ? 0 : this.#next + 1;
      word += u32[word] >>> 2;
    }
    return word * 4;
  }

  #sendSorted(memory: Memory): void {
    const writers = this.#writers;
    const counts = this.#counts;
    for (let channel = 0; channel < writers.length; channel++) {
      const count = counts[channel];
      if (count === 0) continue;
      writers[channel].appendFrames(memory, this.#sorted, channel * RUN_FRAMES, count);
      if (writers[channel].full) this.full = true;
      this.recordsOut += count;
      counts[channel] = 0;
    }
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
