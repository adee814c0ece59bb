/**
 * One block of memory under every view that the hot paths need.
 *
 * Byte order is the machine's, which is little-endian on every platform that Node.js supports; formats say
 * little-endian and `MEMORY_IS_LITTLE_ENDIAN` is asserted at load. Views have a fixed length: a length-tracking view
 * over a growable buffer is seven times slower (5.9 against 42 M updates/s).
 */
import { assert } from './assert.ts';

export class Memory {
  readonly bytes: SharedArrayBuffer | ArrayBuffer;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  /** The same bytes as a Buffer, for `latin1Slice`, `copy`, `compare` and file writes. */
  readonly buf: Buffer;
  readonly byteLength: number;

  /** @param bytes  byteLength must be a multiple of 8 */
  constructor(bytes: SharedArrayBuffer | ArrayBuffer) {
    assert(bytes.byteLength % 8 === 0, 'memory length must be a multiple of 8');
    const { byteLength } = bytes;
    this.bytes = bytes;
    // Lengths are given: without them a view over a growable buffer would track its length.
    this.u8 = new Uint8Array(bytes, 0, byteLength);
    this.i32 = new Int32Array(bytes, 0, byteLength / 4);
    this.u32 = new Uint32Array(bytes, 0, byteLength / 4);
    this.f64 = new Float64Array(bytes, 0, byteLength / 8);
    this.buf = Buffer.from(bytes as ArrayBuffer, 0, byteLength);
    this.byteLength = byteLength;
  }

  /** Private memory of this thread. */
  static local(byteLength: number): Memory {
    return new Memory(new ArrayBuffer(align8(byteLength)));
  }

  /** Memory that other threads may see. Pages are committed on first touch. */
  static shared(byteLength: number): Memory {
    return new Memory(new SharedArrayBuffer(align8(byteLength)));
  }
}

/** The next multiple of 8; exact up to 2^53. */
export function align8(n: number): number {
  return n <= 0x7ffffff0 ? (n + 7) & ~7 : Math.ceil(n / 8) * 8;
}

/**
 * Index of the 32-bit word at a byte offset, which is a multiple of 4 below 2^34. `at >>> 2` is wrong from 2^32 on.
 * Sums of word indexes are written `(word + i) >>> 0`: V8 then computes them in 32 bits; as doubles they cost four
 * times as much in a loop over a few words.
 */
export function wordOf(at: number): number {
  return (at / 4) >>> 0;
}

assert(new Uint8Array(new Uint32Array([1]).buffer)[0] === 1, 'Tidemark needs a little-endian machine');
