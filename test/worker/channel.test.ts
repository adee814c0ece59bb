import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Memory } from '../../src/format/memory.ts';
import { ChannelReader, ChannelWriter } from '../../src/worker/channel.ts';
import { type ChannelLayout, channelBytes, type OversizeRow, SLOT_HEADER_BYTES, SlotKind } from '../../src/worker/protocol.ts';

const LAYOUT: ChannelLayout = { slots: 3, slotBytes: 128 };

function channel(layout = LAYOUT): { writer: ChannelWriter; reader: ChannelReader; oversize: OversizeRow[] } {
  const bytes = new SharedArrayBuffer(channelBytes(layout) * 2);
  const oversize: OversizeRow[] = [];
  // The second channel of the buffer, so that offsets count.
  return {
    writer: new ChannelWriter(new Memory(bytes), 0, 1, layout, oversize),
    reader: new ChannelReader(new Memory(bytes), 0, 1, layout),
    oversize,
  };
}

/** A frame of `length` bytes that carries `id`. */
function frame(id: number, length: number): Memory {
  const memory = Memory.local(length);
  memory.u32[0] = length;
  memory.u32[1] = id;
  return memory;
}

/** Takes everything that can be read now: ids of rows, and barriers and ends as text. */
function take(reader: ChannelReader, oversize: OversizeRow[]): (number | string)[] {
  const taken: (number | string)[] = [];
  while (reader.ready()) {
    const slot = reader.slot;
    const kind = reader.slotKind(slot);
    if (kind === SlotKind.rows) {
      const end = slot + SLOT_HEADER_BYTES + reader.slotBytes(slot);
      let frames = 0;
      for (let at = slot + SLOT_HEADER_BYTES; at < end; at += reader.memory.u32[at / 4]) {
        taken.push(reader.memory.u32[at / 4 + 1]);
        frames++;
      }
      expect(frames).toBe(reader.slotFrames(slot));
      reader.release();
    } else if (kind === SlotKind.oversize) {
      const row = oversize.find((candidate) => candidate.sequence === reader.sequence);
      taken.push(new Uint32Array(row?.bytes as SharedArrayBuffer)[1]);
      reader.release();
    } else if (kind === SlotKind.barrier) {
      taken.push(`barrier ${reader.slotEpoch(slot)}`);
      reader.passBarrier();
    } else {
      taken.push('end');
      reader.passEnd();
    }
  }
  return taken;
}

describe('channel', () => {
  test('rows arrive in order, a slot at a time, and only once they are published', () => {
    const { writer, reader, oversize } = channel();
    writer.append(frame(1, 24), 0, 24);
    expect(reader.ready()).toBe(false);
    writer.append(frame(2, 24), 0, 24);
    writer.publish();
    expect(take(reader, oversize)).toEqual([1, 2]);
  });

  test('a slot is published early when it holds as many rows as a bounded time of work allows', () => {
    const { writer, reader, oversize } = channel();
    writer.maxFrames = 1;
    writer.append(frame(7, 16), 0, 16);
    expect(take(reader, oversize)).toEqual([7]);
  });

  test('when the ring is full the writer says so and keeps what comes anyway, barriers included, in order', () => {
    const { writer, reader, oversize } = channel();
    let id = 0;
    while (!writer.full) writer.append(frame(++id, 48), 0, 48);
    expect(id).toBe(6);
    writer.append(frame(++id, 48), 0, 48);
    writer.barrier(0);
    writer.append(frame(++id, 48), 0, 48);
    writer.end();
    expect(writer.pendingCount).toBeGreaterThan(0);
    expect(take(reader, oversize)).toEqual([1, 2, 3, 4, 5, 6]);
    writer.drain();
    const rest = take(reader, oversize);
    writer.drain();
    expect([...rest, ...take(reader, oversize)]).toEqual([7, 'barrier 0', 8, 'end']);
    expect(reader.epoch).toBe(1);
    expect(reader.ended).toBe(true);
  });

  test('a row larger than a slot travels beside the ring at its place in the order', () => {
    const { writer, reader, oversize } = channel();
    writer.append(frame(1, 16), 0, 16);
    writer.append(frame(2, 4096), 0, 4096);
    writer.append(frame(3, 16), 0, 16);
    writer.publish();
    expect(take(reader, oversize)).toEqual([1, 2, 3]);
    expect(oversize[0].bytes.byteLength).toBe(4096);
  });

  test('any mix of rows, barriers and reads arrives as it was sent', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('row' as const), words: fc.integer({ min: 2, max: 30 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('publish' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('barrier' as const) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { writer, reader, oversize } = channel();
        const sent: (number | string)[] = [];
        const got: (number | string)[] = [];
        let epoch = 0;
        for (const [i, { kind, ...rest }] of steps.entries()) {
          if (kind === 'row') {
            const length = (rest as { words: number }).words * 8;
            writer.append(frame(i + 1, length), 0, length);
            sent.push(i + 1);
          } else if (kind === 'publish') {
            writer.publish();
          } else if (kind === 'barrier') {
            writer.barrier(epoch);
            sent.push(`barrier ${epoch++}`);
          } else {
            got.push(...take(reader, oversize));
            writer.drain();
          }
        }
        writer.end();
        sent.push('end');
        while (got.at(-1) !== 'end') {
          got.push(...take(reader, oversize));
          writer.drain();
        }
        expect(got).toEqual(sent);
      }),
    );
  });
});
