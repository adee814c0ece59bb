/** Sinks as the engine writes them: every `SinkSpec` becomes a two-phase `Sink`. */
import type { Sink, SinkSpec } from '../../job/sink.ts';
import { createCollectSink } from './collect-sink.ts';
import { createCustomSink } from './custom-sink.ts';
import { createDiscardSink, createForEachSink, createPrintSink, type PrintText } from './simple-sinks.ts';
import { createFileSink } from './file-sink/file-sink.ts';

/** What sinks need from the thread they run in. */
export interface SinkEnvironment {
  /** Takes what a `print` sink writes; standard output of the process if absent. */
  readonly print?: PrintText;
}

/** The sink that a description describes. Opens nothing yet. */
export function createSink(spec: SinkSpec, environment: SinkEnvironment = {}): Sink<unknown> {
  switch (spec.kind) {
    case 'files':
      return createFileSink(spec);
    case 'collect':
      return createCollectSink();
    case 'print':
      return createPrintSink(environment.print);
    case 'forEach':
      return createForEachSink(spec);
    case 'discard':
      return createDiscardSink();
    case 'custom':
      return createCustomSink(spec);
  }
}
