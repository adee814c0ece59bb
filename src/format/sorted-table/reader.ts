/**
 * Opens a sorted table: header, footer, directory; indexes when a section is first asked for. See `layout.ts` for the
 * file. Everything that it hands out stands on checked bytes; every damage is ERR_TABLE_CORRUPT with the offset of the
 * part.
 */
import type { Memory } from '../memory.ts';
import { BlockIndex } from './block-index.ts';
import { tableCorrupt } from './corrupt.ts';
import { TableCursor, type TableEntry } from './cursor.ts';
import { decodeDirectory, type SectionEntry } from './directory.ts';
import { FRAME_DIRECTORY, FRAME_INDEX, FrameReader, type TableSource } from './frame.ts';
import { decodeHeaderAndFooter, FOOTER_BYTES, HEADER_BYTES } from './layout.ts';
import type { CodecName } from './compression.ts';

export class TableReader {
  readonly name: string;
  readonly sizeBytes: number;
  readonly codec: CodecName;
  readonly sections: readonly SectionEntry[];
  readonly #source: TableSource;
  readonly #clip: readonly [number, number];
  readonly #opened = new Map<SectionEntry, SectionReader>();

  /**
   * Reads three small parts of the file.
   *
   * @param clip  first and last key hash that count, inclusive (`TableRef.clip`); the table shows no other entries
   * @throws TidemarkError ERR_TABLE_CORRUPT or ERR_FORMAT_UNSUPPORTED
   */
  constructor(source: TableSource, clip: readonly [number, number] = [0, 0xffffffff]) {
    const { name, byteLength } = source;
    if (byteLength < HEADER_BYTES + FOOTER_BYTES)
      throw tableCorrupt(name, 0, `a file of ${byteLength} bytes is too short for a sorted table`);
    const header = Buffer.alloc(HEADER_BYTES);
    const footer = Buffer.alloc(FOOTER_BYTES);
    source.read(0, header);
    source.read(byteLength - FOOTER_BYTES, footer);
    const decoded = decodeHeaderAndFooter(header, footer, name, byteLength);
    const frames = new FrameReader(source);
    frames.load(decoded.directoryOffset, decoded.directoryLength, FRAME_DIRECTORY);
    const { codec, sections } = decodeDirectory(frames.body, name, decoded);
    this.name = name;
    this.sizeBytes = byteLength;
    this.codec = codec;
    this.sections = sections;
    this.#source = source;
    this.#clip = clip;
  }

  get entries(): number {
    return this.sections.reduce((sum, section) => sum + section.entries, 0);
  }

  get tombstones(): number {
    return this.sections.reduce((sum, section) => sum + section.tombstones, 0);
  }

  /** A section by operator uid and state name, or undefined when the table has none. */
  section(uid: string, name: string): SectionReader | undefined {
    const entry = this.sections.find((section) => section.uid === uid && section.name === name);
    return entry && this.open(entry);
  }

  /** A section of this table's own `sections`. Reads its block index the first time. */
  open(entry: SectionEntry): SectionReader {
    let section = this.#opened.get(entry);
    if (section === undefined) {
      section = new SectionReader(this.#source, entry, this.#clip);
      this.#opened.set(entry, section);
    }
    return section;
  }
}

export class SectionReader {
  readonly entry: SectionEntry;
  readonly #source: TableSource;
  readonly #clip: readonly [number, number];
  readonly #index: BlockIndex;
  #point: TableCursor | null = null;

  constructor(source: TableSource, entry: SectionEntry, clip: readonly [number, number]) {
    this.entry = entry;
    this.#source = source;
    this.#clip = clip;
    const frames = new FrameReader(source);
    frames.load(entry.indexOffset, entry.indexLength, FRAME_INDEX);
    this.#index = new BlockIndex(frames.body, { table: source.name, ...entry });
  }

  /**
   * Entries with hashes from `first` to `last`, inclusive, tombstones included. Several cursors may be open at a time.
   */
  scan(first = 0, last = 0xffffffff): TableCursor {
    return new TableCursor(this.#source, this.#index, Math.max(first, this.#clip[0]), Math.min(last, this.#clip[1]));
  }

  /** The block that `get` would read for a key, and its bytes in the file; null where it would read none. */
  blockOf(
    hash: number,
    key: Memory,
    keyAt: number,
    keyLength: number,
  ): { readonly block: number; readonly bytes: number } | null {
    if (hash < this.#clip[0] || hash > this.#clip[1]) return null;
    const block = this.#index.blockForKey(hash, key, keyAt, keyLength);
    return block < 0 ? null : { block, bytes: this.#index.offsets[block + 1] - this.#index.offsets[block] };
  }

  /** The entry of a key (possibly a tombstone), or null. Reads one block. Valid until the next `get`. */
  get(hash: number, key: Memory, keyAt: number, keyLength: number): TableEntry | null {
    if (hash < this.#clip[0] || hash > this.#clip[1]) return null;
    this.#point ??= this.scan();
    return this.#point.find(hash, key, keyAt, keyLength);
  }
}
