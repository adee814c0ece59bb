import { describe, expect, test } from 'vitest';
import { StateDigest } from '../../src/format/digest.ts';
import type { KeyedStateInfo } from '../../src/format/manifest.ts';
import type { Part } from '../../src/main/manifest-assembly.ts';
import { checkRestored, restoredTotals, type StateTotals, totalsAfter } from '../../src/main/state-totals.ts';
import type { RestoredTotal } from '../../src/worker/protocol.ts';

/** Digests are sums, so small numbers do for them. */
const hex = (n: number): string => n.toString(16).padStart(16, '0') + '0'.repeat(16);
const sumOf = (totals: StateTotals): string => {
  const digest = new StateDigest();
  for (const total of totals.values()) digest.plus(total.digest);
  return digest.toHex();
};

function restored(...ofSubtasks: readonly (readonly [entries: number, digest: number | null])[]): (readonly RestoredTotal[])[] {
  return ofSubtasks.map(([entries, digest]) => [{ uid: 'op', name: 'n', entries, digest: digest === null ? null : hex(digest) }]);
}

function part(index: number, after: number, entriesChange: number, digestChange: number): Part {
  const states = [{ uid: 'op', name: 'n', digestChange: hex(digestChange), entriesChange }];
  return { subtask: { index }, after, persisted: { table: null, states, changedEntries: 0, asyncMs: 0 } } as unknown as Part;
}

function stated(entries: number, digest: number): ReadonlyMap<string, KeyedStateInfo> {
  const info = { name: 'n', kind: 'value', keyType: 'string', keySchema: null, schema: null, entries, digest: hex(digest) };
  return new Map([['op/n', info]]);
}

describe('state totals', () => {
  test('a subtask that writes its state whole after a restore takes the place of its own part, and of no other', () => {
    const totals = new Map([[7, restoredTotals(restored([2, 20], [3, 30]))]]);
    expect(sumOf(totals.get(7) as StateTotals)).toBe(hex(50));
    expect(sumOf(totalsAfter([part(0, 7, 1, 5), part(1, -1, 4, 41)], totals))).toBe(hex(20 + 5 + 41));
    expect(sumOf(totalsAfter([part(0, -1, 2, 22), part(1, 7, 0, 0)], totals))).toBe(hex(22 + 30));
  });

  test('what was restored is compared with the manifest: digest and number of entries', () => {
    expect(() => checkRestored(stated(5, 50), restored([2, 20], [3, 30]), 7)).not.toThrow();
    for (const wrong of [restored([2, 20], [3, 31]), restored([2, 20], [2, 30]), restored([2, 20])])
      expect(() => checkRestored(stated(5, 50), wrong, 7)).toThrow(expect.objectContaining({ code: 'ERR_TABLE_CORRUPT' }));
    // The values were rewritten for another schema.
    expect(() => checkRestored(stated(5, 50), restored([2, 20], [3, null]), 7)).not.toThrow();
  });
});
