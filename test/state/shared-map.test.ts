import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';

import { isTidemarkError } from '../../src/format/errors.ts';
import { createSharedMap, openSharedMap, type SharedMap } from '../../src/worker/state/shared-map.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString();

function changes(map: SharedMap, mark: number): Record<string, string | undefined> {
  return Object.fromEntries([...map.changedSince(mark)].map(({ key, value }) => [textOf(key), textOf(value)]));
}

function errorOf(run: () => unknown): { code: string; message: string } | undefined {
  try {
    run();
  } catch (error) {
    if (isTidemarkError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  return undefined;
}

describe('shared map: entries', () => {
  it('shared map: set, get, has, delete and size do what a Map does, for empty and for large keys and values', () => {
    const map = createSharedMap();
    const entries: [string, string][] = [
      ['', 'empty key'],
      ['a', ''],
      ['k'.repeat(65536), 'v'.repeat(300_000)],
      ['a\0', 'nul'],
    ];
    map.withLease(() => {
      for (const [key, value] of entries) map.set(bytes(key), bytes(value));
      for (const [key, value] of entries) expect(textOf(map.get(bytes(key)))).toBe(value);
      expect(map.size).toBe(4);
      expect(new Map([...map.entries()].map(([key, value]) => [textOf(key), textOf(value)]))).toEqual(new Map(entries));
      expect(map.delete(bytes('a'))).toBe(true);
      expect(map.delete(bytes('a'))).toBe(false);
      expect(map.has(bytes('a'))).toBe(false);
      expect(map.has(bytes('a\0'))).toBe(true);
      expect(map.size).toBe(3);
    });
  });

  it('shared map: what get returns is a copy', () => {
    const map = createSharedMap();
    map.acquire();
    map.set(bytes('key'), bytes('value'));
    map.get(bytes('key'))!.fill(0);
    expect(textOf(map.get(bytes('key')))).toBe('value');
    expect(map.get(bytes('key'))!.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it('shared map: arguments of the wrong kind or size are named', () => {
    const map = createSharedMap();
    map.acquire();
    expect(errorOf(() => map.get('key' as never))).toMatchObject({
      code: 'ERR_INVALID_ARG',
      message: expect.stringContaining('the key must be a Uint8Array, not string') as string,
    });
    expect(errorOf(() => map.set(bytes('key'), null as never))?.message).toContain('the value must be a Uint8Array, not null');
    expect(errorOf(() => map.set(new Uint8Array(65537), bytes('')))?.code).toBe('ERR_RECORD_TOO_LARGE');
    expect(errorOf(() => createSharedMap({ limitBytes: 1 }))?.message).toContain('limitBytes must be an integer from 65536');
    expect(errorOf(() => createSharedMap({ expectedEntries: -1 }))?.message).toContain('expectedEntries');
  });

  it('shared map: at the limit set fails, and goes on after deletions whose marks are forgotten', () => {
    const map = createSharedMap({ limitBytes: 2 ** 18 });
    map.acquire();
    let count = 0;
    const fill = (): void => {
      for (; ; count++) map.set(bytes(`key ${count}`), new Uint8Array(100));
    };
    expect(errorOf(fill)?.code).toBe('ERR_STATE_MEMORY_LIMIT');
    const full = count;
    expect(map.size).toBe(full);
    for (let key = 0; key < full / 2; key++) expect(map.delete(bytes(`key ${key}`))).toBe(true);
    expect(errorOf(fill)?.code).toBe('ERR_STATE_MEMORY_LIMIT');
    expect(count).toBeGreaterThan(full * 1.4);
    expect(map.liveBytes).toBeLessThanOrEqual(map.usedBytes);
    expect(map.usedBytes).toBeLessThanOrEqual(2 ** 18);
  });
});

describe('shared map: marks', () => {
  it('shared map: changedSince gives each changed entry once, with its newest value, and deletions', () => {
    const map = createSharedMap();
    map.acquire();
    map.set(bytes('kept'), bytes('1'));
    map.set(bytes('changed'), bytes('1'));
    map.set(bytes('deleted'), bytes('1'));
    const first = map.mark();
    expect(changes(map, 0)).toEqual({ kept: '1', changed: '1', deleted: '1' });
    expect(changes(map, first)).toEqual({});
    map.set(bytes('changed'), bytes('2'));
    map.set(bytes('changed'), bytes('three'));
    map.delete(bytes('deleted'));
    map.set(bytes('new'), bytes('1'));
    const second = map.mark();
    map.set(bytes('new'), bytes('2'));
    expect(changes(map, first)).toEqual({ changed: 'three', deleted: undefined, new: '2' });
    expect(changes(map, second)).toEqual({ new: '2' });
  });

  it('shared map: an iteration shows the moment at which it began, also after the lease was given back', () => {
    const map = createSharedMap({ limitBytes: 2 ** 20 });
    map.acquire();
    for (let key = 0; key < 2000; key++) map.set(bytes(`${key}`), bytes('before'));
    const iteration = map.changedSince(0);
    const seen = [iteration.next().value!];
    const all = map.entries();
    const seenAll = [all.next().value!];
    map.release();
    for (let round = 0; round < 3; round++)
      map.withLease(() => {
        for (let key = 0; key < 3000; key++) map.set(bytes(`${key}`), bytes(`round${round}`));
      });
    seen.push(...iteration);
    seenAll.push(...all);
    expect(seen.length).toBe(2000);
    expect(new Set(seen.map(({ value }) => textOf(value)))).toEqual(new Set(['before']));
    expect(seenAll.length).toBe(2000);
  });

  it('shared map: a forgotten mark, and a number that is no mark, are refused', () => {
    const map = createSharedMap({ name: 'test map' });
    map.acquire();
    const first = map.mark();
    const second = map.mark();
    map.forget(second);
    expect(errorOf(() => changes(map, first))).toMatchObject({
      code: 'ERR_INVALID_ARG',
      message: expect.stringContaining('only mark 2') as string,
    });
    expect(errorOf(() => changes(map, 99))?.code).toBe('ERR_INVALID_ARG');
    expect(errorOf(() => map.forget(1.5))?.code).toBe('ERR_INVALID_ARG');
    expect(changes(map, second)).toEqual({});
  });

  it('shared map: without marks, iterating again and again does not cost memory', () => {
    const map = createSharedMap({ limitBytes: 2 ** 20 });
    for (let round = 0; round < 200; round++) {
      map.withLease(() => {
        for (let key = 0; key < 100; key++) map.set(bytes(`${key}`), bytes(`value ${round}`));
        expect([...map.entries()].length).toBe(100);
      });
    }
    expect(map.usedBytes).toBeLessThan(2 ** 18);
  });
});

describe('shared map: the lease', () => {
  it('shared map: every operation without the lease is refused, naming who holds it', () => {
    const map = createSharedMap({ name: 'test map' });
    const calls: [string, () => unknown][] = [
      ['get', () => map.get(bytes('k'))],
      ['has', () => map.has(bytes('k'))],
      ['set', () => map.set(bytes('k'), bytes('v'))],
      ['delete', () => map.delete(bytes('k'))],
      ['mark', () => map.mark()],
      ['forget', () => map.forget(0)],
      ['changedSince', () => [...map.changedSince(0)]],
      ['entries', () => [...map.entries()]],
      ['release', () => map.release()],
    ];
    for (const [operation, call] of calls) {
      expect(errorOf(call)).toMatchObject({
        code: 'ERR_INVALID_ARG',
        message: expect.stringContaining(`${operation}: this thread`) as string,
      });
    }
  });

  it('shared map: withLease gives the lease back when the function throws; acquire twice is refused', () => {
    const map = createSharedMap();
    expect(() =>
      map.withLease(() => {
        throw new Error('from inside');
      }),
    ).toThrow('from inside');
    expect(map.holder).toBeUndefined();
    map.acquire();
    expect(errorOf(() => map.acquire())?.message).toContain('already holds');
    expect(typeof map.holder).toBe('number');
  });

  it('shared map: another thread that holds the lease is named when the wait times out, and handed over to when it is released', async () => {
    const map = createSharedMap({ name: 'test map' });
    const worker = new Worker(new URL('./fixtures/lease-worker.mjs', import.meta.url), { workerData: map.handles });
    await once(worker, 'message');
    expect(map.holder).toBe(worker.threadId);
    expect(errorOf(() => map.acquire(20))).toMatchObject({
      code: 'ERR_LEASE_TIMEOUT',
      message: expect.stringContaining(`thread ${worker.threadId} has held it for`) as string,
    });
    worker.postMessage('release');
    map.acquire(10_000);
    expect(textOf(map.get(bytes('from')))).toBe('worker');
    map.release();
    await worker.terminate();
  });

  it('shared map: increments by four threads are not lost, while the map grows and is iterated', async () => {
    const map = createSharedMap({ limitBytes: 2 ** 24 });
    const workers = [0, 1, 2, 3].map(
      (worker) =>
        new Worker(new URL('./fixtures/increment-worker.mjs', import.meta.url), { workerData: { handles: map.handles, worker } }),
    );
    const exits = Promise.all(workers.map((worker) => once(worker, 'exit')));
    let mark = 0;
    const copy = new Map<string, string>();
    const follow = (): void => {
      map.withLease(() => {
        const now = map.mark();
        for (const { key, value } of map.changedSince(mark)) {
          if (value === undefined) copy.delete(textOf(key)!);
          else copy.set(textOf(key)!, textOf(value)!);
        }
        map.forget(now);
        mark = now;
      });
    };
    while (workers.some((worker) => worker.threadId !== -1)) {
      follow();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect((await exits).map(([code]) => code as number)).toEqual([0, 0, 0, 0]);
    follow();
    map.acquire();
    expect(textOf(map.get(bytes('shared')))).toBe('8000');
    expect(Object.fromEntries(copy)).toEqual(
      Object.fromEntries([...map.entries()].map(([key, value]) => [textOf(key), textOf(value)])),
    );
    expect(map.size).toBe(1 + 4 * 500);
  });

  it('shared map: a map opened from handles is the same map', () => {
    const map = createSharedMap();
    const other = openSharedMap(structuredClone(map.handles));
    map.withLease(() => map.set(bytes('k'), bytes('v')));
    expect(textOf(other.withLease(() => other.get(bytes('k'))))).toBe('v');
  });
});

describe('docs/shared-map.md', () => {
  it('the example prints what the document says', () => {
    const document = readFileSync(join(root, 'docs/shared-map.md'), 'utf8');
    const [, example] = document.match(/```js\n([^]*?)```/)!;
    // Inside the package, so that `tidemark/shared-map` is this one.
    const path = join(root, 'dist', `shared-map-example-${process.pid}.mjs`);
    writeFileSync(path, example);
    try {
      const { stdout, stderr } = spawnSync(process.execPath, [path], { encoding: 'utf8', timeout: 20_000 });
      expect(stderr).toBe('');
      const lines = stdout.trim().split('\n');
      expect(lines.at(-1)).toBe('the was deleted');
      expect(lines.slice(0, -1).sort()).toEqual(['counts: 4', 'is: 4', 'map: 8', 'share: 4', 'that: 8', 'the: 12', 'threads: 4']);
    } finally {
      rmSync(path);
    }
  });

  it('names every public member', () => {
    const document = readFileSync(join(root, 'docs/shared-map.md'), 'utf8');
    const members = Object.getOwnPropertyNames(Object.getPrototypeOf(createSharedMap())).filter((name) => name !== 'constructor');
    expect(members.filter((name) => !document.includes(`\`${name}`))).toEqual([]);
  });
});
