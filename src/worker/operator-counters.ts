/** Records in and out of each operator of a subtask, copied to shared memory at the end of a turn, for the progress display. */
import type { GraphNode } from '../job/graph.ts';
import type { StageInput } from './input.ts';
import type { Chain } from './operators/chain.ts';
import { OPERATOR_DOUBLES, operatorRowDoubles, type JobPlan } from './protocol.ts';
import type { SinkOutput } from './sink-output.ts';

/** What counts: the operators keep their own counters, which cost an addition per record. */
export interface CountedParts {
  /** Of the stage, in order. */
  readonly nodes: readonly GraphNode[];
  readonly input: Pick<StageInput, 'recordsIn'>;
  readonly chain: Pick<Chain, 'counters'>;
  readonly sinks: readonly SinkOutput[];
}

export class OperatorCounterRow {
  readonly #parts: CountedParts;
  readonly #sink: SinkOutput | undefined;
  readonly #row: Float64Array;

  /** @param memory  `Deployment.operatorCounters` */
  constructor(parts: CountedParts, plan: JobPlan, subtask: number, memory: SharedArrayBuffer) {
    const doubles = operatorRowDoubles(plan);
    this.#parts = parts;
    this.#row = new Float64Array(memory, subtask * doubles * 8, doubles);
    // A source's dead letters are not the output of an operator of their own.
    this.#sink = parts.sinks.find(({ node }) => parts.nodes.some(({ id, kind }) => id === node && kind === 'sink'));
  }

  /** Runs once per turn. */
  store(): void {
    const { nodes, input, chain } = this.#parts;
    let at = 0;
    if (nodes[0].kind === 'source') at = this.#put(at, input.recordsIn, input.recordsIn);
    for (const { recordsIn, recordsOut } of chain.counters()) at = this.#put(at, recordsIn, recordsOut);
    if (this.#sink !== undefined) this.#put(at, this.#sink.recordsOut, this.#sink.recordsOut);
  }

  #put(at: number, recordsIn: number, recordsOut: number): number {
    this.#row[at] = recordsIn;
    this.#row[at + 1] = recordsOut;
    return at + OPERATOR_DOUBLES;
  }
}
