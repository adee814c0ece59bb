/** BigInts as bytes: two's complement, little-endian, as few bytes as hold the sign; 0n is one zero byte. Canonical. */
import type { Memory } from './memory.ts';

const LIMB = 0xffff_ffff_ffff_ffffn;

const limb = new BigInt64Array(1);
const limbBytes = new Uint8Array(limb.buffer);

/**
 * Writes `value` at `at` (a multiple of 8), zero-padded to a multiple of 8.
 *
 * @returns bytes without the padding, or -1 when it does not fit below `limit`
 */
export function writeBigInt(to: Memory, at: number, limit: number, value: bigint): number {
  const length = bigintByteLength(value);
  const end = at + 8 * Math.ceil(length / 8);
  if (end > limit) return -1;
  to.f64[end / 8 - 1] = 0;
  storeBigInt(to.u8, at, length, value);
  return length;
}

/** Bytes that `value` takes. */
export function bigintByteLength(value: bigint): number {
  if (BigInt.asIntN(64, value) === value) {
    limb[0] = value;
    const fill = value < 0n ? 0xff : 0;
    let length = 8;
    while (length > 1 && limbBytes[length - 1] === fill && (limbBytes[length - 2] & 0x80) === (fill & 0x80)) length--;
    return length;
  }
  // For larger ones from the hex digits of the magnitude: -2^k needs no more bits than 2^k - 1.
  const magnitude = value < 0n ? -value - 1n : value;
  const digits = magnitude.toString(16);
  const bits = (digits.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(digits[0], 16)));
  return Math.floor(bits / 8) + 1;
}

/** Writes the lowest `length` bytes of the two's complement of `value`. */
export function storeBigInt(u8: Uint8Array, at: number, length: number, value: bigint): void {
  let rest = value;
  for (let done = 0; done < length; done += 8) {
    limb[0] = BigInt.asIntN(64, rest & LIMB);
    const count = Math.min(8, length - done);
    for (let i = 0; i < count; i++) u8[at + done + i] = limbBytes[i];
    rest >>= 64n;
  }
}

/** Reads `length` bytes at `at`; no bytes are 0n. */
export function readBigInt(u8: Uint8Array, at: number, length: number): bigint {
  let value = 0n;
  for (let done = 8 * Math.floor((length - 1) / 8); done >= 0; done -= 8) {
    const count = Math.min(8, length - done);
    const top = done + 8 >= length;
    limb[0] = top && (u8[at + length - 1] & 0x80) !== 0 ? -1n : 0n;
    for (let i = 0; i < count; i++) limbBytes[i] = u8[at + done + i];
    value = (value << 64n) | (top ? limb[0] : BigInt.asUintN(64, limb[0]));
  }
  return value;
}
