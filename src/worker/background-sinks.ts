/** What sinks do outside of their writers: recover at a start, persist and commit in the background. */
import type { JsonValue } from '../format/json.ts';
import { type GraphNode, type JobGraph, sinkOf } from '../job/graph.ts';
import type { Sink, SinkContext, SinkSpec } from '../job/sink.ts';
import { createSink } from './connectors/sink-runtime.ts';
import { sinkContext } from './open-subtask.ts';
import type { CommitTask, Deployment, PersistTask, StagePlan } from './protocol.ts';
import { sinkFailure } from './sink-failure.ts';

/** `SinkContext.subtask` where a call is for all subtasks. */
const ALL_SUBTASKS = -1;

export class BackgroundSinks {
  readonly #deployment: Deployment;
  readonly #graph: JobGraph;
  readonly #sinks = new Map<number, Sink<unknown>>();

  constructor(deployment: Deployment, graph: JobGraph) {
    this.#deployment = deployment;
    this.#graph = graph;
  }

  async recover(nodeId: number, committables: readonly JsonValue[]): Promise<void> {
    const node = this.#graph.nodes[nodeId];
    const context = this.#contextOf(node, ALL_SUBTASKS);
    try {
      await this.#sinkAt(node).recover?.(committables, context);
    } catch (error) {
      throw sinkFailure(context, 'recover what the checkpoint had prepared', error);
    }
  }

  async persist({ subtask, committables, calls }: PersistTask): Promise<void> {
    const call = callCounter(calls);
    for (const { node: nodeId, values } of committables) {
      const node = this.#graph.nodes[nodeId];
      const context = this.#contextOf(node, subtask - (this.#stageOf(nodeId)?.firstSubtask ?? 0));
      for (const value of values) {
        try {
          await call(async () => this.#sinkAt(node).persist?.(value, context));
        } catch (error) {
          throw sinkFailure(context, 'persist what it had prepared', error);
        }
      }
    }
  }

  async commit({ node: nodeId, committables, subtasks, calls }: CommitTask): Promise<void> {
    const node = this.#graph.nodes[nodeId];
    const call = callCounter(calls);
    for (const [i, committable] of committables.entries()) {
      const context = this.#contextOf(node, subtasks[i]);
      try {
        await call(async () => this.#sinkAt(node).commit(committable, context));
      } catch (error) {
        throw sinkFailure(
          context,
          'commit',
          error,
          'The checkpoint is complete; the commit is tried again when the job restarts from it.',
        );
      }
    }
  }

  #sinkAt(node: GraphNode): Sink<unknown> {
    let sink = this.#sinks.get(node.id);
    if (sink === undefined) {
      sink = createSink(sinkOf(node) as SinkSpec);
      this.#sinks.set(node.id, sink);
    }
    return sink;
  }

  #contextOf(node: GraphNode, subtask: number): SinkContext {
    return sinkContext(this.#deployment, node, subtask, this.#stageOf(node.id)?.parallelism ?? 1);
  }

  #stageOf(node: number): StagePlan | undefined {
    return this.#deployment.plan.stages.find(({ nodes }) => nodes.includes(node));
  }
}

/**
 * Runs calls one after another. The word of the task, which the main thread watches, holds the number of the call that runs, from 1, and
 * 0 between them.
 */
function callCounter(calls: SharedArrayBuffer | undefined): <T>(run: () => Promise<T>) => Promise<T> {
  const word = new Int32Array(calls ?? new ArrayBuffer(4));
  let number = 0;
  return async (run) => {
    Atomics.store(word, 0, ++number);
    try {
      return await run();
    } finally {
      Atomics.store(word, 0, 0);
    }
  };
}
