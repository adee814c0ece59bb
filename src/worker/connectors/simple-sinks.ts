/** Sinks without a second phase. `print` and `forEach` are at least once: after a restore they see records again. */
import { TidemarkError } from '../../format/errors.ts';
import { isThenable } from '../../format/thenable.ts';
import type { ForEachSinkSpec, Sink } from '../../job/sink.ts';
import { createJsonWriter } from './json-writer.ts';

/** Takes lines of output, each with its newline. */
export type PrintText = (text: string) => void;

/** Text of a turn is handed on in pieces of about this many characters, so that a long turn does not hoard it. */
const PRINT_CHARS = 16 * 1024;

/** A line for each record: a string as it stands, anything else as JSON. */
export function createPrintSink(print: PrintText = (text) => void process.stdout.write(text)): Sink<unknown> {
  const json = createJsonWriter(null);
  return {
    name: 'print',
    open: () => {
      let text = '';
      const flush = (): void => {
        if (text !== '') print(text);
        text = '';
      };
      return {
        write: (value) => {
          text += typeof value === 'string' ? `${value}\n` : `${json(value)}\n`;
          if (text.length > PRINT_CHARS) flush();
        },
        flush,
        prepare: () => {
          flush();
          return null;
        },
        close: flush,
      };
    },
    commit: () => {},
  };
}

export function createForEachSink({ fn }: ForEachSinkSpec): Sink<unknown> {
  const call = fn as (value: unknown) => unknown;
  const write = (value: unknown): void => {
    const returned = call(value);
    if (!isThenable(returned)) return;
    returned.then(undefined, () => undefined);
    throw new TidemarkError(
      'ERR_SINK_FAILED',
      'The function of forEach returned a promise, which nobody awaits. For asynchronous work write a sink, whose flush() and prepare() are awaited: docs/sources-and-sinks.md, "A sink of your own".',
    );
  };
  return { name: 'forEach', open: () => ({ write, prepare: () => null, close: () => {} }), commit: () => {} };
}

export function createDiscardSink(): Sink<unknown> {
  return { name: 'discard', open: () => ({ write: () => {}, prepare: () => null, close: () => {} }), commit: () => {} };
}
