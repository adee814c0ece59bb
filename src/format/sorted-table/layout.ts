/**
 * A sorted table as a file, format 1. Integers are little-endian.
 *
 * ```
 * header                       16 bytes
 * data blocks of section 0     frames (see frame.ts, block.ts), sorted by (hash, key)
 * data blocks of section 1
 * ...
 * block index of section 0     one frame (see block-index.ts)
 * block index of section 1
 * ...
 * directory                    one frame: canonical JSON (see directory.ts)
 * footer                       56 bytes
 * ```
 *
 * Parts follow one another without gaps; a reader checks that, so no byte of the file is outside a checksum.
 *
 * Header
 *
 * | offset | size | type | field    | meaning                                       |
 * |-------:|-----:|------|----------|-----------------------------------------------|
 * |      0 |    8 | -    | magic    | "TIDESST" and the byte 0x1a                   |
 * |      8 |    4 | u32  | format   | 1                                             |
 * |     12 |    4 | u32  | reserved | 0                                             |
 *
 * Footer
 *
 * | offset | size | type | field           | meaning                                                       |
 * |-------:|-----:|------|-----------------|---------------------------------------------------------------|
 * |      0 |    8 | u64  | fileLength      | bytes of the whole file: truncation and appending are seen    |
 * |      8 |    8 | u64  | directoryOffset | where the directory frame begins                              |
 * |     16 |    4 | u32  | directoryLength | bytes of that frame; it ends where the footer begins          |
 * |     20 |    4 | u32  | sections        | number of sections                                            |
 * |     24 |    8 | u64  | entries         | of all sections, tombstones included                          |
 * |     32 |    8 | u64  | checksum        | xxHash64, seed 0, of bytes 0 to 31 and then 40 to 55 above    |
 * |     40 |    4 | u32  | format          | as in the header                                              |
 * |     44 |    4 | u32  | reserved        | 0                                                             |
 * |     48 |    8 | -    | magic           | "TIDESST" and the byte 0x1a                                   |
 *
 * In every future format the header and the last 16 bytes stay as they are. A format number above the newest that is
 * read is believed (ERR_FORMAT_UNSUPPORTED) only where header and footer agree on it; else it is damage.
 *
 * Limits: a file at most 2^53 - 1 bytes, key at most 64 KiB, value at most 64 MiB. Golden:
 * test/golden/sorted-table.v1.bin
 */
import { assert } from '../assert.ts';
import { checksum64 } from '../content-hash.ts';
import { tableCorrupt, tableFormatUnsupported } from './corrupt.ts';

export const FORMAT_WRITTEN = 1;
export const OLDEST_FORMAT_READ = 1;
export const NEWEST_FORMAT_READ = 1;

export const MAX_KEY_BYTES = 64 * 1024;
export const MAX_VALUE_BYTES = 64 * 1024 * 1024;

const MAGIC = Buffer.from('TIDESST\x1a', 'latin1');
const MAGIC_BYTES = 8;

export const HEADER_BYTES = MAGIC_BYTES + 4 + 4;
const HEADER_FORMAT = MAGIC_BYTES;
const HEADER_RESERVED = HEADER_FORMAT + 4;

const FILE_LENGTH = 0;
const DIRECTORY_OFFSET = FILE_LENGTH + 8;
const DIRECTORY_LENGTH = DIRECTORY_OFFSET + 8;
const SECTIONS = DIRECTORY_LENGTH + 4;
const ENTRIES = SECTIONS + 4;
const CHECKSUM = ENTRIES + 8;
const FOOTER_FORMAT = CHECKSUM + 8;
const FOOTER_RESERVED = FOOTER_FORMAT + 4;
const FOOTER_MAGIC = FOOTER_RESERVED + 4;
export const FOOTER_BYTES = FOOTER_MAGIC + MAGIC_BYTES;
assert(HEADER_BYTES === 16 && FOOTER_BYTES === 56, 'layout constants must agree with the tables above');

export interface Footer {
  readonly fileLength: number;
  readonly directoryOffset: number;
  readonly directoryLength: number;
  readonly sections: number;
  readonly entries: number;
}

export function encodeHeader(): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(FORMAT_WRITTEN, HEADER_FORMAT);
  return header;
}

export function encodeFooter(footer: Footer): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES);
  bytes.writeBigUInt64LE(BigInt(footer.fileLength), FILE_LENGTH);
  bytes.writeBigUInt64LE(BigInt(footer.directoryOffset), DIRECTORY_OFFSET);
  bytes.writeUInt32LE(footer.directoryLength, DIRECTORY_LENGTH);
  bytes.writeUInt32LE(footer.sections, SECTIONS);
  bytes.writeBigUInt64LE(BigInt(footer.entries), ENTRIES);
  bytes.writeUInt32LE(FORMAT_WRITTEN, FOOTER_FORMAT);
  MAGIC.copy(bytes, FOOTER_MAGIC);
  bytes.writeBigUInt64LE(footerChecksum(bytes), CHECKSUM);
  return bytes;
}

/**
 * Header and footer of a table of `fileLength` bytes.
 *
 * @throws TidemarkError ERR_TABLE_CORRUPT, or ERR_FORMAT_UNSUPPORTED for a newer format
 */
export function decodeHeaderAndFooter(header: Buffer, footer: Buffer, table: string, fileLength: number): Footer {
  const footerAt = fileLength - FOOTER_BYTES;
  if (!header.subarray(0, MAGIC_BYTES).equals(MAGIC))
    throw tableCorrupt(table, 0, 'it does not begin with the magic bytes of a sorted table');
  if (!footer.subarray(FOOTER_MAGIC).equals(MAGIC))
    throw tableCorrupt(table, footerAt + FOOTER_MAGIC, 'it does not end with the magic bytes of a sorted table');
  const format = header.readUInt32LE(HEADER_FORMAT);
  const formatAtEnd = footer.readUInt32LE(FOOTER_FORMAT);
  if (format !== formatAtEnd)
    throw tableCorrupt(table, HEADER_FORMAT, `the header says format ${format}, the footer format ${formatAtEnd}`);
  if (format > NEWEST_FORMAT_READ) throw tableFormatUnsupported(table, format, NEWEST_FORMAT_READ);
  if (format < OLDEST_FORMAT_READ) throw tableCorrupt(table, HEADER_FORMAT, `format ${format} was never written`);
  if (header.readUInt32LE(HEADER_RESERVED) !== 0)
    throw tableCorrupt(table, HEADER_RESERVED, 'reserved bytes of the header are not zero');
  if (footer.readBigUInt64LE(CHECKSUM) !== footerChecksum(footer))
    throw tableCorrupt(table, footerAt + CHECKSUM, 'the checksum of the footer does not match');
  if (footer.readUInt32LE(FOOTER_RESERVED) !== 0)
    throw tableCorrupt(table, footerAt + FOOTER_RESERVED, 'reserved bytes of the footer are not zero');
  const decoded: Footer = {
    fileLength: Number(footer.readBigUInt64LE(FILE_LENGTH)),
    directoryOffset: Number(footer.readBigUInt64LE(DIRECTORY_OFFSET)),
    directoryLength: footer.readUInt32LE(DIRECTORY_LENGTH),
    sections: footer.readUInt32LE(SECTIONS),
    entries: Number(footer.readBigUInt64LE(ENTRIES)),
  };
  if (decoded.fileLength !== fileLength)
    throw tableCorrupt(table, footerAt, `the footer says ${decoded.fileLength} bytes, the file has ${fileLength}`);
  if (decoded.directoryOffset < HEADER_BYTES || decoded.directoryOffset + decoded.directoryLength !== footerAt) {
    throw tableCorrupt(
      table,
      footerAt + DIRECTORY_OFFSET,
      `a directory of ${decoded.directoryLength} bytes at ${decoded.directoryOffset} does not end at the footer at ${footerAt}`,
    );
  }
  return decoded;
}

function footerChecksum(footer: Buffer): bigint {
  return checksum64(Buffer.concat([footer.subarray(0, CHECKSUM), footer.subarray(FOOTER_FORMAT)]));
}
