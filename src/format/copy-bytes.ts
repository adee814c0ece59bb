/**
 * Byte ranges between memories: copy, compare. For the short keys and values of the hot paths, where a native call
 * costs more than the bytes.
 */
import { wordOf, type Memory } from './memory.ts';

/** From here on `Uint8Array.set` (about 60 ns for the call and the view) beats a loop. */
export const NATIVE_COPY_BYTES = 192;

/**
 * Copies `length` bytes; word by word where both sides are multiples of 4. Offsets may exceed 2^32. Memories must
 * differ or the ranges must not overlap.
 */
export function copyBytes(from: Memory, at: number, to: Memory, toAt: number, length: number): void {
  if (length >= NATIVE_COPY_BYTES) {
    to.u8.set(from.u8.subarray(at, at + length), toAt);
    return;
  }
  let done = 0;
  if (((at | toAt) & 3) === 0) {
    const source = from.u32;
    const target = to.u32;
    const word = wordOf(at);
    const toWord = wordOf(toAt);
    const words = length >>> 2;
    for (let i = 0; i < words; i++) target[(toWord + i) >>> 0] = source[(word + i) >>> 0];
    done = words << 2;
  }
  for (; done < length; done++) to.u8[toAt + done] = from.u8[at + done];
}

/** Order of two byte strings: negative, 0 or positive. Bytes as unsigned numbers; a prefix comes first. */
export function compareBytes(a: Memory, aAt: number, aLength: number, b: Memory, bAt: number, bLength: number): number {
  const shorter = aLength < bLength ? aLength : bLength;
  const left = a.u8;
  const right = b.u8;
  for (let i = 0; i < shorter; i++) {
    const difference = left[aAt + i] - right[bAt + i];
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}
