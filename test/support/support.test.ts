/** The harnesses must see what they are there to see. */
import { mkdirSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findIncompleteCheckpoints } from './checkpoint-reader.mjs';
import { makeDirectory } from './cli.ts';
import { ledgerRecords } from './oracle-ledger.mjs';
import { compareOutput } from './output.mjs';

describe('comparison of output with an oracle', () => {
  const expected = [
    { a: 1, b: 'x' },
    { a: 1, b: 'x' },
    { a: 2, b: 'y' },
  ];
  const found = (contents: Readonly<Record<string, string>>): object => compareOutput(makeDirectory(contents), expected);

  it('does not mind the order of records, of fields, of files', () => {
    expect(found({ 'p/1': '{"b":"y","a":2}\n{"a":1,"b":"x"}\n', 'p/2': '{"a":1,"b":"x"}\n' })).toEqual({
      records: 3,
      lost: [],
      extra: [],
    });
  });

  it('sees a lost, a duplicated and an invented record', () => {
    expect(found({ 1: '{"a":2,"b":"y"}\n{"a":2,"b":"y"}\n{"a":1,"b":"x"}\n{"a":3,"b":"z"}\n' })).toEqual({
      records: 3,
      lost: ['{"a":1,"b":"x"}'],
      extra: ['{"a":2,"b":"y"}', '{"a":3,"b":"z"}'],
    });
  });

  it('does not read hidden files, and refuses a part that ends in the middle of a line', () => {
    expect(found({ '.hidden/1': '{"a":9}\n', 1: '' })).toMatchObject({ lost: { length: 3 }, extra: [] });
    expect(() => found({ 1: '{"a":2,"b":"y"}' })).toThrow('half written');
  });

  it('the ledger oracle keeps its books', () => {
    const records = [...ledgerRecords(1_000, 7)] as readonly Record<string, number>[];
    const sum = (field: string): number => records.reduce((total, record) => total + (record[field] ?? 0), 0);
    expect(records).toHaveLength(1_000 + 7 + 7);
    expect(sum('balance')).toBe(sum('amount'));
    expect(sum('sum')).toBe(sum('amount'));
    expect(sum('entries')).toBe(1_000);
  });
});

describe('check of the checkpoints in a directory', () => {
  const job = '0123456789abcdef0123456789abcdef';
  const hash = 'f'.repeat(32);
  const manifest = (sizeBytes: number): string =>
    `${JSON.stringify({ jobId: job, checkpointId: 1, stages: [{ subtasks: [{ tables: [{ hash, sizeBytes }] }] }] })}\nchecksum\n`;
  const layout = (sizeBytes: number): string =>
    makeDirectory({ [`${job}/chk-1/_metadata`]: manifest(sizeBytes), [`${job}/shared/${hash}.sst`]: '12345' });

  it('finds nothing wrong with a complete one, nor with a directory without a manifest', () => {
    const base = layout(5);
    mkdirSync(join(base, job, 'chk-2'));
    expect(findIncompleteCheckpoints(base)).toEqual([]);
  });

  it('finds a missing table, one of the wrong size, and a manifest that is cut off', () => {
    expect(findIncompleteCheckpoints(layout(6))).toEqual([expect.stringContaining('has 5, the manifest says 6 bytes')]);
    const missing = layout(5);
    unlinkSync(join(missing, job, 'shared', `${hash}.sst`));
    expect(findIncompleteCheckpoints(missing)).toEqual([expect.stringContaining('no file')]);
    const cut = layout(5);
    truncateSync(join(cut, job, 'chk-1/_metadata'), 40);
    expect(findIncompleteCheckpoints(cut)).toEqual([expect.stringContaining('half written')]);
    const misnamed = layout(5);
    writeFileSync(join(misnamed, job, 'chk-1/_metadata'), manifest(5).replace('"checkpointId":1', '"checkpointId":7'));
    expect(findIncompleteCheckpoints(misnamed)).toEqual([expect.stringContaining('names checkpoint 7')]);
  });
});
