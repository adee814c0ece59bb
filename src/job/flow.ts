/** Where a job's graph begins. */
import { requireOptions } from './arguments.ts';
import { asSource, requireOnError, type SourceOf } from './connectors.ts';
import type { GraphDraft } from './graph-draft.ts';
import type { OnError, Source } from './source.ts';
import { Stream } from './stream.ts';

export interface FromOptions {
  /** For a source of your own: what becomes of input that it reports as malformed. Default `fail`. */
  readonly onError?: OnError;
}

/** Given to a job's builder. */
export class Flow {
  readonly #draft: GraphDraft;

  /** @internal */
  constructor(draft: GraphDraft) {
    this.#draft = draft;
  }

  /**
   * A stream of a source's records. A job may have several sources.
   *
   * @example flow.from(files.jsonl('visits/*.jsonl', Visit))
   * @example flow.from(new QueueSource(url), { onError: 'skip' })
   */
  from<T>(source: SourceOf<T> | Source<T>, options?: FromOptions): Stream<T> {
    requireOptions(options, ['onError'], 'from');
    const { name, spec, schema } = asSource(source, requireOnError(options?.onError ?? 'fail', 'from'));
    return new Stream(this.#draft, this.#draft.add({ kind: 'source', source: spec }, [], { name, schema }));
  }
}
