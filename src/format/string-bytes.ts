/**
 * Strings as bytes, the same in rows and in keys:
 *
 * | offset | size | type | field   | meaning                                                          |
 * |-------:|-----:|------|---------|------------------------------------------------------------------|
 * |      0 |    1 | u8   | kind    | 0 = one byte for each code unit (Latin-1), 1 = two (UTF-16)      |
 * |      1 |    - | -    | payload | the code units, little-endian; the length follows from the whole |
 *
 * Canonical: kind 0 exactly when every code unit is at most 0xff. So equal strings have equal bytes and different ones
 * do not, lone surrogates included, and most strings of most programs take a byte a character.
 */
import type { Memory } from './memory.ts';

const LATIN1 = 0;
const UTF16 = 1;

/**
 * Up to here a loop over code units is faster than `latin1Write` and its test: 51 against 127 ns at 9 characters, 79
 * against 94 at 40, 124 against 85 at 64.
 */
const LOOP_WRITE_CHARS = 40;

/** Up to here one `String.fromCharCode` call is faster than `latin1Slice`: 25 against 60 ns at 8, 42 against 64 at 20. */
const SHORT_READ_CHARS = 20;

/** Native methods of Buffer that `@types/node` does not declare. They take byte offsets, also over shared memory. */
interface NativeBuffer {
  latin1Write(text: string, at: number, length: number): number;
  ucs2Write(text: string, at: number, length: number): number;
  latin1Slice(from: number, to: number): string;
  ucs2Slice(from: number, to: number): string;
}

const nativeOf = (memory: Memory): NativeBuffer => memory.buf as unknown as NativeBuffer;

/** Matches a code unit that Latin-1 does not have. Over a one-byte string V8 decides this without a scan. */
const WIDE = /[\u0100-\uffff]/;

/**
 * Writes `text` at `at` (a multiple of 8), zero-padded to a multiple of 8. Runs once per string field of a record.
 *
 * @param limit  first byte that must not be written
 * @returns bytes without the padding (1 + payload), or -1 when it does not fit below `limit`
 */
export function writeString(to: Memory, at: number, limit: number, text: string): number {
  const length = text.length;
  const end = at + ((length + 8) & -8);
  if (end > limit) return -1;
  to.f64[end / 8 - 1] = 0;
  to.u8[at] = LATIN1;
  if (!writeLatin1Units(to, at + 1, text)) return writeUtf16(to, at, limit, text);
  return 1 + length;
}

function writeUtf16(to: Memory, at: number, limit: number, text: string): number {
  const payload = 2 * text.length;
  const end = at + ((payload + 8) & -8);
  if (end > limit) return -1;
  to.f64[end / 8 - 1] = 0;
  to.u8[at] = UTF16;
  writeUtf16Units(to, at + 1, text);
  return 1 + payload;
}

/** Reads a string of `length` bytes, kind byte included, at `at`. */
export function readString(from: Memory, at: number, length: number): string {
  return from.u8[at] === UTF16 ? readUtf16(from, at + 1, length - 1) : readLatin1(from, at + 1, length - 1);
}

/** The bare payloads, for formats that keep kind and length elsewhere. `length` in bytes; any alignment. */
export function readLatin1(from: Memory, at: number, length: number): string {
  return length <= SHORT_READ_CHARS ? readShort(from.u8, at, length) : nativeOf(from).latin1Slice(at, at + length);
}

export function readUtf16(from: Memory, at: number, length: number): string {
  return nativeOf(from).ucs2Slice(at, at + length);
}

/** Writes one byte for each code unit at `at`. @returns false when some unit needs two: what was written is then void */
export function writeLatin1Units(to: Memory, at: number, text: string): boolean {
  const length = text.length;
  if (length > LOOP_WRITE_CHARS) {
    if (WIDE.test(text)) return false;
    nativeOf(to).latin1Write(text, at, length);
    return true;
  }
  const { u8 } = to;
  let seen = 0;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    seen |= unit;
    u8[at + i] = unit;
  }
  return seen <= 0xff;
}

/** Writes two bytes for each code unit at `at`. */
export function writeUtf16Units(to: Memory, at: number, text: string): void {
  nativeOf(to).ucs2Write(text, at, 2 * text.length);
}

/** Reads `length` Latin-1 bytes, at most SHORT_READ_CHARS. A switch with one call for each length: no rope, no spread. */
const readShort = compileReadShort();

function compileReadShort(): (u8: Uint8Array, at: number, length: number) => string {
  const cases: string[] = [];
  for (let length = 1; length <= SHORT_READ_CHARS; length++) {
    const units = Array.from({ length }, (_, i) => `u8[at + ${i}]`);
    cases.push(`case ${length}: return fromCharCode(${units.join(', ')});`);
  }
  const source = `return function readShort(u8, at, length) { switch (length) { ${cases.join('\n')} default: return ''; } };`;
  // oxlint-disable-next-line typescript/no-implied-eval -- the text is all ours
  return new Function('fromCharCode', source)(String.fromCharCode) as (u8: Uint8Array, at: number, length: number) => string;
}
