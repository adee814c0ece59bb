/**
 * The operators of one stage as one call chain: each hands its output to the next by a call, the last to the tail (an
 * exchange or a sink). A chain is entered with values (behind a source) or with framed rows (behind an exchange).
 *
 *   rows ── keyed operator ──┐
 *   rows ── decode ──────────┤
 *   values ──────────────────┴── map ── filter ── … ── tail
 */
import { assert } from '../../format/assert.ts';
import type { Codec, KeyCodec } from '../../format/codec.ts';
import { TidemarkError } from '../../format/errors.ts';
import type { CheckpointOutcome } from '../../job/checkpoint-outcome.ts';
import type { GraphNode, KeySelector } from '../../job/graph.ts';
import type { InputShape, Operator, OperatorContext, OperatorSnapshot, Output, Rows, RowsTaken } from '../operator.ts';
import type { KeyedStateInfo } from '../state/handles/open-state.ts';
import type { StateMap } from '../state/state-map.ts';
import { type BuiltInEnv, BuiltInAggregateOperator } from './built-in-aggregate.ts';
import type { HashRange } from './end-cursor.ts';
import { FoldAggregateOperator } from './fold-aggregate.ts';
import { FreeProcessOperator } from './free-process-operator.ts';
import { KeyedInput } from './keyed-input.ts';
import type { LocalCombine } from './local-combine.ts';
import type { FailureSite, RecordPlace } from './operator-failure.ts';
import { KeyedProcessOperator } from './process-operator.ts';
import { RowDecoder, RowForwarder } from './row-entry.ts';
import { FilterOperator, FlatMapOperator, MapOperator, type ValueOperator } from './value-operators.ts';

/** Something that holds output back and must be drained before a barrier: a local combiner. */
export interface Drainable {
  drain(): boolean;
}

/** Rows that enter a chain. Behind a source, those that the source makes in binary. */
export interface ChainInput extends InputShape {
  /** For keyed input: codec and selector of the key. */
  readonly keyCodec: KeyCodec | null;
  readonly selector: KeySelector | null;
}

export interface ChainOptions {
  /** In order; without source and sink. May be empty: what enters goes to the tail. */
  readonly nodes: readonly GraphNode[];
  readonly tail: Output;
  readonly input: ChainInput | null;
  /** Set when the rows that enter are partial results. */
  readonly partialInput: LocalCombine | null;
  /** Combiners between the chain and its exchanges. */
  readonly combiners: readonly Drainable[];
  readonly context: (node: GraphNode) => OperatorContext;
  /** Where the record being processed came from, for messages, as far as it is known. */
  readonly where: () => RecordPlace | undefined;
  /** Key hashes that the subtask owns. */
  readonly range: HashRange;
  /** Operator state of the checkpoint that the subtask starts from. Names beginning with `$` hold that of all subtasks. */
  readonly restored: (uid: string) => OperatorSnapshot | undefined;
  /** Opens the map of a keyed state; called once for each, while the chain is built. */
  readonly openState: (info: KeyedStateInfo) => StateMap;
}

/** Records taken and emitted by one operator of one subtask since it was opened. */
export interface OperatorCounters {
  readonly uid: string;
  readonly name: string;
  readonly recordsIn: number;
  readonly recordsOut: number;
}

/** Entry of the chain that takes rows. */
interface RowsEntry {
  rows(rows: Rows, limitFrames: number): RowsTaken;
}

export class Chain {
  /** Takes rows without decoding them: a keyed operator, or the tail itself. Null where values are better. */
  readonly emitRows: ((rows: Rows) => void) | null;
  readonly keyedStates: readonly KeyedStateInfo[];
  readonly #options: ChainOptions;
  readonly #operators: readonly ChainedOperator[];
  readonly #entry: Output;
  readonly #rowsEntry: RowsEntry | null;
  /** First operator whose input may still come from the one before: those before it have ended. */
  #ended = 0;

  constructor(
    options: ChainOptions,
    operators: readonly ChainedOperator[],
    entry: Output,
    rowsEntry: RowsEntry | null,
    keyedStates: readonly KeyedStateInfo[],
  ) {
    this.#options = options;
    this.#operators = operators;
    this.#entry = entry;
    this.#rowsEntry = rowsEntry;
    this.keyedStates = keyedStates;
    this.emitRows = rowsEntry instanceof RowForwarder ? (rows) => void rowsEntry.rows(rows, rows.count) : null;
  }

  /** No room downstream. */
  get full(): boolean {
    return this.#options.tail.full;
  }

  /** Takes a value. Not for chains that begin with a keyed operator. */
  emit(value: unknown, timestampMs: number): void {
    this.#entry.emit(value, timestampMs);
  }

  /** Takes at most `limitFrames` frames, fewer when downstream has no room; the result is reused. */
  rows(rows: Rows, limitFrames: number): RowsTaken {
    assert(this.#rowsEntry !== null, 'rows come only to a chain with an input codec');
    return this.#rowsEntry.rows(rows, limitFrames);
  }

  /**
   * Emits what remains, operator by operator, once no record will come any more. True when that is all; false when there is
   * no room downstream or the deadline (performance.now()) has come: call again then.
   */
  end(deadlineMs: number): boolean {
    while (this.#ended < this.#operators.length) {
      if (this.#operators[this.#ended].operator.end?.(deadlineMs) === false) return false;
      this.#ended++;
    }
    return true;
  }

  /** The turn ends: operators write what they buffer. Combiners hold what they have until `drain`. */
  endTurn(): void {
    for (const { operator } of this.#operators) operator.endTurn?.();
  }

  /** Before a barrier and at the end: sends some of what combiners hold. True when nothing is left. */
  drain(): boolean {
    let done = true;
    for (const combiner of this.#options.combiners) if (!combiner.drain()) done = false;
    return done;
  }

  /** Operator state by uid, for the manifest. */
  snapshot(checkpointId: number): Readonly<Record<string, OperatorSnapshot>> {
    const snapshots: Record<string, OperatorSnapshot> = {};
    for (const { node, operator } of this.#operators) {
      const snapshot = operator.snapshot?.(checkpointId) ?? null;
      if (snapshot !== null) snapshots[node.uid] = snapshot;
    }
    return snapshots;
  }

  onCheckpoint(outcome: CheckpointOutcome): void {
    for (const { operator } of this.#operators) operator.onCheckpoint?.(outcome);
  }

  counters(): readonly OperatorCounters[] {
    return this.#operators.map(({ node, operator }) => ({
      uid: node.uid,
      name: node.name,
      recordsIn: operator.recordsIn,
      recordsOut: operator.recordsOut,
    }));
  }

  close(): void {
    for (const { operator } of this.#operators) operator.close?.();
  }
}

/** What all operators of a chain have. */
type AnyOperator = Pick<Operator, 'end' | 'endTurn' | 'snapshot' | 'onCheckpoint' | 'close'> & {
  readonly recordsIn: number;
  readonly recordsOut: number;
};

interface ChainedOperator {
  readonly node: GraphNode;
  readonly operator: AnyOperator;
}

/**
 * @throws TidemarkError ERR_JOB_INVALID for an operator that cannot stand where it does; ERR_STATE_INCOMPATIBLE for
 *         operator state that does not match; what `openState` and the user's `onOpen` throw
 */
export function buildChain(options: ChainOptions): Chain {
  const operators: ChainedOperator[] = [];
  const keyedStates: KeyedStateInfo[] = [];
  let out = options.tail;
  let keyed: (AnyOperator & RowsEntry) | null = null;
  for (let i = options.nodes.length - 1; i >= 0; i--) {
    const node = options.nodes[i];
    const site: FailureSite = { node, context: options.context(node), where: options.where };
    if (node.kind === 'aggregate' || (node.kind === 'process' && node.keyed)) {
      keyed = createKeyedOperator(node, i, out, site, options, keyedStates);
      operators.unshift({ node, operator: keyed });
    } else {
      const operator = createValueOperator(node, out, site, options);
      operators.unshift({ node, operator });
      out = operator;
    }
  }
  return new Chain(options, operators, out, keyed ?? createRowsEntry(options, out), keyedStates);
}

function createValueOperator(
  node: GraphNode,
  out: Output,
  site: FailureSite,
  options: ChainOptions,
): ValueOperator & Pick<Operator, 'end' | 'snapshot' | 'onCheckpoint'> {
  switch (node.kind) {
    case 'map':
      return new MapOperator(node, out, site);
    case 'filter':
      return new FilterOperator(node, out, site);
    case 'flatMap':
      return new FlatMapOperator(node, out, site);
    case 'process':
      return new FreeProcessOperator(node, out, site, options.restored(node.uid));
    default:
      throw new TidemarkError(
        'ERR_JOB_INVALID',
        `Operator '${node.name}' (${node.kind}) cannot be chained: the planner makes an exchange, an input or an output of it.`,
      );
  }
}

function createKeyedOperator(
  node: Extract<GraphNode, { readonly kind: 'aggregate' | 'process' }>,
  position: number,
  out: Output,
  site: FailureSite,
  options: ChainOptions,
  keyedStates: KeyedStateInfo[],
): AnyOperator & RowsEntry {
  const { input, partialInput } = options;
  if (position !== 0 || input === null || input.keyCodec === null || input.selector === null) {
    throw new TidemarkError(
      'ERR_JOB_INVALID',
      `Operator '${node.name}' (${node.location ?? node.uid}) needs keyed input. Put keyBy before it.`,
    );
  }
  const env: BuiltInEnv = {
    input: new KeyedInput({ ...input, keyCodec: input.keyCodec }),
    out,
    site,
    openState: (info) => {
      keyedStates.push(info);
      return options.openState(info);
    },
    restored: options.restored(node.uid),
    range: options.range,
    selector: input.selector,
    merging: partialInput !== null,
  };
  if (node.kind === 'process') return new KeyedProcessOperator(node, env);
  const { aggregate } = node;
  return aggregate.kind === 'built-in'
    ? new BuiltInAggregateOperator(node, aggregate.outputs, env)
    : new FoldAggregateOperator(node, aggregate, env);
}

/** Entry for rows in front of operators that take values, or of the tail alone. */
function createRowsEntry(options: ChainOptions, out: Output): RowsEntry | null {
  if (options.input === null) return null;
  if (options.nodes.length === 0 && options.tail.emitRows !== undefined) return new RowForwarder(options.tail);
  return new RowDecoder(options.input, viewUntilReplaced(options.input.codec, options.nodes), out);
}

/**
 * The reused row view, where nobody can keep it: all operators that get it asked for it (`objectReuse`), up to one that
 * makes something else of it. Null otherwise: a filter in front of a sink hands on what it got, and the sink may keep it.
 */
function viewUntilReplaced(codec: Codec, nodes: readonly GraphNode[]): ReturnType<Codec['view']> {
  for (const node of nodes) {
    if (!node.objectReuse) return null;
    if (node.kind !== 'filter') return codec.view();
  }
  return null;
}
