/** The shared memory of one map, opened in this thread: views, and the objects that know how to read them. No state of its own. */
import { assert } from '../../format/assert.ts';
import { asksForHugePages } from '../../format/huge-pages.ts';
import { Memory } from '../../format/memory.ts';
import {
  CLEAN_TAIL,
  COMPLETED,
  CONTROL_MAGIC,
  controlBytes,
  controlWords,
  CURRENT_EPOCH,
  DERIVES_HASH,
  INDEX_MASK,
  INDEX_MODE,
  MAGIC,
  MAX_SLOTS,
  NEXT_MASK,
  ORIGIN,
  SEGMENT_COUNT,
  SEGMENT_SHIFT,
  TAIL,
} from './control-layout.ts';
import { GIVEN, IndexTable, indexBytes, slotsFor, WHOLE_KEY } from './index-table.ts';
import { LogTail } from './log-tail.ts';
import { FEWEST_UNITS } from './record-layout.ts';
import { SegmentTable } from './segment-table.ts';
import { reservationRefused } from './state-errors.ts';
import type { StateMapHandles, StateMapOptions } from './state-map.ts';

/** Addresses of units are below 2^30, so that indices of words are below 2^31. */
const MAX_LOG_BYTES = 2 ** 33 - 8;
/** The index is indexed by slot * 2 + 1, which must stay a small integer too. */
const MAX_INDEX_SLOTS = 2 ** 29;
/**
 * Bytes in a segment. Small maps live in two or three of them. From 32 to 256 KiB updates with cleaning cost the same; with 1 MiB a map of
 * 2^18 small entries took 14 % more memory. Maps with a low limit have smaller segments still, to have enough of them to clean.
 */
const SEGMENT_BYTES = 128 * 1024;
const MIN_SEGMENT_BYTES = 1024;
const MIN_SEGMENTS = 32;
/** With `segmentBytes` given: the two open ones and the two that are kept free. */
const FEWEST_SEGMENTS = 4;

export class StateMemory {
  readonly handles: StateMapHandles;
  readonly memory: Memory;
  readonly log: Int32Array;
  readonly ctl: Int32Array;
  readonly segments: SegmentTable;
  readonly index: IndexTable;
  readonly tail: LogTail;
  readonly cleanTail: LogTail;
  /** See `StateMapOptions`. */
  readonly derivesHash: boolean;

  constructor(handles: StateMapHandles) {
    this.handles = handles;
    this.ctl = controlWords(handles.control);
    assert(this.ctl[MAGIC] === CONTROL_MAGIC, 'the handles are those of a state map');
    this.memory = memoryOf(handles.log);
    this.log = this.memory.i32;
    this.segments = new SegmentTable(this.ctl);
    this.index = new IndexTable(this.ctl, new Int32Array(handles.index), this.memory);
    this.tail = new LogTail(this.segments, TAIL);
    this.cleanTail = new LogTail(this.segments, CLEAN_TAIL);
    this.derivesHash = this.ctl[DERIVES_HASH] !== 0;
  }

  /** Unit after the last record of a segment, as the owner sees it: what is not published yet included. */
  endOf(head: number): number {
    if (head === this.tail.segment) return this.tail.position;
    if (head === this.cleanTail.segment) return this.cleanTail.position;
    return this.segments.endOf(head);
  }
}

/** Views over the log, shared by all openings of it in this thread: making them costs a microsecond, a turn may open many maps. */
const memories = new WeakMap<SharedArrayBuffer, Memory>();

export function memoryOf(log: SharedArrayBuffer): Memory {
  let memory = memories.get(log);
  if (memory === undefined) {
    memory = new Memory(log);
    memories.set(log, memory);
  }
  return memory;
}

/**
 * Reserves the memory of a new map. When the machine refuses the size asked for, half of it is tried, and so on.
 *
 * @throws TidemarkError ERR_STATE_MEMORY_LIMIT when not even one megabyte can be had
 */
export function reserveStateMemory(options: StateMapOptions): StateMapHandles {
  assert(options.epoch >= 1, 'epochs count from 1');
  const wanted = Math.min(options.limitBytes, MAX_LOG_BYTES);
  let limit = wanted;
  for (;;) {
    try {
      return reserve(limit, options);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      if (limit < 2 ** 20) throw reservationRefused(options.label, wanted, cause);
      limit = Math.floor(limit / 2);
    }
  }
}

/**
 * How the log gets its memory. No record of 32 bytes may straddle a cache line: a read of the header cost 35 ns more on average when half
 * of them did. V8 takes a buffer of fixed length from malloc, which begins 16 bytes into a page, and a growable one, here one that is at its
 * greatest length at once, is pages of its own. Only malloc asks for huge pages.
 *
 * `origin` is the units at the start of each segment that hold nothing, so that address 0 can mean none and records are aligned.
 */
const LOG_MEMORY = asksForHugePages(process.env)
  ? { origin: 6, allocate: (byteLength: number) => new SharedArrayBuffer(byteLength) }
  : { origin: 4, allocate: pages };

function pages(byteLength: number): SharedArrayBuffer {
  return new SharedArrayBuffer(byteLength, { maxByteLength: byteLength });
}

function reserve(limit: number, options: StateMapOptions): StateMapHandles {
  const segmentBytes = options.segmentBytes ?? segmentBytesFor(limit);
  assert(
    Number.isInteger(Math.log2(segmentBytes)) && segmentBytes >= MIN_SEGMENT_BYTES,
    'segments are a power of two, at least 1 KiB',
  );
  const segmentCount = Math.max(Math.floor(limit / segmentBytes), FEWEST_SEGMENTS);
  const log = LOG_MEMORY.allocate(segmentCount * segmentBytes);
  memoryOf(log); // Node 20 cannot view more than 4 GiB as bytes: a RangeError here, as above.
  const mostEntries = (segmentCount * segmentBytes) / 8 / FEWEST_UNITS;
  const maxSlots = Math.min(Math.max(slotsFor(mostEntries), slotsFor(options.expectedEntries ?? 0)), MAX_INDEX_SLOTS);
  const index = new SharedArrayBuffer(indexBytes(maxSlots));
  // It is small: in huge pages each map would take 2 MiB more.
  const control = pages(controlBytes(segmentCount));

  const ctl = controlWords(control);
  ctl[MAGIC] = CONTROL_MAGIC;
  ctl[SEGMENT_SHIFT] = Math.log2(segmentBytes / 8);
  ctl[SEGMENT_COUNT] = segmentCount;
  ctl[MAX_SLOTS] = maxSlots;
  ctl[ORIGIN] = LOG_MEMORY.origin;
  ctl[DERIVES_HASH] = options.derivesHash === true ? 1 : 0;
  ctl[CURRENT_EPOCH] = options.epoch;
  ctl[COMPLETED] = options.epoch - 1;
  ctl[INDEX_MODE] = options.composite === true ? WHOLE_KEY : GIVEN;
  ctl[INDEX_MASK] = Math.min(slotsFor(options.expectedEntries ?? 0), maxSlots) - 1;
  ctl[NEXT_MASK] = ctl[INDEX_MASK];
  return { control, log, index };
}

function segmentBytesFor(limit: number): number {
  let bytes = SEGMENT_BYTES;
  while (bytes > MIN_SEGMENT_BYTES && bytes * MIN_SEGMENTS > limit) bytes /= 2;
  return bytes;
}
