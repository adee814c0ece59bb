/**
 * The package's entry: what a job module needs, and `run`. Workers import it too, so it must stay light: it loads neither the
 * scheduler nor the engine; `run` imports them when it is called.
 */
import type { JobHandle, RunOptions } from './main/handle.ts';

export { job, type Builder, type Built, type JobFactory, type JobOptions } from './job/job.ts';
export type { JobGraph } from './job/graph.ts';
export { Flow, type FromOptions } from './job/flow.ts';
export { Stream, type FunctionOptions, type KeyOptions, type ReuseOptions, type TypedOptions } from './job/stream.ts';
export { KeyedStream, type AggregateOptions, type EmitOptions } from './job/keyed-stream.ts';
export type { OperatorStream, SinkStream } from './job/operator-stream.ts';
export type { FreeProcess, KeyedProcess, OpenContext, StateHandles } from './job/process-builder.ts';

export * as t from './job/types.ts';
export type { AnyType, Infer, Type } from './job/types.ts';

export { avg, count, distinct, max, min, sum, topN } from './job/built-ins.ts';
export { aggregating, list, map, operatorList, reducing, value } from './job/state.ts';
export type { Aggregate, OperatorStateDescriptor, StateDescriptor } from './job/state.ts';
export type { CheckpointOutcome } from './job/checkpoint-outcome.ts';
export type { AggregatingState, ListState, MapState, ProcessContext, ReducingState, ValueState } from './job/process.ts';

export { files } from './job/files.ts';
export type { CsvOptions, FileOptions, LineOptions, PlacedLine, WholeFile } from './job/files.ts';
export { gen, generate } from './job/generate.ts';
export type { GenerateByFunction, GenerateFields, Generator } from './job/generate.ts';
export { collect, collection, discard, forEach, print } from './job/collections.ts';
export { deadLetter, type SinkOf, type SourceOf } from './job/connectors.ts';
export type {
  MalformedRecord,
  OnError,
  Position,
  Random,
  ReadResult,
  RecordOutput,
  Source,
  SourceContext,
  Split,
  SplitReader,
} from './job/source.ts';
export type { Sink, SinkContext, SinkWriter } from './job/sink.ts';

export { TidemarkError, isTidemarkError } from './format/errors.ts';
export type { ErrorCode, ErrorFacts } from './format/errors.ts';
export type {
  CheckpointSummary,
  JobEvents,
  JobHandle,
  JobProgress,
  JobResult,
  JobState,
  OperatorProgress,
  RunOptions,
  StageProgress,
} from './main/handle.ts';

/**
 * Runs a job in this process, on a pool of worker threads. There is no supervisor: when the process dies the job ends, and
 * `run` with `resume: true` goes on from its newest checkpoint.
 *
 * @param file  the job module: a path or file: URL. Workers load it again, so a job is named, not passed
 * @example
 * const handle = await run(new URL('./job.ts', import.meta.url), { parallelism: 4 });
 * const { records } = await handle.done;
 * @throws TidemarkError ERR_JOB_NOT_FOUND, ERR_JOB_LOAD, ERR_JOB_INVALID, ERR_CONFIG_INVALID, or why a checkpoint cannot be restored
 */
export async function run(file: string | URL, options: RunOptions = {}): Promise<JobHandle> {
  const main = await import('./main/run.ts');
  return main.run(file, options);
}
