import { describe, expect, test } from 'vitest';
import { stateValueToJson } from '../../src/format/state-content.ts';
import type { Schema } from '../../src/format/schema.ts';
import type { AggregatingState, ListState, MapState, ReducingState, ValueState } from '../../src/job/process.ts';
import { aggregating, list, map, reducing, value } from '../../src/job/state.ts';
import * as t from '../../src/job/types.ts';
import { getEntry } from '../../src/snapshot/get.ts';
import { tablePath, sharedDirectory } from '../../src/snapshot/paths.ts';
import { JOB_DIR } from './job-tools.ts';
import { KeyedJob } from './keyed-job.ts';
import { SimFs } from './sim-fs.ts';

const Visit = t.record({ page: t.string, at: t.timestamp, from: t.optional(t.string) });

const SPECS = {
  total: value(t.i32).spec,
  last: value(Visit).spec,
  anything: value(t.any()).spec,
  longest: reducing(t.string, (a: string, b: string) => (a.length > b.length ? a : b)).spec,
  mean: aggregating({
    create: () => [0, 0],
    add: ([n, sum]: number[], x: number) => [n + 1, sum + x],
    result: ([n, sum]) => sum / n,
  }).spec,
  lines: list(t.string).spec,
  numbers: list(t.f64).spec,
  seen: map(t.string, t.i32).spec,
};

function read(fs: SimFs, path: string, state: string, key: string) {
  const { value: found } = getEntry(fs, path, 'op', state, key);
  return found === null ? null : stateValueToJson(found);
}

describe('get', () => {
  test('every kind of state gives what its handle holds, at this and at earlier checkpoints', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, SPECS);
    job.at<ValueState<number>>('ada', 'total').set(1);
    job.at<ValueState<object>>('ada', 'last').set({ page: '/', at: 5, from: undefined });
    job.at<ListState<string>>('ada', 'lines').addAll(['a', 'bb']);
    const first = job.checkpoint(1);
    job.at<ValueState<number>>('ada', 'total').set(2);
    job.at<ValueState<unknown>>('ada', 'anything').set(new Map([['n', [1n, undefined]]]));
    for (const text of ['x', 'longest', 'y']) job.at<ReducingState<string>>('ada', 'longest').add(text);
    for (const n of [1, 2, 6]) job.at<AggregatingState<number, number>>('ada', 'mean').add(n);
    const many = Array.from({ length: 700 }, (_, i) => `line ${i}`);
    job.at<ListState<string>>('ada', 'lines').addAll(many);
    job.at<ListState<number>>('ada', 'numbers').addAll([0.5, Number.NaN]);
    for (let i = 0; i < 40; i++) job.at<MapState<string, number>>('ada', 'seen').set(`page ${i}`, i);
    job.at<MapState<string, number>>('grace', 'seen').set('other', 1);
    job.at<ValueState<number>>('grace', 'total').set(9);
    job.checkpoint(2);
    job.at<MapState<string, number>>('ada', 'seen').delete('page 3');
    job.at<ValueState<number>>('grace', 'total').clear();
    const third = job.checkpoint(3);

    expect(read(fs, third, 'total', 'ada')).toBe(2);
    expect(read(fs, first, 'total', 'ada')).toBe(1);
    expect(read(fs, third, 'total', 'grace')).toBeNull();
    expect(read(fs, third, 'last', 'ada')).toEqual({ page: '/', at: 5 });
    expect(read(fs, third, 'anything', 'ada')).toEqual([['n', ['1', null]]]);
    expect(read(fs, third, 'longest', 'ada')).toBe('longest');
    expect(read(fs, third, 'mean', 'ada')).toEqual([3, 9]);
    expect(read(fs, first, 'lines', 'ada')).toEqual(['a', 'bb']);
    expect(read(fs, third, 'lines', 'ada')).toEqual(['a', 'bb', ...many]);
    expect(read(fs, third, 'numbers', 'ada')).toEqual([0.5, 'NaN']);
    const entries = Array.from({ length: 40 }, (_, i) => [`page ${i}`, i]).filter(([, i]) => i !== 3);
    expect(new Map(read(fs, third, 'seen', 'ada') as [string, number][])).toEqual(new Map(entries as [string, number][]));
    expect(read(fs, third, 'seen', 'grace')).toEqual([['other', 1]]);
    expect(read(fs, third, 'seen', 'nobody')).toBeNull();
  });

  const schema = (type: { readonly schema: Schema }): Schema => type.schema;
  test.each<[string, readonly Schema[] | null, unknown, string]>([
    ['a string as it is', [schema(t.string)], 'user "7"', 'user "7"'],
    ['an enum as it is', [schema(t.enum('red', 'green'))], 'green', 'green'],
    ['an i32', [schema(t.i32)], -42, '-42'],
    ['an f64', [schema(t.f64)], Number.NEGATIVE_INFINITY, '-Infinity'],
    ['minus zero', [schema(t.f64)], -0, '-0'],
    ['a bigint', [schema(t.bigint)], 2n ** 70n, String(2n ** 70n)],
    ['a boolean', [schema(t.boolean)], true, 'true'],
    ['a timestamp as a date', [schema(t.timestamp)], Date.UTC(2026, 0, 31), '2026-01-31'],
    ['bytes in hex', [schema(t.bytes)], Uint8Array.of(0, 255), 'hex:00ff'],
    ['bytes in base64', [schema(t.bytes)], Uint8Array.of(0, 255), 'AP8='],
    ['several parts as a JSON array', [schema(t.string), schema(t.optional(t.i32))], ['eu', 7], '["eu",7]'],
    ['an absent part as null', [schema(t.string), schema(t.optional(t.i32))], ['eu', undefined], '["eu", null]'],
    ['an optional key as JSON', [schema(t.optional(t.string))], 'x', '"x"'],
    ['an untyped number as JSON', null, 7, '7'],
    ['an untyped object as JSON', null, { b: 2, a: [1] }, '{"a":[1],"b":2}'],
    ['an untyped string without quotes', null, 'user-7', 'user-7'],
    ['an untyped string that looks like a number in quotes', null, '7', '"7"'],
    ['an untyped bigint', null, 7n, '7n'],
  ])('a key is written simply: %s', (_, keys, key, text) => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: SPECS.total }, { keys });
    job.at<ValueState<number>>(key, 'total').set(5);
    expect(read(fs, job.checkpoint(1), 'total', text)).toBe(5);
  });

  test('a key of another type is refused with the type and an example of the form', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: SPECS.total }, { keys: [schema(t.string), schema(t.i32)] });
    job.at<ValueState<number>>(['eu', 7], 'total').set(5);
    const path = job.checkpoint(1);
    for (const text of ['eu', '["eu"]', '["eu","7"]']) {
      expect(() => read(fs, path, 'total', text)).toThrow(
        expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringContaining('(string, i32)') }),
      );
    }
  });

  test('a state that the checkpoint has not is refused with those that it has', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { total: SPECS.total });
    const path = job.checkpoint(1);
    expect(() => read(fs, path, 'totals', 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_NOT_FOUND', message: expect.stringContaining('op total') }),
    );
  });

  test('only the index and one block of the tables of one subtask are read', () => {
    const fs = new SimFs();
    const job = new KeyedJob(fs, { last: SPECS.last, total: SPECS.total });
    for (let i = 0; i < 40_000; i++) job.at<ValueState<object>>(`user ${i}`, 'last').set({ page: 'x'.repeat(30), at: i });
    const path = job.checkpoint(1);
    const sizes = [0, 1].map((i) => fs.file(tablePath(sharedDirectory(JOB_DIR), job.tablesOf(i)[0].hash)).bytes.length);
    const found = getEntry(fs, path, 'op', 'last', 'user 777');
    expect(found.value).toEqual({ kind: 'value', value: { page: 'x'.repeat(30), at: 777 } });
    expect(found.bytesRead).toBeLessThan(80_000);
    expect(Math.min(...sizes)).toBeGreaterThan(1_000_000);
  });
});
