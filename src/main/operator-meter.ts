/** Reads the counters of operators from shared memory and turns them into rates. */
import type { JobGraph } from '../job/graph.ts';
import { OPERATOR_DOUBLES, operatorRowDoubles, type StagePlan } from '../worker/protocol.ts';
import type { RunningAttempt } from './running-attempt.ts';
import type { OperatorProgress } from './handle.ts';

interface Counted {
  readonly recordsIn: number;
  readonly recordsOut: number;
}

export class OperatorMeter {
  readonly #graph: JobGraph;
  /** By node id: counters at the sample before. */
  readonly #before = new Map<number, Counted>();

  constructor(graph: JobGraph) {
    this.#graph = graph;
  }

  /** Another attempt counts from zero. */
  restart(): void {
    this.#before.clear();
  }

  /** @param elapsedMs  since the sample before, or since the attempt began */
  sample({ deployment }: RunningAttempt, stage: StagePlan, elapsedMs: number): readonly OperatorProgress[] {
    const counters = new Float64Array(deployment.operatorCounters);
    const rowDoubles = operatorRowDoubles(deployment.plan);
    return stage.nodes.map((id, position) => {
      let recordsIn = 0;
      let recordsOut = 0;
      for (let i = 0; i < stage.parallelism; i++) {
        const at = (stage.firstSubtask + i) * rowDoubles + position * OPERATOR_DOUBLES;
        recordsIn += counters[at];
        recordsOut += counters[at + 1];
      }
      const before = this.#before.get(id) ?? { recordsIn: 0, recordsOut: 0 };
      this.#before.set(id, { recordsIn, recordsOut });
      const { uid, name } = this.#graph.nodes[id];
      return {
        uid,
        name,
        recordsIn,
        recordsOut,
        recordsInPerSecond: ((recordsIn - before.recordsIn) / elapsedMs) * 1000,
        recordsOutPerSecond: ((recordsOut - before.recordsOut) / elapsedMs) * 1000,
      };
    });
  }
}
