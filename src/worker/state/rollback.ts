/**
 * Rollback: the map becomes what it was at the end of an earlier epoch, without any file.
 *
 * Of each key's versions written since, exactly one, the oldest that is not dead, has a `previous` that stays (or none at all). That one
 * says what the index has to point at; so the records may be visited in any order.
 */
import { assert } from '../../format/assert.ts';
import { CHANGED_UNITS, COMPLETED, CURRENT_EPOCH, LIVE_UNITS, SIZE } from './control-layout.ts';
import { DEAD, EPOCH, isTombstoneMeta, keyLengthOf, keyWordOf, META, PREVIOUS, SUPERSEDED, unitsOf } from './record-layout.ts';
import type { StateMemory } from './state-memory.ts';

/** Undoes everything written after epoch `epoch`; the next one begins. Costs about 250 ns for each record written since. */
export function rollBack(map: StateMemory, epoch: number): void {
  const { ctl, segments, tail, cleanTail } = map;
  assert(epoch >= ctl[COMPLETED] && epoch < ctl[CURRENT_EPOCH], 'rollback to an epoch that is complete or newer, and has ended');
  const { highWater } = segments;
  for (let head = 0; head < highWater; head++)
    if (segments.isHead(head) && segments.lastEpoch(head) > epoch) undoSegment(map, head, epoch);
  for (let head = 0; head < highWater; head++) {
    if (!segments.isHead(head)) continue;
    segments.forgetEpochsAfter(head, epoch);
    if (segments.firstEpoch(head) > epoch) {
      if (head === tail.segment) tail.close();
      if (head === cleanTail.segment) cleanTail.close();
      segments.free(head);
    } else if (segments.lastEpoch(head) > epoch && head !== tail.segment) segments.setLastEpoch(head, epoch);
  }
  ctl[CURRENT_EPOCH] = epoch + 1;
  ctl[CHANGED_UNITS] = 0;
}

function undoSegment(map: StateMemory, head: number, epoch: number): void {
  const { log, segments } = map;
  const end = map.endOf(head);
  let units = 0;
  for (let at = segments.startOf(head); at < end; at += units) {
    units = unitsOf(log, at);
    const word = at * 2;
    const superseded = log[word + SUPERSEDED];
    if (log[word + EPOCH] <= epoch || superseded === DEAD) continue;
    const previous = log[word + PREVIOUS];
    if (previous === 0 || log[previous * 2 + EPOCH] <= epoch) restore(map, at, previous);
    // Tombstones and superseded versions are counted as retired already.
    if (superseded === 0 && !isTombstoneMeta(log[word + META])) segments.bury(at, units);
    Atomics.store(log, word + SUPERSEDED, DEAD);
  }
}

/** Makes `previous`, or nothing, the newest version of the key of the record at `address`. */
function restore(map: StateMemory, address: number, previous: number): void {
  const { ctl, log, segments, index } = map;
  const slot = slotOfKey(map, address);
  count(map, index.slots[slot * 2 + 1], -1);
  if (previous === 0) {
    index.remove(slot);
    return;
  }
  index.slots[slot * 2 + 1] = previous;
  Atomics.store(log, previous * 2 + SUPERSEDED, 0);
  if (isTombstoneMeta(log[previous * 2 + META])) return;
  segments.unretire(previous, unitsOf(log, previous));
  count(map, previous, 1);
  assert(ctl[SIZE] >= 0, 'sizes are not negative');
}

function count({ ctl, log }: StateMemory, address: number, sign: 1 | -1): void {
  if (isTombstoneMeta(log[address * 2 + META])) return;
  ctl[SIZE] += sign;
  ctl[LIVE_UNITS] += sign * unitsOf(log, address);
}

/** Slot of the key of a record, whichever version the slot points at. */
function slotOfKey({ log, index }: StateMemory, address: number): number {
  const meta = log[address * 2 + META];
  const word = keyWordOf(address, meta);
  const length = keyLengthOf(meta);
  const slot = index.search(index.hashOfRecord(address), log, word, length);
  assert(index.slots[slot * 2 + 1] !== 0, 'the index knows every key that has a version');
  return slot;
}
