/** What every operator can be told, wherever it stands: uid, name, parallelism. */
import { invalidArgument, requireInteger, requireText } from './arguments.ts';
import type { GraphDraft, NodeDraft } from './graph-draft.ts';

/** As in Flink: key groups are numbered by 15 bits. */
const MAX_PARALLELISM = 32_768;
const MAX_UID_CHARS = 256;

/** The operator that was added last. Its settings return the same stream, so that they stand in the chain. */
export abstract class OperatorStream {
  protected readonly draft: GraphDraft;
  protected readonly node: NodeDraft;

  constructor(draft: GraphDraft, node: NodeDraft) {
    this.draft = draft;
    this.node = node;
  }

  /**
   * Stable id of the operator. State in checkpoints belongs to it: give one to every operator with state, and the rest of
   * the job may change around it.
   *
   * @example stream.keyBy('user').count().uid('visits-per-user')
   */
  uid(uid: string): this {
    requireText(uid, 'A uid');
    if (uid.length > MAX_UID_CHARS)
      throw invalidArgument(`A uid has at most ${MAX_UID_CHARS} characters, but this one has ${uid.length}.`);
    this.node.uid = uid;
    return this;
  }

  /** Name of the operator in progress, metrics and messages. Means nothing to checkpoints. */
  name(name: string): this {
    requireText(name, 'The name of an operator');
    this.node.name = name;
    return this;
  }

  /** Number of subtasks of the operator; default: the job's. Neighbours of equal parallelism run in one stage. */
  parallelism(parallelism: number): this {
    this.#requireOperator('parallelism');
    requireInteger(parallelism, { min: 1, max: MAX_PARALLELISM }, `The parallelism of ${this.node.label}`);
    this.node.parallelism = parallelism;
    return this;
  }

  /** Number of key groups of a keyed operator: the most subtasks that it can ever have. Fixed once there is state. */
  maxParallelism(maxParallelism: number): this {
    this.#requireOperator('maximum parallelism');
    requireInteger(maxParallelism, { min: 1, max: MAX_PARALLELISM }, `The maximum parallelism of ${this.node.label}`);
    this.node.maxParallelism = maxParallelism;
    return this;
  }

  #requireOperator(what: string): void {
    const { kind } = this.node.payload;
    if (kind === 'rebalance' || kind === 'union')
      throw invalidArgument(`${kind} has no ${what} of its own; set it on the operator that follows.`);
  }
}

/** What `to` returns: a sink, which ends the stream. */
export class SinkStream extends OperatorStream {}
