/**
 * Sources as the engine reads them: every `SourceSpec` becomes a `RuntimeSource`.
 *
 * It differs from the public `Source` in three things: it lists only what is left to read after a restore, it says whether
 * its splits must all be open at once, and it may make rows in binary.
 */
import type { Memory } from '../../format/memory.ts';
import type { Position, ReadResult, SourceContext, SourceSpec, Split, SplitReader } from '../../job/source.ts';
import { createCollectionSource } from './collection-source.ts';
import { createCustomSource } from './custom-source.ts';
import { createFileSource } from './files/file-source.ts';
import { createGenerateSource } from './generate/generate-source.ts';

export interface RuntimeSource {
  /** For messages and metrics. */
  readonly name: string;
  readonly bounded: boolean;
  /**
   * True: splits are dealt out once, split i to subtask i modulo the parallelism, and all are open at once (unbounded
   * and paced sources). False: they are a queue from which whichever subtask is free takes the next.
   */
  readonly fixedSplits: boolean;

  /**
   * Splits that are left to read, in reading order. Ids are unique and stable over restarts.
   *
   * @param taken  ids of the splits that the restored checkpoint has finished or has a position in; they are not listed again
   * @throws  TidemarkError ERR_SOURCE_FAILED
   */
  enumerate(context: SourceContext, taken?: readonly string[]): Promise<readonly Split[]>;

  /**
   * Opens a split at a position that a reader of this source reported, or at its beginning (`null`).
   *
   * @throws  TidemarkError ERR_SOURCE_FAILED, ERR_SOURCE_CHANGED (also when the promise is awaited)
   */
  open(split: Split, position: Position, context: SourceContext): SplitReader<unknown> | Promise<SplitReader<unknown>>;

  /** The same for binary reading; `null` when this source has records that only exist as values. */
  openRows?(split: Split, position: Position, context: SourceContext): RowSplitReader | null;
}

/** Reads a split as rows of the source's codec, without an object per record. Always synchronous. */
export interface RowSplitReader {
  /**
   * Writes up to `limit` framed rows (`operator.ts`) back to back, without hashes.
   *
   * @param at         byte offset of the first row in `memory`, a multiple of 8
   * @param limitByte  first byte that must not be written
   * @returns          the same object at every call
   */
  readRows(limit: number, memory: Memory, at: number, limitByte: number): RowsRead;
  /** As `SplitReader.position`: where reading goes on after the last row that was written. */
  position(): Position;
  location?(): string;
  progress?(): number;
  close(): void;
}

/** What a call of `readRows` wrote. */
export interface RowsRead {
  count: number;
  bytes: number;
  /** As of `SplitReader.read`. `'more'` with a count of 0 means that not even one row fits. */
  result: ReadResult;
}

/** The source that a description describes. Opens nothing yet. */
export function createSource(spec: SourceSpec): RuntimeSource {
  switch (spec.kind) {
    case 'files':
      return createFileSource(spec);
    case 'generate':
      return createGenerateSource(spec);
    case 'collection':
      return createCollectionSource(spec);
    case 'custom':
      return createCustomSource(spec);
  }
}
