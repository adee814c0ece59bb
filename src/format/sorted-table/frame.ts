/**
 * Frame, format 1: what every part of a sorted table between header and footer is wrapped in. A payload, then a
 * trailer:
 *
 * | offset | size | type | field      | meaning                                                           |
 * |-------:|-----:|------|------------|-------------------------------------------------------------------|
 * |      0 |    4 | u32  | bodyLength | bytes of the payload after decompression                          |
 * |      4 |    1 | u8   | frameType  | 1 data block, 2 block index, 3 directory; 0 is never valid, so that zeroed bytes are caught |
 * |      5 |    1 | u8   | codec      | 0 none, 1 zstd, 2 brotli                                          |
 * |      6 |    2 | u16  | reserved   | 0                                                                 |
 * |      8 |    8 | u64  | checksum   | xxHash64, seed 0, of the payload as stored and then bytes 0 to 7 above |
 *
 * Only data blocks are compressed. The checksum is of the stored bytes, so that damage is found before a decompressor
 * sees it.
 */
import { assert } from '../assert.ts';
import { checksum64 } from '../content-hash.ts';
import { Memory } from '../memory.ts';
import { CODEC_NONE, decompress } from './compression.ts';
import { tableCorrupt } from './corrupt.ts';
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './layout.ts';

export const FRAME_DATA = 1;
export const FRAME_INDEX = 2;
export const FRAME_DIRECTORY = 3;

const BODY_LENGTH = 0;
const FRAME_TYPE = BODY_LENGTH + 4;
const CODEC = FRAME_TYPE + 1;
const RESERVED = CODEC + 1;
const CHECKSUM = RESERVED + 2;
export const TRAILER_BYTES = CHECKSUM + 8;
assert(TRAILER_BYTES === 16, 'layout constants must agree with the table above');

/** Largest body of a data block: one entry of the largest key and value, and the block's own header and columns. */
const MAX_DATA_BODY_BYTES = MAX_KEY_BYTES + MAX_VALUE_BYTES + 4096;

/**
 * Fills in the trailer that follows a payload of `payloadLength` bytes at the beginning of `frame`.
 *
 * @param frame  payload, then TRAILER_BYTES to be written
 */
export function writeTrailer(frame: Buffer, payloadLength: number, bodyLength: number, frameType: number, codec: number): void {
  frame.writeUInt32LE(bodyLength, payloadLength + BODY_LENGTH);
  frame[payloadLength + FRAME_TYPE] = frameType;
  frame[payloadLength + CODEC] = codec;
  frame.writeUInt16LE(0, payloadLength + RESERVED);
  frame.writeBigUInt64LE(checksum64(frame.subarray(0, payloadLength + CHECKSUM)), payloadLength + CHECKSUM);
}

/** Where a frame's bytes come from. */
export interface TableSource {
  /** For messages: the file's path or name. */
  readonly name: string;
  readonly byteLength: number;
  /** Fills `into` with the bytes from `at` on. Throws when they cannot be had. */
  read(at: number, into: Uint8Array): void;
}

/**
 * Reads frames into memory of its own, which is reused: a body is valid until the next `load`.
 * One for each cursor.
 */
export class FrameReader {
  readonly #source: TableSource;
  #memory: Memory;
  #bodyLength = 0;

  constructor(source: TableSource) {
    this.#source = source;
    this.#memory = Memory.local(8);
  }

  /** The body begins at byte 0. */
  get memory(): Memory {
    return this.#memory;
  }

  get bodyLength(): number {
    return this.#bodyLength;
  }

  /** The body as a Buffer over the reused memory. */
  get body(): Buffer {
    return this.#memory.buf.subarray(0, this.#bodyLength);
  }

  /**
   * Reads, checks and decompresses the frame at `at`.
   *
   * @param frameLength  stored bytes, trailer included; the caller has checked that the file has them
   */
  load(at: number, frameLength: number, frameType: number): void {
    const { name } = this.#source;
    if (frameLength < TRAILER_BYTES) throw tableCorrupt(name, at, `a frame of ${frameLength} bytes is shorter than its trailer`);
    if (frameType === FRAME_DATA && frameLength > MAX_DATA_BODY_BYTES + TRAILER_BYTES)
      throw tableCorrupt(name, at, `a block of ${frameLength} bytes, at most ${MAX_DATA_BODY_BYTES} are allowed`);
    this.#reserve(frameLength);
    const frame = this.#memory.buf.subarray(0, frameLength);
    this.#source.read(at, frame);
    const payloadLength = frameLength - TRAILER_BYTES;
    if (frame.readBigUInt64LE(payloadLength + CHECKSUM) !== checksum64(frame.subarray(0, payloadLength + CHECKSUM))) {
      throw tableCorrupt(name, at, `the checksum of a frame of ${frameLength} bytes does not match`);
    }
    if (frame[payloadLength + FRAME_TYPE] !== frameType)
      throw tableCorrupt(name, at, `a frame of type ${frame[payloadLength + FRAME_TYPE]} stands where type ${frameType} belongs`);
    if (frame.readUInt16LE(payloadLength + RESERVED) !== 0)
      throw tableCorrupt(name, at, 'reserved bytes of a frame are not zero');
    this.#unpack(at, frame, payloadLength);
  }

  #unpack(at: number, frame: Buffer, payloadLength: number): void {
    const { name } = this.#source;
    const bodyLength = frame.readUInt32LE(payloadLength + BODY_LENGTH);
    const codec = frame[payloadLength + CODEC];
    if (codec === CODEC_NONE) {
      if (bodyLength !== payloadLength)
        throw tableCorrupt(name, at, `a frame without compression says ${bodyLength} bytes and has ${payloadLength}`);
    } else {
      if (bodyLength > MAX_DATA_BODY_BYTES)
        throw tableCorrupt(name, at, `a block says ${bodyLength} bytes, at most ${MAX_DATA_BODY_BYTES} are allowed`);
      const body = decompress(codec, frame.subarray(0, payloadLength), bodyLength, name, at);
      this.#reserve(bodyLength);
      this.#memory.u8.set(body);
    }
    this.#bodyLength = bodyLength;
  }

  #reserve(byteLength: number): void {
    if (this.#memory.byteLength < byteLength)
      this.#memory = Memory.local(Math.max(byteLength, 2 * Math.min(this.#memory.byteLength, 1 << 20)));
  }
}
