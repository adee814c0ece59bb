/**
 * Values that the job module holds. Every thread loads the module, so a split is only a range of indexes and nothing is
 * copied between threads.
 */
import { TidemarkError } from '../../format/errors.ts';
import type { CollectionSourceSpec, Position, ReadResult, RecordOutput, Split, SplitReader } from '../../job/source.ts';
import type { RuntimeSource } from './source-runtime.ts';
import { withoutTaken } from './taken-splits.ts';

/** At most so many splits, of at least so many values: enough to share work, few enough to cost nothing. */
const MAX_SPLITS = 64;
const MIN_SPLIT_VALUES = 256;

export function createCollectionSource(spec: CollectionSourceSpec): RuntimeSource {
  const { values } = spec;
  return {
    name: 'collection',
    bounded: true,
    fixedSplits: false,
    enumerate: (_context, taken = []) => Promise.resolve(withoutTaken(collectionSplits(values.length), taken)),
    open: (split, position) => new CollectionReader(values, split, position),
  };
}

function collectionSplits(count: number): readonly Split[] {
  const size = Math.max(MIN_SPLIT_VALUES, Math.ceil(count / MAX_SPLITS));
  const splits: Split[] = [];
  for (let from = 0; from < count; from += size) {
    const to = Math.min(count, from + size);
    splits.push({ id: `values:${from}-${to}`, data: { from, to } });
  }
  return splits;
}

class CollectionReader implements SplitReader<unknown> {
  readonly #values: readonly unknown[];
  readonly #from: number;
  readonly #to: number;
  #next: number;

  constructor(values: readonly unknown[], split: Split, position: Position) {
    const { from, to } = split.data as { readonly from: number; readonly to: number };
    this.#values = values;
    this.#from = from;
    this.#to = to;
    this.#next = position === null ? from : (position as number);
    if (to > values.length) {
      throw new TidemarkError(
        'ERR_SOURCE_CHANGED',
        `The checkpoint has a position in values ${from} to ${to} of a collection that now has ${values.length}. ` +
          'Restore with the job as it was, or start without the checkpoint.',
        { facts: { expected: to, found: values.length } },
      );
    }
  }

  read(_limit: number, out: RecordOutput<unknown>): ReadResult {
    while (this.#next < this.#to) {
      if (out.full) return 'more';
      out.emit(this.#values[this.#next++]);
    }
    return 'end';
  }

  position(): Position {
    return this.#next;
  }

  location(): string {
    return `value ${this.#next - 1} of the collection`;
  }

  progress(): number {
    return (this.#next - this.#from) / (this.#to - this.#from);
  }

  close(): void {}
}
