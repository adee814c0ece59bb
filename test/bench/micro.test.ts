/** When a part of the engine counts as slower than what is stored: the rule alone, without timing anything. */
import { describe, expect, it } from 'vitest';
import { bestOf } from '../../bench/micro/best-of.mjs';

const STORED = 10;
const allows = (ratio: number): boolean => ratio <= STORED * 1.35;

describe('micro-benchmarks', () => {
  it('a part that one process of five finds fast enough is as fast as it was, and nobody measures on', async () => {
    const processes = [[18, 19], [17, 17.5], [10.4, 18], [9]];
    const { ratio, rounds } = await bestOf(next(processes), { tries: 5, allows });
    expect(ratio).toBe(10.4);
    expect(rounds.map((round) => round.ratio)).toEqual([18, 19, 17, 17.5, 10.4, 18]);
  });

  it('a part that is slower in every process is slower, by its best round', async () => {
    const { ratio, rounds } = await bestOf(next([[15, 16], [18], [14.2, 15], [15], [16], [9]]), { tries: 5, allows });
    expect(ratio).toBe(14.2);
    expect(allows(ratio)).toBe(false);
    expect(rounds).toHaveLength(7);
  });
});

function next(processes: readonly (readonly number[])[]) {
  const left = processes.values();
  return () => Promise.resolve([...left.next().value!].map((ratio) => ({ ratio, nsPerItem: ratio, referenceNs: 1 })));
}
