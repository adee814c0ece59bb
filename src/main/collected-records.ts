/** Records of `collect` sinks, as the handle gives them: of each committed part once, however often the job is restored. */
import type { JsonValue } from '../format/json.ts';
import { decodeCollected } from '../format/collected.ts';
import { type JobGraph, sinkOf } from '../job/graph.ts';
import type { RestorePlan } from './restore-plan.ts';

export class CollectedRecords {
  /** In the order of arrival. */
  readonly values: unknown[] = [];
  readonly #delivered = new Set<string>();

  add(node: number, committables: readonly JsonValue[]): void {
    for (const committable of committables) {
      const { id, values } = decodeCollected(committable);
      const key = `${node}/${id}`;
      if (this.#delivered.has(key)) continue;
      this.#delivered.add(key);
      for (const value of values) this.values.push(value);
    }
  }

  /** What the restored checkpoint had prepared, unless this process has delivered it. */
  addRestored(graph: JobGraph, restore: RestorePlan | null): void {
    for (const node of graph.nodes)
      if (sinkOf(node)?.kind === 'collect') this.add(node.id, restore?.committables.get(node.uid) ?? []);
  }
}
