/** The errors of reading a sorted table. */
import { TidemarkError } from '../errors.ts';

/** A damaged table: always with the file, the byte offset of the part that is wrong, and the reason. */
export function tableCorrupt(table: string, byteOffset: number, detail: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    'ERR_TABLE_CORRUPT',
    `Sorted table ${table} is damaged at byte ${byteOffset}: ${detail}. Restore an earlier retained checkpoint, or run \`tidemark verify\` to list what is readable.`,
    { cause, facts: { table, byteOffset, detail } },
  );
}

export function tableFormatUnsupported(table: string, format: number, newestRead: number): TidemarkError {
  return new TidemarkError(
    'ERR_FORMAT_UNSUPPORTED',
    `Sorted table ${table} has format ${format}; this version reads formats up to ${newestRead}. Use the version of Tidemark that wrote it, or a newer one.`,
    { facts: { table, format, newestRead } },
  );
}
