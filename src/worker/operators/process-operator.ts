/** `process` after `keyBy`: a user function with keyed state, record by record. */
import type { CheckpointOutcome } from '../../job/checkpoint-outcome.ts';
import type { GraphNode } from '../../job/graph.ts';
import type { ProcessContext, ProcessSpec } from '../../job/process.ts';
import type { Operator, OperatorContext, OperatorSnapshot, Output, Rows, RowsTaken } from '../operator.ts';
import { CurrentKey } from '../state/handles/current-key.ts';
import { type KeyedStateInfo, type OpenedState, openState } from '../state/handles/open-state.ts';
import type { StateMap } from '../state/state-map.ts';
import { END_STATE, EndCursor, type HashRange, visitKeys } from './end-cursor.ts';
import { CHUNK_ROWS, gatherFrames, gatherKeys, type KeyedInput } from './keyed-input.ts';
import { type FailureSite, operatorFailure } from './operator-failure.ts';

type ProcessNode = Extract<GraphNode, { readonly kind: 'process' }>;

/** What a keyed operator is built with. */
export interface KeyedEnv {
  readonly input: KeyedInput;
  readonly out: Output;
  readonly site: FailureSite;
  readonly openState: (info: KeyedStateInfo) => StateMap;
  readonly restored: OperatorSnapshot | undefined;
  /** Key hashes that the subtask owns. */
  readonly range: HashRange;
}

/** Below this many entries the state is in the processor's cache, and fetching ahead only costs. */
const PREFETCH_ENTRIES = 1 << 14;

export class KeyedProcessOperator implements Operator {
  recordsIn = 0;
  recordsOut = 0;
  readonly #spec: ProcessSpec;
  readonly #env: KeyedEnv;
  readonly #key = new CurrentKey();
  readonly #context: KeyedContext;
  readonly #states: readonly OpenedState[];
  /** State whose entries are fetched ahead: the first that is found by the hash of the user's key alone. */
  readonly #fetched: StateMap | null;
  readonly #view: { readonly row: unknown; bind(from: Rows['memory'], at: number): void } | null;
  readonly #cursor: EndCursor;
  readonly #taken: RowsTaken = { frames: 0, next: 0 };
  readonly #frames = new Uint32Array(CHUNK_ROWS + 1);
  readonly #hashes = new Uint32Array(CHUNK_ROWS);
  readonly #keys = new Uint32Array(2 * CHUNK_ROWS);
  readonly #keyLengths = new Uint32Array(CHUNK_ROWS);
  /** Address of each record's entry in `fetched`; 0 where it is not known. */
  readonly #located = new Uint32Array(CHUNK_ROWS);
  /** Keeps the engine from dropping the prefetch loop. */
  checksum = 0;

  constructor(node: ProcessNode, env: KeyedEnv) {
    this.#spec = node.process;
    this.#env = env;
    const { input, site } = env;
    const states = Object.entries(node.process.state).map(
      ([name, spec]) =>
        [name, openState(spec, { uid: node.uid, name, keyType: input.keyCodec.type }, this.#key, env.openState)] as const,
    );
    this.#states = states.map(([, state]) => state);
    this.#fetched = this.#states.find(({ isHead }) => isHead === null)?.map ?? null;
    this.#key.locatedIn = this.#fetched;
    this.#context = new KeyedContext(
      Object.fromEntries(states.map(([name, { handle }]) => [name, handle])),
      this.#key,
      env,
      () => this.recordsOut++,
    );
    this.#view = node.objectReuse ? input.codec.view() : null;
    this.#cursor = new EndCursor(this.#states, env.range, env.restored?.[END_STATE]);
    node.process.onOpen?.({ subtask: site.context.subtask, parallelism: site.context.parallelism });
  }

  record(): never {
    throw new Error('a keyed operator takes rows');
  }

  rows(rows: Rows, limitFrames: number): RowsTaken {
    this.#cursor.reset();
    const { out } = this.#env;
    const taken = this.#taken;
    taken.frames = 0;
    taken.next = rows.from;
    while (taken.frames < limitFrames && taken.next < rows.to && !out.full) {
      const count = gatherFrames(rows, taken.next, limitFrames - taken.frames, this.#frames, this.#hashes);
      this.#fetch(rows.memory, count);
      const done = this.#view === null ? this.#processObjects(rows, count) : this.#processViews(rows, count, this.#view);
      taken.frames += done;
      taken.next = this.#frames[done];
    }
    this.recordsIn += taken.frames;
    return taken;
  }

  /** Brings the entries of the records' keys into the cache, and notes where they are when the keys have a fixed length. */
  #fetch(memory: Rows['memory'], count: number): void {
    const fetched = this.#fetched;
    const { fixedKeyBytes, fixedKeyOffset } = this.#env.input;
    if (fetched === null) return;
    if (fixedKeyBytes !== 0) {
      const words = fixedKeyBytes === 4 ? 1 : 2;
      gatherKeys(memory.u32, this.#frames, fixedKeyOffset, words, count, this.#keys);
      fetched.locateWords(this.#hashes, this.#keys, words, count, this.#located);
    } else if (this.#env.input.placeKeys(memory, this.#frames, count, this.#keys, this.#keyLengths)) {
      fetched.locateKeys(this.#hashes, memory, this.#keys, this.#keyLengths, count, this.#located);
    } else if (fetched.size > PREFETCH_ENTRIES) {
      this.checksum = (this.checksum + fetched.prefetch(this.#hashes, count)) | 0;
    }
  }

  end(deadlineMs: number): boolean {
    const { onEnd } = this.#spec;
    if (onEnd === undefined) return true;
    const context = this.#context;
    context.timestampMs = -Infinity;
    return visitKeys(this.#cursor, this.#key, this.#env.out, deadlineMs, () => {
      try {
        this.#spec.onEnd?.(context as never);
      } catch (error) {
        throw operatorFailure(error, this.#env.site, () => ({ endOfKey: context.key }));
      }
    });
  }

  onCheckpoint(outcome: CheckpointOutcome): void {
    try {
      this.#spec.onCheckpoint?.(outcome);
    } catch (error) {
      throw operatorFailure(error, this.#env.site, () => `the end of checkpoint ${outcome.checkpointId}`);
    }
  }

  snapshot(): OperatorSnapshot | null {
    const done = this.#cursor.snapshot();
    return done === null ? null : { [END_STATE]: done };
  }

  /** Both loops return how many of the gathered frames they processed: fewer when there is no more room downstream. */
  #processObjects(rows: Rows, count: number): number {
    const { memory } = rows;
    const { input, out } = this.#env;
    const { codec } = input;
    const context = this.#context;
    const spec = this.#spec;
    const frames = this.#frames;
    const located = this.#located;
    let i = 0;
    let rowAt = 0;
    try {
      while (i < count) {
        const at = frames[i];
        rowAt = input.locate(memory, at, this.#key, located[i]);
        context.timestampMs = memory.f64[(at >>> 3) + 1];
        spec.onRecord(codec.decode(memory, rowAt) as never, context as never);
        i++;
        if (out.full) break;
      }
    } catch (error) {
      throw operatorFailure(error, this.#env.site, () => codec.decode(memory, rowAt));
    }
    return i;
  }

  #processViews(
    rows: Rows,
    count: number,
    view: { readonly row: unknown; bind(from: Rows['memory'], at: number): void },
  ): number {
    const { memory } = rows;
    const { input, out } = this.#env;
    const context = this.#context;
    const spec = this.#spec;
    const frames = this.#frames;
    const located = this.#located;
    let i = 0;
    let rowAt = 0;
    try {
      while (i < count) {
        const at = frames[i];
        rowAt = input.locate(memory, at, this.#key, located[i]);
        context.timestampMs = memory.f64[(at >>> 3) + 1];
        view.bind(memory, rowAt);
        spec.onRecord(view.row as never, context as never);
        i++;
        if (out.full) break;
      }
    } catch (error) {
      throw operatorFailure(error, this.#env.site, () => input.codec.decode(memory, rowAt));
    }
    return i;
  }
}

/** The context of a keyed function: one object, changed for every record. */
class KeyedContext implements ProcessContext<unknown, unknown, unknown> {
  readonly state: unknown;
  /** A closure and not a method: users take it out of the context (`onRecord(v, { emit })`). */
  readonly emit: (value: unknown, timestampMs?: number) => void;
  timestampMs = -Infinity;
  readonly subtask: number;
  readonly parallelism: number;
  readonly #key: CurrentKey;
  readonly #input: KeyedInput;
  readonly #operator: OperatorContext;
  #decoded: unknown = undefined;
  #decodedVersion = -1;

  constructor(state: unknown, key: CurrentKey, env: KeyedEnv, count: () => void) {
    const { context } = env.site;
    const { out } = env;
    this.state = state;
    this.#key = key;
    this.#input = env.input;
    this.#operator = context;
    this.subtask = context.subtask;
    this.parallelism = context.parallelism;
    this.emit = (value, timestampMs = this.timestampMs) => {
      count();
      out.emit(value, timestampMs);
    };
  }

  get key(): unknown {
    if (this.#decodedVersion !== this.#key.version) {
      const { ref, version } = this.#key;
      this.#decoded = this.#input.keyCodec.decode(ref.memory, ref.at, ref.length);
      this.#decodedVersion = version;
    }
    return this.#decoded;
  }

  get watermarkMs(): number {
    return this.#operator.watermarkMs();
  }
}
