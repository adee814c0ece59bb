import { describe, expect, it } from 'vitest';
import { collection, count, discard, job, t } from '../../src/index.ts';
import { TidemarkError } from '../../src/format/errors.ts';
import type { JsonValue } from '../../src/format/json.ts';
import { InputPositions } from '../../src/main/input-positions.ts';
import { planJob } from '../../src/main/plan.ts';
import type { ScheduledSubtask } from '../../src/main/scheduled-subtask.ts';
import type { SourceState } from '../../src/main/splits.ts';
import type { SyncSnapshot } from '../../src/worker/protocol.ts';

const Row = t.record({ k: t.string });
const graph = job('two exchanges', (flow) => {
  const rows = flow
    .from(collection([], Row))
    .uid('left')
    .union(flow.from(collection([], Row)).uid('right'));
  rows.keyBy('k').count().uid('by-key').keyBy('count').aggregate({ keys: count() }).uid('by-count').to(discard());
});
const plan = planJob(graph, { parallelism: 2, maxParallelism: undefined, slotBytes: 1 << 16 });
const stageOf = (uid: string) => plan.stages.findIndex(({ nodes }) => nodes.some((node) => graph.nodes[node].uid === uid));

const reading = (position: JsonValue, id = 'a.csv'): SourceState => ({ $splits: [{ split: { id, data: null }, position }] });

/** What is said of a record that subtask `fromSubtask` of the stage with `uid` sent after a barrier. */
function said(positions: InputPositions, uid: string, fromSubtask: number, afterBarrier: number): string {
  const error = new TidemarkError('ERR_OPERATOR_FAILED', 'It failed.', {
    cause: new Error('why'),
    facts: { operator: 'x', fromStage: stageOf(uid), fromSubtask, afterBarrier },
  });
  const explained = positions.explain(error) as TidemarkError;
  expect(explained.message.startsWith(error.message)).toBe(true);
  expect(explained).toMatchObject({ code: error.code, cause: error.cause, stack: error.stack, facts: error.facts });
  return explained.facts['sourceBefore'] as string;
}

function note(positions: InputPositions, uid: string, indexInStage: number, checkpointId: number, state: SourceState): void {
  const subtask = { stage: plan.stages[stageOf(uid)], indexInStage, source: true } as unknown as ScheduledSubtask;
  positions.note(subtask, { checkpointId, operatorState: { [uid]: state } } as unknown as SyncSnapshot);
}

describe('where the input was that a record behind an exchange came from', () => {
  it('of the subtask that sent it, if that is a source, else of all sources in front of it', () => {
    const positions = new InputPositions(graph, plan, null, 1);
    note(positions, 'left', 0, 1, reading({ file: 0, at: { line: 7, identity: 'cafe' } }));
    note(positions, 'left', 1, 1, reading(12, 'b.csv'));
    note(positions, 'right', 0, 1, { $done: ['c.csv'], $splits: [] });
    expect(said(positions, 'left', 0, 1)).toBe(`subtask 0 of source 'left' was in split 'a.csv' at {"file":0,"at":{"line":7}}`);
    expect(said(positions, 'left', 1, 1)).toBe("subtask 1 of source 'left' was in split 'b.csv' at 12");
    expect(said(positions, 'by-key', 0, 1)).toBe(
      `source 'left' was in split 'a.csv' at {"file":0,"at":{"line":7}}, split 'b.csv' at 12; source 'right' was in no split`,
    );
  });

  it('before the first barrier it is what was restored, whose subtasks are not those of now, or the beginning', () => {
    const begun = new InputPositions(graph, plan, null, 1);
    expect(said(begun, 'left', 0, 0)).toBe("subtask 0 of source 'left' had read nothing");
    const restored = new InputPositions(graph, plan, new Map([['left', [reading(1), reading(2, 'b.csv')]]]), 8);
    expect(said(restored, 'left', 0, 7)).toBe("subtask 0 of source 'left' was in split 'a.csv' at 1, split 'b.csv' at 2");
  });

  it('says what is not known, and keeps few barriers', () => {
    const positions = new InputPositions(graph, plan, null, 1);
    for (let barrier = 1; barrier <= 5; barrier++) note(positions, 'left', 0, barrier, reading(barrier));
    expect(said(positions, 'left', 1, 5)).toBe("subtask 1 of source 'left' was somewhere that has not been reported yet");
    expect(said(positions, 'left', 0, 3)).toContain('at 3');
    expect(said(positions, 'left', 0, 2)).toBe("subtask 0 of source 'left' was somewhere that is not known any more");
  });

  it('leaves other errors, and those at a source, as they are', () => {
    const positions = new InputPositions(graph, plan, null, 1);
    for (const error of [new Error('x'), new TidemarkError('ERR_OPERATOR_FAILED', 'x'), new TidemarkError('ERR_IO', 'x')])
      expect(positions.explain(error)).toBe(error);
  });
});
