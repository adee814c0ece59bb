/**
 * The control block of a state map: a SharedArrayBuffer of 32-bit words. Whoever holds the lease writes it, and everything that
 * the next holder must know stands in it; a thread keeps nothing but views. Readers of frozen regions, in other threads, read the
 * words marked R; they write only the pins, which have a cache line of their own.
 *
 * | word | field          | R | meaning                                                                               |
 * |-----:|----------------|---|---------------------------------------------------------------------------------------|
 * |    0 | magic          | R | 0x544d5331, "1SMT" in memory                                                          |
 * |    1 | segmentShift   | R | log2 of the units in a segment                                                        |
 * |    2 | segmentCount   | R | segments of the log                                                                   |
 * |    3 | maxSlots       |   | slots that the index can grow to, a power of two                                      |
 * |    4 | origin         | R | units at the start of each segment that hold nothing                                  |
 * |    5 | derivesHash    |   | 1 = the hash that callers give is `hashKey` of the key: records of short keys are bare |
 * |   16 | epoch          |   | records written now belong to this epoch                                              |
 * |   17 | completed      |   | newest epoch whose checkpoint is durable                                              |
 * |   18 | tail           |   | next free unit of the open segment, 0 = none open                                     |
 * |   19 | tailEnd        |   | unit after the open segment                                                           |
 * |   20 | indexMode      |   | what the index hashes: see IndexTable                                                 |
 * |   21 | indexMask      |   | slots - 1                                                                             |
 * |   22 | nextMask       |   | the same after the growth that is under way, else equal to indexMask                  |
 * |   23 | split          |   | homes below this are already placed by nextMask                                       |
 * |   24 | indexCount     |   | entries of the index, those that point at tombstones included                         |
 * |   25 | size           |   | live entries                                                                          |
 * |   26 | liveUnits      |   | units of live entries                                                                 |
 * |   27 | seed0, seed1   |   | seed of the keyed index hash                                                          |
 * |   29 | changedUnits   |   | units of the entries that were written in this epoch, about                           |
 * |   32 | cleanTail      |   | as tail, for records that the cleaner moves and that a restore loads                  |
 * |   33 | cleanTailEnd   |   | as tailEnd                                                                            |
 * |   34 | victim         |   | segment that the cleaner is emptying, plus 1; 0 = none                                |
 * |   35 | victimAt       |   | next record of it                                                                     |
 * |   36 | inUse          |   | segments that are not free                                                            |
 * |   37 | lowestFree     |   | no free segment lies below this one                                                   |
 * |   38 | highWater      | R | no segment at or above this one was ever used                                         |
 * |   39 | quarantined    |   | segments that wait for readers to end                                                 |
 * |   40 | searchWanted   |   | 1 = something became garbage since the cleaner last found nothing to do               |
 * |   41 | buriedUnits    |   | units that died since then                                                            |
 * |   48 | pins           | R | readers of frozen regions; Atomics                                                    |
 * |   49 | fullPins       | R | those of them that scan everything; Atomics                                           |
 * |   64 | segments       | R | 16 words each, see SegmentTable                                                       |
 */

export const CONTROL_MAGIC = 0x544d5331;

export const MAGIC = 0;
export const SEGMENT_SHIFT = 1;
export const SEGMENT_COUNT = 2;
export const MAX_SLOTS = 3;
export const ORIGIN = 4;
export const DERIVES_HASH = 5;

export const CURRENT_EPOCH = 16;
export const COMPLETED = 17;
export const TAIL = 18;
export const TAIL_END = 19;
export const INDEX_MODE = 20;
export const INDEX_MASK = 21;
export const NEXT_MASK = 22;
export const SPLIT = 23;
export const INDEX_COUNT = 24;
export const SIZE = 25;
export const LIVE_UNITS = 26;
export const SEED0 = 27;
export const SEED1 = 28;
export const CHANGED_UNITS = 29;

export const CLEAN_TAIL = 32;
export const CLEAN_TAIL_END = 33;
export const VICTIM = 34;
export const VICTIM_AT = 35;
export const IN_USE = 36;
export const LOWEST_FREE = 37;
export const HIGH_WATER = 38;
export const QUARANTINED = 39;
export const SEARCH_WANTED = 40;
export const BURIED_UNITS = 41;

export const PINS = 48;
export const FULL_PINS = 49;

export const SEGMENTS = 64;
export const SEGMENT_WORDS = 16;

export function controlBytes(segmentCount: number): number {
  return (SEGMENTS + segmentCount * SEGMENT_WORDS) * 4;
}

/** The length is given: without it a view over a growable buffer would track its length, which is slow. */
export function controlWords(control: SharedArrayBuffer): Int32Array<SharedArrayBuffer> {
  return new Int32Array(control, 0, control.byteLength / 4);
}
