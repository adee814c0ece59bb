/**
 * Compression of data blocks. `auto` takes zstd where node:zlib has it (Node 22.15 and newer), else brotli at quality
 * 1, which is the next fastest there is without a further dependency. Node 20 cannot read zstd blocks and says so.
 */
import * as zlib from 'node:zlib';
import { TidemarkError } from '../errors.ts';
import { tableCorrupt } from './corrupt.ts';

/** Persisted in block trailers: never reuse a number. */
export const CODEC_NONE = 0;
export const CODEC_ZSTD = 1;
export const CODEC_BROTLI = 2;

export type Compression = 'none' | 'auto';
export type CodecName = 'none' | 'zstd' | 'brotli';
export const CODEC_NAMES = ['none', 'zstd', 'brotli'] as const satisfies readonly CodecName[];

/** A block that shrinks by less than an eighth is stored as it is: it costs less to read. */
const LEAST_GAIN = 1 / 8;

type ZstdOptions = { maxOutputLength: number };
const zstd = zlib as unknown as {
  zstdCompressSync?(bytes: Uint8Array): Buffer;
  zstdDecompressSync?(bytes: Uint8Array, options: ZstdOptions): Buffer;
};

/** Codec that `compression` means on this Node version. */
export function codecOf(compression: Compression): CodecName {
  if (compression === 'none') return 'none';
  return zstd.zstdCompressSync === undefined ? 'brotli' : 'zstd';
}

export interface Compressed {
  readonly codec: number;
  readonly bytes: Uint8Array;
}

export function compress(codec: CodecName, bytes: Uint8Array): Compressed {
  if (codec === 'none') return { codec: CODEC_NONE, bytes };
  const packed =
    codec === 'zstd'
      ? zstd.zstdCompressSync!(bytes)
      : zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } });
  if (packed.length > bytes.length * (1 - LEAST_GAIN)) return { codec: CODEC_NONE, bytes };
  return { codec: codec === 'zstd' ? CODEC_ZSTD : CODEC_BROTLI, bytes: packed };
}

/**
 * Undoes `compress`. The output may be exactly `length` bytes: a bomb is stopped there.
 *
 * @throws TidemarkError ERR_TABLE_CORRUPT, or ERR_FORMAT_UNSUPPORTED where this Node lacks the codec
 */
export function decompress(codec: number, bytes: Uint8Array, length: number, table: string, byteOffset: number): Buffer {
  const options = { maxOutputLength: length };
  let unpacked: Buffer;
  try {
    if (codec === CODEC_BROTLI) unpacked = zlib.brotliDecompressSync(bytes, options);
    else if (codec !== CODEC_ZSTD) throw tableCorrupt(table, byteOffset, `codec ${codec} does not exist`);
    else if (zstd.zstdDecompressSync === undefined) throw zstdUnsupported(table);
    else unpacked = zstd.zstdDecompressSync(bytes, options);
  } catch (error) {
    if (error instanceof TidemarkError) throw error;
    throw tableCorrupt(table, byteOffset, `a block of ${length} bytes does not decompress`, error);
  }
  if (unpacked.length !== length)
    throw tableCorrupt(table, byteOffset, `a block decompresses to ${unpacked.length} bytes instead of ${length}`);
  return unpacked;
}

function zstdUnsupported(table: string): TidemarkError {
  return new TidemarkError(
    'ERR_FORMAT_UNSUPPORTED',
    `Sorted table ${table} is compressed with zstd, which Node.js ${process.version} does not have. Use Node.js 22.15 or newer, or write checkpoints without compression.`,
    { facts: { table, codec: 'zstd', node: process.version } },
  );
}
