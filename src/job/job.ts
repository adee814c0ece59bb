/** A job: a name, a builder of its graph, options. */
import { describeValue } from '../format/describe-value.ts';
import { invalidArgument, requireFunction, requireOptions, requireText } from './arguments.ts';
import { Flow } from './flow.ts';
import { GRAPH_VERSION, JOB_BRAND, type JobGraph } from './graph.ts';
import { GraphDraft } from './graph-draft.ts';

export interface JobOptions {
  /** Configuration of the job, as in `tidemark.config.yaml`; `-D` on the command line goes before it. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
}

/** Builds a job's graph. What it returns is not used. */
export type Builder = (flow: Flow, args: readonly string[]) => unknown;

/**
 * One parameter gives the graph, two a factory. Not overloads: with them, parameters that are taken apart in the signature,
 * such as `(flow, [input = '*.md'])`, would get no type.
 */
export type Built<B extends Builder> = 0 extends Parameters<B>['length']
  ? JobGraph
  : 1 extends Parameters<B>['length']
    ? JobGraph
    : JobFactory;

/** A job whose graph depends on the arguments that follow the job file on the command line. */
export type JobFactory = (args: readonly string[]) => JobGraph;

/**
 * Describes a job. The default export of a job file.
 *
 * The builder runs when the module is loaded: once on the main thread and once in every worker, each of which finds its
 * functions in its own graph. So it must be deterministic and must not wait for anything. A builder with a second parameter
 * gets the job's arguments; the graph is then built when they are known.
 *
 * @example
 * export default job('word-count', (flow, [input = 'docs/*.md']) =>
 *   flow
 *     .from(files.lines(input))
 *     .flatMap((line) => line.split(/\W+/).map((word) => ({ word })), { schema: t.record({ word: t.string }) })
 *     .keyBy('word')
 *     .count({ emit: 'end' })
 *     .to(files.jsonl('out')));
 * @throws TidemarkError ERR_JOB_INVALID: no source, a stream without a sink, two operators with one uid
 */
export function job<B extends Builder>(name: string, build: B, options: JobOptions = {}): Built<B> {
  requireText(name, 'The name of a job');
  requireFunction(build, `The builder of job '${name}'`);
  requireOptions(options, ['config'], `job '${name}'`);
  const config = configOf(options.config, name);
  const built: JobGraph | JobFactory =
    build.length < 2 ? buildGraph(name, build, [], config) : (args) => buildGraph(name, build, args, config);
  return built as Built<B>;
}

function buildGraph(name: string, build: Builder, args: readonly string[], config: JobGraph['config']): JobGraph {
  const draft = new GraphDraft(name);
  const returned = build(new Flow(draft), args);
  if (returned instanceof Promise) {
    // It would fail later, when nobody listens any more.
    returned.catch(() => {});
    throw invalidArgument(
      `The builder of job '${name}' is an async function. Each thread builds the graph at once when it loads the module; wait before job(...), with a top-level await.`,
    );
  }
  return Object.freeze({ [JOB_BRAND]: GRAPH_VERSION, name, nodes: Object.freeze(draft.finish()), config });
}

function configOf(config: JobOptions['config'], name: string): JobGraph['config'] {
  if (config === undefined) return {};
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw invalidArgument(
      `The config of job '${name}' must be an object of keys and values, but it is ${describeValue(config)}.`,
    );
  for (const [key, value] of Object.entries(config) as [string, unknown][]) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw invalidArgument(
        `The config of job '${name}' has ${describeValue(value)} for ${key}; values are strings, numbers and booleans.`,
      );
    }
  }
  return Object.freeze({ ...config });
}
