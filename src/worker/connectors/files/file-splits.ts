/**
 * Which files are read in which split. Pure: sizes come in, splits go out.
 *
 * - A file that can be cut becomes byte ranges of `splitBytes`; a record belongs to the range in which it starts.
 * - A larger file that cannot be cut (gzip, CSV, `whole`) is a split of its own.
 * - Small files are packed, so that thousands of them are not thousands of turns.
 *
 * The ids say which bytes a split has, so that after a restore only the rest is planned: files that were added since are
 * read, and so is what was appended to a file, and nothing twice.
 *
 * | id                              | split                                                                     |
 * |---------------------------------|---------------------------------------------------------------------------|
 * | `range:<path>:<start>-<end>`    | the records that start in these bytes                                     |
 * | `file:<path>`                   | a whole file                                                              |
 * | `pack:<first path>+<n>:<names>` | n + 1 whole files; names are 8 characters each, the hash of the path      |
 */
import { checksum64 } from '../../../format/content-hash.ts';
import type { Split } from '../../../job/source.ts';

export interface InputFile {
  readonly path: string;
  readonly size: number;
  /** Can reading begin in the middle? */
  readonly divisible: boolean;
}

/** What a split of a file source reads. */
export interface FileSplitData {
  readonly files: readonly string[];
  /** Byte range of the only file; `end` null: to its end, however long it is by then. */
  readonly start: number;
  readonly end: number | null;
}

/** A file up to so many bytes is packed with others, up to this sum and number. */
export const PACK_BYTES = 256 * 1024;
export const PACK_FILES = 64;

/**
 * @param taken  ids of splits that are finished or being read: see `RuntimeSource.enumerate`
 */
export function planFileSplits(files: readonly InputFile[], splitBytes: number, taken: readonly string[]): readonly Split[] {
  const known = parseTaken(taken);
  const shared = sharedNames(files);
  const splits: Split[] = [];
  let pack: InputFile[] = [];
  let packBytes = 0;
  const closePack = (): void => {
    if (pack.length > 0) splits.push(wholeFiles(pack.map(({ path }) => path)));
    pack = [];
    packBytes = 0;
  };
  for (const file of files) {
    const ranges = known.ranges.get(file.path);
    const name = shortName(file.path);
    if (known.files.has(file.path) || (known.packed.has(name) && !shared.has(name))) continue;
    if (file.divisible && (file.size > PACK_BYTES || ranges !== undefined)) {
      splits.push(...cut(file, splitBytes, ranges ?? []));
    } else if (file.size > PACK_BYTES || shared.has(name)) {
      splits.push(wholeFiles([file.path]));
    } else {
      if (pack.length === PACK_FILES || packBytes + file.size > PACK_BYTES) closePack();
      pack.push(file);
      packBytes += file.size;
    }
  }
  closePack();
  return splits;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The ranges of a file outside those that are taken, cut at most `splitBytes` long. */
function cut({ path, size }: InputFile, splitBytes: number, taken: readonly Range[]): readonly Split[] {
  const splits: Split[] = [];
  let start = 0;
  for (const range of [...taken].sort((a, b) => a.start - b.start).concat({ start: size, end: size })) {
    for (; start < range.start; start += splitBytes) {
      const end = Math.min(start + splitBytes, range.start);
      splits.push({ id: `range:${path}:${start}-${end}`, data: { files: [path], start, end } satisfies FileSplitData });
    }
    start = range.end;
  }
  return splits;
}

function wholeFiles(paths: readonly string[]): Split {
  const data: FileSplitData = { files: paths, start: 0, end: null };
  if (paths.length === 1) return { id: `file:${paths[0]}`, data: { ...data } };
  return { id: `pack:${paths[0]}+${paths.length - 1}:${paths.map(shortName).join('')}`, data: { ...data } };
}

const NAME_CHARS = 8;

/** 48 bits of the path's hash. */
function shortName(path: string): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(checksum64(Buffer.from(path)));
  return bytes.toString('base64url', 0, (NAME_CHARS * 6) / 8);
}

/** Names that stand for more than one of the files: these are never packed, so that a name in a pack means one file. */
function sharedNames(files: readonly InputFile[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const { path } of files) {
    const name = shortName(path);
    if (seen.has(name)) shared.add(name);
    seen.add(name);
  }
  return shared;
}

interface Taken {
  readonly ranges: ReadonlyMap<string, readonly Range[]>;
  readonly files: ReadonlySet<string>;
  readonly packed: ReadonlySet<string>;
}

function parseTaken(ids: readonly string[]): Taken {
  const ranges = new Map<string, Range[]>();
  const files = new Set<string>();
  const packed = new Set<string>();
  for (const id of ids) {
    const range = /^range:(.*):(\d+)-(\d+)$/s.exec(id);
    if (range !== null) {
      const [, path, start, end] = range;
      const ofFile = ranges.get(path) ?? [];
      ofFile.push({ start: Number(start), end: Number(end) });
      ranges.set(path, ofFile);
    } else if (id.startsWith('file:')) {
      files.add(id.slice('file:'.length));
    } else if (id.startsWith('pack:')) {
      const names = id.slice(id.lastIndexOf(':') + 1);
      for (let at = 0; at < names.length; at += NAME_CHARS) packed.add(names.slice(at, at + NAME_CHARS));
    }
  }
  return { ranges, files, packed };
}
