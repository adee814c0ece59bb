/**
 * Records made from their index, in a fixed number of interleaved splits. What is in a split depends on nothing that may change
 * between two runs (parallelism, rate), so that a restored job finds its positions again. A bounded source without a rate hands
 * its splits out one after another; those of an unbounded or paced one are all open at once.
 */
import { describeValue } from '../../../format/describe-value.ts';
import { isTidemarkError, TidemarkError } from '../../../format/errors.ts';
import type { Memory } from '../../../format/memory.ts';
import type { GenerateSourceSpec, Position, ReadResult, RecordOutput, Split, SplitReader } from '../../../job/source.ts';
import { compileRecordBuilder } from '../record-builder.ts';
import type { RowSplitReader, RowsRead, RuntimeSource } from '../source-runtime.ts';
import { withoutTaken } from '../taken-splits.ts';
import { compileFields, type GeneratedField } from './field-generators.ts';
import { canWriteRows, GeneratedRows } from './generated-rows.ts';
import { Pace } from './pace.ts';
import { IndexedRandom } from './random.ts';

/** Enough to share work among subtasks; no subtask beyond this number gets any. */
const INTERLEAVED_SPLITS = 64;

/** Records `first`, `first + stride`, ... . A type, not an interface: it is a JSON value. `count` null: without end. */
type IndexSequence = { readonly first: number; readonly stride: number; readonly count: number | null };

export function createGenerateSource(spec: GenerateSourceSpec): RuntimeSource {
  const { seed, count, ratePerSecond, schema } = spec;
  const fields = spec.fields === undefined ? null : compileFields({ schema, fields: spec.fields, seed, count });
  const paced = ratePerSecond !== Infinity;
  const bounded = count !== Infinity;
  const pace = (split: Split): Pace | null => {
    const { first, stride } = sequenceOf(split);
    return paced ? new Pace(ratePerSecond, first, stride, performance.now()) : null;
  };
  return {
    name: 'generate',
    bounded,
    fixedSplits: paced || !bounded,
    enumerate: (_context, taken = []) => Promise.resolve(withoutTaken(interleaved(count), taken)),
    open: (split, position) =>
      new ValueReader(sequenceOf(split), position, pace(split), fields === null ? makeFunction(spec) : fieldsFunction(fields)),
    openRows: (split, position) => {
      if (fields === null || schema === null || !canWriteRows(fields)) return null;
      return new RowReader(sequenceOf(split), position, pace(split), new GeneratedRows(schema, fields));
    },
  };
}

function interleaved(count: number): readonly Split[] {
  const splits: Split[] = [];
  for (let first = 0; first < Math.min(count, INTERLEAVED_SPLITS); first++) {
    const records = count === Infinity ? null : Math.ceil((count - first) / INTERLEAVED_SPLITS);
    const data: IndexSequence = { first, stride: INTERLEAVED_SPLITS, count: records };
    splits.push({ id: `every:${first}/${INTERLEAVED_SPLITS}`, data });
  }
  return splits;
}

function sequenceOf({ data }: Split): IndexSequence {
  return data as IndexSequence;
}

/** Makes the record of an index. */
type MakeRecord = (index: number) => unknown;

function makeFunction({ make, seed }: GenerateSourceSpec): MakeRecord {
  const random = new IndexedRandom(seed);
  if (make === undefined) throw new TidemarkError('ERR_INVALID_ARG', 'A generated source needs either `make` or `fields`.');
  return (index) => {
    random.reset(index);
    try {
      return make(index, random);
    } catch (cause) {
      if (isTidemarkError(cause)) throw cause;
      const reason = cause instanceof Error ? cause.message : describeValue(cause);
      throw new TidemarkError('ERR_OPERATOR_FAILED', `\`make\` of a generated source threw at record ${index}: ${reason}`, {
        cause,
        facts: { index },
      });
    }
  };
}

/** The same values as the rows of `GeneratedRows`, as objects. */
function fieldsFunction(fields: readonly GeneratedField[]): MakeRecord {
  const build = compileRecordBuilder(fields.map(({ name }) => name));
  return (index) => build(fields.map((field) => fieldValue(field, index)));
}

function fieldValue(field: GeneratedField, index: number): unknown {
  switch (field.kind) {
    case 'number':
      return field.number.at(index);
    case 'label':
      return `${field.prefix}${field.number.at(index)}`;
    case 'constant':
      return field.value;
  }
}

/** Where a reader is in its sequence, and how much of it is due. */
class Cursor {
  readonly #sequence: IndexSequence;
  readonly #pace: Pace | null;
  /** Records taken of the sequence: the position. */
  ordinal: number;

  constructor(sequence: IndexSequence, position: Position, pace: Pace | null) {
    this.#sequence = sequence;
    this.#pace = pace;
    this.ordinal = position === null ? 0 : (position as number);
  }

  get stride(): number {
    return this.#sequence.stride;
  }

  /** Index of the next record. */
  get index(): number {
    return this.#sequence.first + this.ordinal * this.#sequence.stride;
  }

  get left(): number {
    return this.#sequence.count === null ? Infinity : this.#sequence.count - this.ordinal;
  }

  /** Records that may be taken now, at most `limit`. */
  due(limit: number): number {
    const due = this.#pace?.due(performance.now()) ?? Infinity;
    return Math.min(limit, this.left, due);
  }

  take(count: number): void {
    this.ordinal += count;
    this.#pace?.take(count);
  }

  /** Result of a call that took what was due. */
  result(): ReadResult {
    if (this.left <= 0) return 'end';
    if (this.#pace === null) return 'more';
    const now = performance.now();
    return this.#pace.due(now) > 0 ? 'more' : this.#pace.waitMs(now);
  }

  location(): string {
    return `generated record ${this.index - this.stride}`;
  }

  progress(): number {
    const { count } = this.#sequence;
    return count === null || count === 0 ? 0 : this.ordinal / count;
  }
}

class ValueReader implements SplitReader<unknown> {
  readonly #cursor: Cursor;
  readonly #make: MakeRecord;

  constructor(sequence: IndexSequence, position: Position, pace: Pace | null, make: MakeRecord) {
    this.#cursor = new Cursor(sequence, position, pace);
    this.#make = make;
  }

  read(limit: number, out: RecordOutput<unknown>): ReadResult {
    const cursor = this.#cursor;
    for (let due = cursor.due(limit); due > 0 && !out.full; due--) {
      const record = this.#make(cursor.index);
      cursor.take(1);
      out.emit(record);
    }
    return cursor.result();
  }

  position(): Position {
    return this.#cursor.ordinal;
  }

  location(): string {
    return this.#cursor.location();
  }

  progress(): number {
    return this.#cursor.progress();
  }

  close(): void {}
}

class RowReader implements RowSplitReader {
  readonly #cursor: Cursor;
  readonly #rows: GeneratedRows;
  readonly #read: RowsRead = { count: 0, bytes: 0, result: 'more' };

  constructor(sequence: IndexSequence, position: Position, pace: Pace | null, rows: GeneratedRows) {
    this.#cursor = new Cursor(sequence, position, pace);
    this.#rows = rows;
  }

  readRows(limit: number, memory: Memory, at: number, limitByte: number): RowsRead {
    const cursor = this.#cursor;
    const rows = this.#rows;
    rows.write(cursor.index, cursor.stride, cursor.due(limit), memory, at, limitByte);
    cursor.take(rows.count);
    const read = this.#read;
    read.count = rows.count;
    read.bytes = rows.bytes;
    read.result = cursor.result();
    return read;
  }

  position(): Position {
    return this.#cursor.ordinal;
  }

  location(): string {
    return this.#cursor.location();
  }

  progress(): number {
    return this.#cursor.progress();
  }

  close(): void {}
}
