/**
 * A source that a user wrote, behind checks of what it promises. A broken promise is reported where it was broken, with
 * the source's name, instead of as lost or repeated records later.
 */
import { describeValue } from '../../format/describe-value.ts';
import { isTidemarkError, TidemarkError } from '../../format/errors.ts';
import { findNotJson } from '../../format/json-safe.ts';
import type {
  CustomSourceSpec,
  Position,
  ReadResult,
  RecordOutput,
  Source,
  SourceContext,
  Split,
  SplitReader,
} from '../../job/source.ts';
import type { RuntimeSource } from './source-runtime.ts';
import { withoutTaken } from './taken-splits.ts';

export function createCustomSource(spec: CustomSourceSpec): RuntimeSource {
  const { source } = spec;
  return {
    name: source.name,
    bounded: source.bounded,
    fixedSplits: !source.bounded,
    enumerate: async (context, taken = []) => withoutTaken(await listSplits(source, context), taken),
    open(split, position, context) {
      const opened = attempt(source, `open split '${split.id}'`, () => source.open(split, position, context));
      return opened instanceof Promise
        ? opened.then((reader) => checkedReader(source, split, reader))
        : checkedReader(source, split, opened);
    },
  };
}

async function listSplits(source: Source<unknown>, context: SourceContext): Promise<readonly Split[]> {
  const splits: unknown = await attempt(source, 'list its splits', () => source.splits(context));
  if (!Array.isArray(splits)) throw broken(source, `splits() must return an array, but it returned ${describeValue(splits)}`);
  const seen = new Set<string>();
  for (const split of splits as readonly Split[]) {
    if (typeof split?.id !== 'string' || split.id === '') {
      throw broken(source, `every split must have an id, a string that is not empty, but one is ${describeValue(split?.id)}`);
    }
    if (seen.has(split.id))
      throw broken(source, `two splits have the id '${split.id}'; ids must be unique, a checkpoint knows splits by them`);
    seen.add(split.id);
    checkJson(source, split.data, `data of split '${split.id}'`);
  }
  return splits as readonly Split[];
}

function checkedReader(source: Source<unknown>, split: Split, reader: SplitReader<unknown>): SplitReader<unknown> {
  for (const method of ['read', 'position', 'close'] as const) {
    if (typeof reader?.[method] !== 'function') {
      throw broken(source, `open() must return a reader with a method ${method}(), but got ${describeValue(reader)}`);
    }
  }
  return new CheckedReader(source, split, reader);
}

class CheckedReader implements SplitReader<unknown> {
  readonly #source: Source<unknown>;
  readonly #split: Split;
  readonly #reader: SplitReader<unknown>;
  readonly #watched = new WatchedOutput();

  constructor(source: Source<unknown>, split: Split, reader: SplitReader<unknown>) {
    this.#source = source;
    this.#split = split;
    this.#reader = reader;
  }

  read(limit: number, out: RecordOutput<unknown>): ReadResult | Promise<ReadResult> {
    const watched = this.#watched;
    watched.start(out);
    const result = attempt(
      this.#source,
      `read split '${this.#split.id}'`,
      () => this.#reader.read(limit, watched),
      () => watched.emitting,
    );
    return result instanceof Promise ? result.then((settled) => this.#checkResult(settled)) : this.#checkResult(result);
  }

  position(): Position {
    const position = attempt<Position>(this.#source, `report its position in split '${this.#split.id}'`, () =>
      this.#reader.position(),
    ) as Position;
    checkJson(this.#source, position, `position() in split '${this.#split.id}'`);
    return position;
  }

  location(): string {
    return this.#reader.location?.() ?? `split '${this.#split.id}' of source '${this.#source.name}'`;
  }

  progress(): number {
    const progress = this.#reader.progress?.() ?? 0;
    return progress >= 0 && progress <= 1 ? progress : 0;
  }

  close(): void | Promise<void> {
    return attempt(this.#source, `close split '${this.#split.id}'`, () => this.#reader.close());
  }

  #checkResult(result: unknown): ReadResult {
    if (result === 'more' || result === 'end' || (typeof result === 'number' && result >= 0)) return result;
    throw broken(
      this.#source,
      `read() must return 'more', 'end' or a number of milliseconds to wait, but in split '${this.#split.id}' it returned ${describeValue(result)}`,
    );
  }
}

/** Hands on what a reader emits, and remembers whether an error came from downstream: then it is not the source's. */
class WatchedOutput implements RecordOutput<unknown> {
  emitting = false;
  #out: RecordOutput<unknown> | null = null;

  start(out: RecordOutput<unknown>): void {
    this.emitting = false;
    this.#out = out;
  }

  emit(value: unknown, timestampMs?: number): void {
    this.emitting = true;
    (this.#out as RecordOutput<unknown>).emit(value, timestampMs);
    this.emitting = false;
  }

  get full(): boolean {
    return (this.#out as RecordOutput<unknown>).full;
  }

  malformed(raw: string, reason: string, where: string): void {
    (this.#out as RecordOutput<unknown>).malformed(raw, reason, where);
  }
}

/** Runs a user's function; what it throws, at once or later, is reported as this source's unless it `isForeign`. */
function attempt<T>(source: Source<unknown>, what: string, run: () => T | Promise<T>, isForeign?: () => boolean): T | Promise<T>;
function attempt<T>(source: Source<unknown>, what: string, run: () => T, isForeign?: () => boolean): T;
function attempt<T>(source: Source<unknown>, what: string, run: () => T | Promise<T>, isForeign = () => false): T | Promise<T> {
  const failed = (cause: unknown): never => {
    if (isTidemarkError(cause) || isForeign()) throw cause;
    const reason = cause instanceof Error ? cause.message : describeValue(cause);
    throw new TidemarkError('ERR_SOURCE_FAILED', `Source '${source.name}' could not ${what}: ${reason}`, {
      cause,
      facts: { source: source.name },
    });
  };
  try {
    const result = run();
    return isThenable(result) ? Promise.resolve(result).catch(failed) : result;
  } catch (cause) {
    return failed(cause);
  }
}

function isThenable<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

/** A position that does not survive JSON would come back changed from a checkpoint. `undefined` is the usual mistake. */
function checkJson(source: Source<unknown>, value: unknown, what: string): void {
  const found = findNotJson(value);
  if (found === null) return;
  const place = found.path === '' ? what : `${what}, at ${found.path},`;
  throw broken(source, `${place} must be a JSON value, since checkpoints keep it, but it is ${describeValue(found.value)}`);
}

function broken(source: Source<unknown>, detail: string): TidemarkError {
  return new TidemarkError(
    'ERR_SOURCE_FAILED',
    `Source '${source.name}' does not keep its contract: ${detail}. See docs/sources-and-sinks.md.`,
    {
      facts: { source: source.name },
    },
  );
}
