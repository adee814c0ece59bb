/**
 * The graph while the user's builder runs: nodes whose uid, name and parallelism may still be set, and the checks that the
 * whole must pass. Building must be deterministic: every thread builds the graph again and finds its functions by node id.
 */
import { canonicalJson, type JsonValue } from '../format/json.ts';
import { TidemarkError } from '../format/errors.ts';
import type { Schema } from '../format/schema.ts';
import type { GraphNode, NodePayload } from './graph.ts';
import { callerLocation } from './location.ts';
import { deriveUids } from './uid.ts';

export class NodeDraft {
  readonly id: number;
  readonly payload: NodePayload;
  readonly inputs: readonly NodeDraft[];
  readonly location: string | undefined;
  readonly objectReuse: boolean;
  schema: Schema | null;
  name: string;
  uid: string | undefined;
  parallelism: number | undefined;
  maxParallelism: number | undefined;

  constructor(id: number, payload: NodePayload, inputs: readonly NodeDraft[], options: NodeOptions) {
    this.id = id;
    this.payload = payload;
    this.inputs = inputs;
    this.location = callerLocation();
    this.objectReuse = options.objectReuse ?? false;
    this.schema = options.schema;
    this.name = options.name;
  }

  /** `'count words' (job.ts:12)`, for messages. */
  get label(): string {
    return `'${this.name}'${this.location === undefined ? '' : ` (${this.location})`}`;
  }
}

export interface NodeOptions {
  readonly name: string;
  readonly schema: Schema | null;
  readonly objectReuse?: boolean | undefined;
}

export class GraphDraft {
  readonly jobName: string;
  readonly #nodes: NodeDraft[] = [];
  #finished = false;

  constructor(jobName: string) {
    this.jobName = jobName;
  }

  add(payload: NodePayload, inputs: readonly NodeDraft[], options: NodeOptions): NodeDraft {
    if (this.#finished) {
      throw invalidJob(
        `An operator was added to job '${this.jobName}' after its builder returned. Build the whole graph inside the function given to job(), without await.`,
      );
    }
    const stranger = inputs.find((input) => this.#nodes[input.id] !== input);
    if (stranger !== undefined)
      throw invalidJob(
        `The stream of ${stranger.label} belongs to another job than '${this.jobName}'. Use streams only inside the builder that made them.`,
      );
    const node = new NodeDraft(this.#nodes.length, payload, inputs, options);
    this.#nodes.push(node);
    return node;
  }

  /** @throws TidemarkError ERR_JOB_INVALID naming the operators and where they were written */
  finish(): readonly GraphNode[] {
    this.#finished = true;
    this.#requireEnds();
    const uids = deriveUids(this.#nodes);
    this.#requireDistinct(uids);
    return this.#nodes.map((draft, i): GraphNode => {
      const { payload, id, name, parallelism, maxParallelism, schema, location, objectReuse } = draft;
      const base = {
        id,
        uid: uids[i],
        explicitUid: draft.uid !== undefined,
        name,
        inputs: draft.inputs.map((input) => input.id),
        parallelism,
        maxParallelism,
        schema,
        location,
        objectReuse,
      };
      return Object.freeze({ ...base, ...payload }) as GraphNode;
    });
  }

  /** Every path begins at a source and ends at a sink. The first is so by construction. */
  #requireEnds(): void {
    if (this.#nodes.length === 0)
      throw invalidJob(
        `Job '${this.jobName}' has no source: its builder added nothing to the flow. Begin with flow.from(files.lines('*.txt')).`,
      );
    const consumed = new Set(this.#nodes.flatMap((node) => node.inputs));
    const loose = this.#nodes.filter((node) => node.payload.kind !== 'sink' && !consumed.has(node));
    if (loose.length === 0) return;
    const [first] = loose;
    const where = loose.map((node) => node.label).join(', ');
    const next =
      first.payload.kind === 'keyBy'
        ? 'Add .count(), .aggregate(...), .reduce(...) or .process(...), and a sink.'
        : "Add .to(files.jsonl('out')), or .to(discard()) where the records are not wanted.";
    throw invalidJob(
      `Job '${this.jobName}' has ${consumed.size === 0 || !this.#nodes.some((node) => node.payload.kind === 'sink') ? 'no sink' : 'a stream without a sink'}: nothing follows ${where}. ${next}`,
    );
  }

  #requireDistinct(uids: readonly string[]): void {
    const first = new Map<string, NodeDraft>();
    for (const [i, node] of this.#nodes.entries()) {
      const other = first.get(uids[i]);
      if (other !== undefined) {
        throw new TidemarkError(
          'ERR_JOB_INVALID',
          `Two operators of job '${this.jobName}' have the uid '${uids[i]}': ${other.label} and ${node.label}. State belongs to a uid; give each its own.`,
          {
            facts: { uid: uids[i], first: other.location, second: node.location },
          },
        );
      }
      first.set(uids[i], node);
    }
  }
}

/** Do rows of both have the same layout? Streams that are united must. */
export function sameSchema(a: Schema | null, b: Schema | null): boolean {
  return canonicalJson(a as unknown as JsonValue) === canonicalJson(b as unknown as JsonValue);
}

export function invalidJob(message: string): TidemarkError {
  return new TidemarkError('ERR_JOB_INVALID', message);
}
