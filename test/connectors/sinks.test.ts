import { describe, expect, it, vi } from 'vitest';
import { decodeCollected } from '../../src/format/collected.ts';
import type { JsonValue } from '../../src/format/json.ts';
import { findNotJson } from '../../src/format/json-safe.ts';
import type { Sink, SinkWriter } from '../../src/job/sink.ts';
import { createSink } from '../../src/worker/connectors/sink-runtime.ts';
import { sinkContext } from './support.ts';

const context = sinkContext();

describe('collect', () => {
  it('gives the values of an epoch through the committable, of any type, under an id of their own', async () => {
    const sink = createSink({ kind: 'collect' });
    const epochs: readonly (readonly unknown[])[] = [
      [1, 'a', { x: [null, true] }],
      [1n, new Map([[1, new Date(5)]]), undefined, Number.NaN, -0, new Uint8Array([1, 2])],
    ];
    const writer = await sink.open(context);
    const ids = new Set<string>();
    for (const [i, values] of epochs.entries()) {
      for (const value of values) writer.write(value, 0);
      const committable = JSON.parse(JSON.stringify(await writer.prepare(i + 1))) as JsonValue;
      const collected = decodeCollected(committable);
      expect(collected.values).toEqual(values);
      ids.add(collected.id);
      await sink.commit(committable, context);
    }
    expect(await writer.prepare(3)).toBeNull();
    const retried = await sink.open(sinkContext({ attempt: 2 }));
    retried.write('again', 0);
    ids.add(decodeCollected(await retried.prepare(1)).id);
    expect(ids.size).toBe(3);
  });

  it('stays readable in a manifest where the values are JSON', async () => {
    const writer = await createSink({ kind: 'collect' }).open(context);
    writer.write({ a: 1 }, 0);
    expect(await writer.prepare(1)).toMatchObject({ values: [{ a: 1 }] });
  });

  it('ends with ERR_SINK_FAILED before a million records of an epoch fill the memory', async () => {
    const writer = await createSink({ kind: 'collect' }).open(context);
    for (let i = 0; i < 1_000_000; i++) writer.write(i, 0);
    expect(() => writer.write(0, 0)).toThrow(expect.objectContaining({ code: 'ERR_SINK_FAILED' }));
  });
});

describe('print, forEach and discard', () => {
  it('print writes a line for each record at the end of a turn: strings as they are, others as JSON', async () => {
    const print = vi.fn<(text: string) => void>();
    const writer = await createSink({ kind: 'print' }, { print }).open(context);
    writer.write('text', 0);
    writer.write({ n: 1n, s: 'ü' }, 0);
    expect(print).not.toHaveBeenCalled();
    await writer.flush?.();
    await writer.flush?.();
    expect(print).toHaveBeenCalledExactlyOnceWith('text\n{"n":"1","s":"ü"}\n');
    writer.write('late', 0);
    expect(await writer.prepare(1)).toBeNull();
    expect(print).toHaveBeenLastCalledWith('late\n');
  });

  it('forEach calls the function with each record, discard does nothing', async () => {
    const fn = vi.fn<(value: unknown) => void>();
    const forEach = await createSink({ kind: 'forEach', fn }).open(context);
    forEach.write(5, 0);
    expect(fn.mock.calls[0][0]).toBe(5);
    const discard = await createSink({ kind: 'discard' }).open(context);
    discard.write(5, 0);
    expect(await discard.prepare(1)).toBeNull();
  });
});

describe('a sink of the user', () => {
  const writer: SinkWriter<unknown> = { write: () => {}, prepare: (checkpointId) => ({ checkpointId }), close: () => {} };
  const custom = (overrides: Partial<Sink<unknown>>): Sink<unknown> =>
    createSink({ kind: 'custom', sink: { name: 'db', open: () => writer, commit: () => {}, ...overrides } });

  it('gets every call with its arguments', async () => {
    const calls: string[] = [];
    const sink = custom({
      recover: (committables) => void calls.push(`recover ${JSON.stringify(committables)}`),
      open: async () => {
        await Promise.resolve();
        return {
          ...writer,
          write: (value, timestampMs) => void calls.push(`write ${String(value)} ${timestampMs}`),
          flush: () => void calls.push('flush'),
        };
      },
      persist: (committable) => void calls.push(`persist ${JSON.stringify(committable)}`),
      commit: (committable) => void calls.push(`commit ${JSON.stringify(committable)}`),
    });
    await sink.recover?.([1], context);
    const opened = await sink.open(context);
    opened.write('x', 5);
    await opened.flush?.();
    const committable = await opened.prepare(3);
    await sink.persist?.(committable, context);
    await sink.commit(committable, context);
    expect(calls).toEqual(['recover [1]', 'write x 5', 'flush', 'persist {"checkpointId":3}', 'commit {"checkpointId":3}']);
  });

  it('without a recover: what the restored checkpoint had prepared is committed all the same', async () => {
    const calls: unknown[] = [];
    const sink = custom({
      commit: async (committable) => {
        await Promise.resolve();
        calls.push(committable);
      },
    });
    await sink.recover?.([1, 2], context);
    expect(calls).toEqual([1, 2]);
  });

  it('that breaks its contract is named', async () => {
    expect(() => custom({ open: () => ({}) as SinkWriter<unknown> }).open(context)).toThrow(
      /Sink 'db' \(operator 'out', subtask 0\) does not keep its contract: .*a method write\(\)/,
    );
    for (const wrong of [undefined, { at: new Date(0) }, Promise.resolve(5n)]) {
      const opened = await custom({ open: () => ({ ...writer, prepare: () => wrong as never }) }).open(context);
      await expect((async () => opened.prepare(1))()).rejects.toMatchObject({ code: 'ERR_SINK_FAILED' });
    }
    expect(() => custom({ open: () => ({ ...writer, flush: true }) as never }).open(context)).toThrow(
      /flush of its writer .*true/,
    );
  });

  it('whose writer returns a promise where nobody awaits one is told where to await it', async () => {
    const late: () => void = (): unknown => Promise.reject(new Error('unheard'));
    const opened = await custom({
      open: () => ({ ...writer, write: late, onCheckpoint: late }),
    }).open(context);
    expect(() => opened.write(1, 0)).toThrow(/write\(\) of its writer returned a promise.*await .* in flush\(\) or prepare\(\)/);
    expect(() => opened.onCheckpoint?.({ checkpointId: 1, status: 'completed' })).toThrow(
      /onCheckpoint\(\) .* returned a promise/,
    );
    const forEach = await createSink({ kind: 'forEach', fn: late }).open(context);
    expect(() => forEach.write(1, 0)).toThrow(expect.objectContaining({ code: 'ERR_SINK_FAILED' }));
  });
});

describe('values that JSON keeps', () => {
  it.each([
    [{ a: [1, 'x', null, { b: false }] }, null],
    [undefined, ''],
    [{ a: [1, undefined] }, '.a[1]'],
    [Number.NaN, ''],
    [[-0], '[0]'],
    [{ a: { b: 1n } }, '.a.b'],
    [{ a: new Date(0) }, '.a'],
    [Object.assign(Object.create(null), { a: 1 }), null],
  ])('%o', (value, path) => {
    expect(findNotJson(value)?.path ?? null).toBe(path);
  });
});
