/**
 * Where the input was that a record came from, for an operator behind an exchange. Records do not carry their position: it would cost time and
 * room for each of them. What is known without that: the subtask that sent the record, the barrier after which it came, and how far each source
 * in front of it had read at that barrier. So the record lies between that and where the sources are now.
 */
import { type ErrorFacts, TidemarkError } from '../format/errors.ts';
import type { JsonValue } from '../format/json.ts';
import type { JobGraph } from '../job/graph.ts';
import type { Position, Split } from '../job/source.ts';
import type { JobPlan, SyncSnapshot } from '../worker/protocol.ts';
import type { ScheduledSubtask } from './scheduled-subtask.ts';
import type { SourceState } from './splits.ts';

/** Barriers of which positions are kept: a subtask that fails may be behind the sources, but not by more than is in flight. */
const KEPT_BARRIERS = 3;
const MAX_SPLITS = 3;
const MAX_POSITION_CHARS = 120;

/** States of one source at one barrier. */
interface SourceStates {
  /** By subtask; of a restored checkpoint by the subtasks of that time, which says nothing about those of now. */
  readonly bySubtask: Map<number, SourceState>;
  readonly restored: boolean;
}

export class InputPositions {
  readonly #graph: JobGraph;
  readonly #plan: JobPlan;
  /** By barrier, then uid of the source. */
  readonly #known = new Map<number, Map<string, SourceStates>>();

  /**
   * @param restored    states of the sources in the checkpoint that was restored, by uid; null: the job begins
   * @param firstEpoch  number of the first barrier that comes
   */
  constructor(graph: JobGraph, plan: JobPlan, restored: ReadonlyMap<string, readonly SourceState[]> | null, firstEpoch: number) {
    this.#graph = graph;
    this.#plan = plan;
    const sources = graph.nodes.filter(({ kind }) => kind === 'source');
    const states = sources.map(({ uid }): [string, SourceStates] => [
      uid,
      { bySubtask: new Map((restored?.get(uid) ?? []).entries()), restored: true },
    ]);
    this.#known.set(firstEpoch - 1, new Map(states));
  }

  /** A subtask has passed a barrier. */
  note({ stage, indexInStage, source }: ScheduledSubtask, { checkpointId, operatorState }: SyncSnapshot): void {
    if (!source) return;
    const { uid } = this.#graph.nodes[stage.nodes[0]];
    const state = operatorState[uid] as SourceState | undefined;
    if (state === undefined) return;
    const sources = getOrMake(this.#known, checkpointId, () => new Map<string, SourceStates>());
    getOrMake(sources, uid, () => ({ bySubtask: new Map(), restored: false })).bySubtask.set(indexInStage, state);
    for (const barrier of this.#known.keys()) if (barrier <= checkpointId - KEPT_BARRIERS) this.#known.delete(barrier);
  }

  /** The error of an operator behind an exchange with the positions of the sources in front of it; any other as it is. */
  explain(error: Error): Error {
    if (!(error instanceof TidemarkError) || error.code !== 'ERR_OPERATOR_FAILED') return error;
    const { fromStage, fromSubtask, afterBarrier } = error.facts;
    if (typeof fromStage !== 'number' || typeof fromSubtask !== 'number' || typeof afterBarrier !== 'number') return error;
    const positions = this.#sourcesOf(fromStage, fromSubtask)
      .map(({ uid, subtask }) => {
        const whose = subtask === null ? `source '${uid}'` : `subtask ${subtask} of source '${uid}'`;
        return `${whose} ${this.#positionOf(uid, subtask, afterBarrier)}`;
      })
      .join('; ');
    const facts: ErrorFacts = { ...error.facts, sourceBefore: positions };
    const message = `${error.message} Behind an exchange a record's place in the input is known from a barrier on only: at barrier ${afterBarrier}, before the record came, ${positions}.`;
    const explained = new TidemarkError(error.code, message, { cause: error.cause, facts });
    if (error.stack !== undefined) explained.stack = error.stack;
    return explained;
  }

  /** Sources from which a subtask of a stage gets records; all of their subtasks, unless it is one itself. */
  #sourcesOf(stageId: number, subtask: number): { readonly uid: string; readonly subtask: number | null }[] {
    const seen = new Set<number>();
    const found: { uid: string; subtask: number | null }[] = [];
    const visit = (id: number, only: number | null): void => {
      if (seen.has(id)) return;
      seen.add(id);
      const stage = this.#plan.stages[id];
      const node = this.#graph.nodes[stage.nodes[0]];
      if (node.kind === 'source') found.push({ uid: node.uid, subtask: only });
      for (const edge of stage.inputs) visit(this.#plan.edges[edge].from, null);
    };
    visit(stageId, subtask);
    return found;
  }

  /** @param subtask  null: of all */
  #positionOf(uid: string, subtask: number | null, barrier: number): string {
    const states = this.#known.get(barrier)?.get(uid);
    if (states === undefined) return 'was somewhere that is not known any more';
    if (states.restored && states.bySubtask.size === 0) return 'had read nothing';
    const asked = [...states.bySubtask].filter(([index]) => states.restored || subtask === null || subtask === index);
    const own = asked.map(([, state]) => state);
    if (own.length === 0) return 'was somewhere that has not been reported yet';
    const splits = own.flatMap((state) => [...(state.$splits ?? []), ...(state.$pending ?? [])]);
    if (splits.length === 0) return 'was in no split';
    const more = splits.length > MAX_SPLITS ? ` and in ${splits.length - MAX_SPLITS} more` : '';
    return `was in ${splits.slice(0, MAX_SPLITS).map(describeSplit).join(', ')}${more}`;
  }
}

/** `split 'a.csv' at {"line":4}` */
function describeSplit(value: JsonValue): string {
  const { split, position } = value as unknown as { readonly split: Split; readonly position: Position };
  // Of a file: that it is the same one is checked by its bytes, which tell a person nothing.
  const text = JSON.stringify(position, (key, inner: unknown) => (key === 'identity' ? undefined : inner));
  return `split '${split.id}' at ${text.length > MAX_POSITION_CHARS ? `${text.slice(0, MAX_POSITION_CHARS)}...` : text}`;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
