/** A sink that a user wrote, behind checks of what it promises. */
import { describeValue } from '../../format/describe-value.ts';
import { TidemarkError } from '../../format/errors.ts';
import type { JsonValue } from '../../format/json.ts';
import { findNotJson } from '../../format/json-safe.ts';
import { isThenable } from '../../format/thenable.ts';
import type { CustomSinkSpec, Sink, SinkContext, SinkWriter } from '../../job/sink.ts';

/** The sink itself, with writers whose committables are checked. Errors of its functions pass as they are. */
export function createCustomSink(spec: CustomSinkSpec): Sink<unknown> {
  const sink = spec.sink as Sink<unknown>;
  return {
    name: sink.name,
    recover: (committables, context) =>
      sink.recover === undefined ? commitAll(sink, committables, context) : sink.recover(committables, context),
    open: (context) => {
      const opened: unknown = sink.open(context);
      return isThenable(opened)
        ? Promise.resolve(opened).then((writer) => checkedWriter(sink, writer, context))
        : checkedWriter(sink, opened, context);
    },
    persist: (committable, context) => sink.persist?.(committable, context),
    commit: (committable, context) => sink.commit(committable, context),
  };
}

/** A sink without a `recover` has nothing to discard; what the restored checkpoint had prepared it must commit all the same. */
async function commitAll(sink: Sink<unknown>, committables: readonly JsonValue[], context: SinkContext): Promise<void> {
  for (const committable of committables) await sink.commit(committable, context);
}

function checkedWriter(sink: Sink<unknown>, opened: unknown, context: SinkContext): SinkWriter<unknown> {
  const writer = opened as SinkWriter<unknown>;
  for (const method of ['write', 'prepare', 'close'] as const) {
    if (typeof writer?.[method] !== 'function')
      throw broken(sink, context, `open() must return a writer with a method ${method}(), but got ${describeValue(writer)}`);
  }
  for (const method of ['flush', 'onCheckpoint'] as const) {
    if (writer[method] !== undefined && typeof writer[method] !== 'function')
      throw broken(
        sink,
        context,
        `${method} of its writer must be a method or absent, but it is ${describeValue(writer[method])}`,
      );
  }
  const check = (committable: unknown): JsonValue | null => {
    const found = findNotJson(committable);
    if (found === null) return committable as JsonValue | null;
    throw broken(
      sink,
      context,
      `prepare() must return a JSON value or null, since checkpoints keep it, but ${found.path === '' ? 'it' : found.path} is ${describeValue(found.value)}`,
    );
  };
  const nobodyAwaits = (method: string, promise: PromiseLike<unknown>, instead: string): TidemarkError => {
    promise.then(undefined, () => undefined);
    return broken(sink, context, `${method} of its writer returned a promise, which nobody awaits. ${instead}`);
  };
  return {
    write: (value, timestampMs) => {
      const returned: unknown = writer.write(value, timestampMs);
      if (isThenable(returned))
        throw nobodyAwaits(
          'write()',
          returned,
          'Collect records in write(), and await what is written of them in flush() or prepare()',
        );
    },
    flush: () => {
      const flushed: unknown = writer.flush?.();
      return isThenable(flushed) ? Promise.resolve(flushed as PromiseLike<void>) : undefined;
    },
    prepare: (checkpointId) => {
      const prepared: unknown = writer.prepare(checkpointId);
      return isThenable(prepared) ? Promise.resolve(prepared).then(check) : check(prepared);
    },
    onCheckpoint: (outcome) => {
      const returned: unknown = writer.onCheckpoint?.(outcome);
      if (isThenable(returned))
        throw nobodyAwaits('onCheckpoint()', returned, 'Begin the work there, and await it in flush() or prepare()');
    },
    close: () => writer.close(),
  };
}

function broken(sink: Sink<unknown>, { uid, subtask }: SinkContext, detail: string): TidemarkError {
  return new TidemarkError(
    'ERR_SINK_FAILED',
    `Sink '${sink.name}' (operator '${uid}', subtask ${subtask}) does not keep its contract: ${detail}. See docs/sources-and-sinks.md.`,
    {
      facts: { sink: sink.name, uid, subtask },
    },
  );
}
