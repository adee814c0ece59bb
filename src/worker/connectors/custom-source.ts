/**
 * A source that a user wrote, behind checks of what it promises. A broken promise is reported where it was broken, with
 * the source's name, instead of as lost or repeated records later.
 */
import { describeValue } from '../../format/describe-value.ts';
import { isTidemarkError, TidemarkError } from '../../format/errors.ts';
import { findNotJson } from '../../format/json-safe.ts';
import { isThenable } from '../../format/thenable.ts';
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
  readonly #watched: WatchedOutput;

  constructor(source: Source<unknown>, split: Split, reader: SplitReader<unknown>) {
    this.#source = source;
    this.#split = split;
    this.#reader = reader;
    this.#watched = new WatchedOutput(source, split);
  }

  read(limit: number, out: RecordOutput<unknown>): ReadResult | Promise<ReadResult> {
    const watched = this.#watched;
    watched.begin(out);
    const result = attempt(
      this.#source,
      `read split '${this.#split.id}'`,
      () => this.#reader.read(limit, watched),
      () => watched.emitting,
    );
    if (result instanceof Promise) {
      return result.then((settled) => {
        watched.end();
        return this.#checkResult(settled);
      });
    }
    watched.end();
    return this.#checkResult(result);
  }

  position(): Position {
    const position: unknown = attempt(this.#source, `report its position in split '${this.#split.id}'`, () =>
      this.#reader.position(),
    );
    if (isThenable(position)) {
      position.then(undefined, () => undefined);
      throw broken(
        this.#source,
        `position() in split '${this.#split.id}' must return the position itself, since a barrier waits for it, but it returned a promise`,
      );
    }
    checkJson(this.#source, position, `position() in split '${this.#split.id}'`);
    return position as Position;
  }

  /** Asked when something else went wrong: whatever is wrong with it must not hide that. */
  location(): string {
    let location: unknown;
    try {
      location = this.#reader.location?.();
    } catch {
      // Said with the split only.
    }
    return typeof location === 'string' ? location : `split '${this.#split.id}' of source '${this.#source.name}'`;
  }

  progress(): number {
    const progress = this.#reader.progress?.() ?? 0;
    return progress >= 0 && progress <= 1 ? progress : 0;
  }

  backlog(): boolean {
    if (this.#reader.backlog === undefined) return false;
    const what = `say whether it reads a backlog in split '${this.#split.id}'`;
    const backlog: unknown = attempt(this.#source, what, () => this.#reader.backlog?.());
    if (typeof backlog === 'boolean') return backlog;
    if (isThenable(backlog)) backlog.then(undefined, () => undefined);
    throw broken(
      this.#source,
      `backlog() in split '${this.#split.id}' must return true or false, but it returned ${describeValue(backlog)}`,
    );
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

/**
 * Hands on what a reader emits while it reads, and remembers whether an error came from downstream: then it is not the source's. What
 * comes between two reads, from a timer or a listener, would belong to no turn, and to no position.
 */
class WatchedOutput implements RecordOutput<unknown> {
  emitting = false;
  readonly #source: Source<unknown>;
  readonly #split: Split;
  #out: RecordOutput<unknown> | null = null;

  constructor(source: Source<unknown>, split: Split) {
    this.#source = source;
    this.#split = split;
  }

  begin(out: RecordOutput<unknown>): void {
    this.emitting = false;
    this.#out = out;
  }

  end(): void {
    this.#out = null;
  }

  emit(value: unknown, timestampMs?: number): void {
    const out = this.#mustOut('emit()');
    this.emitting = true;
    out.emit(value, timestampMs);
    this.emitting = false;
  }

  get full(): boolean {
    return this.#mustOut('full').full;
  }

  malformed(raw: string, reason: string, where: string): void {
    this.#mustOut('malformed()').malformed(raw, reason, where);
  }

  #mustOut(what: string): RecordOutput<unknown> {
    if (this.#out !== null) return this.#out;
    throw broken(
      this.#source,
      `${what} of the output was used in split '${this.#split.id}' after read() had returned; keep what arrives between two reads in the reader, and emit it in the next one`,
    );
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
