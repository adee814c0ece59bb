/**
 * Pins: while a reader of a frozen region is pinned no segment that it may see is used again.
 *
 * A pin keeps memory, not history: it does not know which delta is read. That the versions before the records stay in their chains is
 * the promise of whoever calls `StateMap.complete`, see there.
 *
 * Pin while holding the lease or between turns, before the turn that marked the region ends; unpin from any thread. A pin that is never
 * taken back keeps freed segments from being used again until the map's limit is reached, so unpin in a `finally`.
 */
import { controlWords, FULL_PINS, PINS } from './control-layout.ts';
import type { StateMapHandles } from './state-map.ts';

/** `full` for `collectFull`, which also stops the cleaner. */
export type PinKind = 'delta' | 'full';

export function pinReader(handles: StateMapHandles, kind: PinKind = 'delta'): void {
  addPins(handles, kind, 1);
}

/** @param kind  the same as for `pinReader` */
export function unpinReader(handles: StateMapHandles, kind: PinKind = 'delta'): void {
  addPins(handles, kind, -1);
}

function addPins(handles: StateMapHandles, kind: PinKind, count: number): void {
  const ctl = controlWords(handles.control);
  if (kind === 'full') Atomics.add(ctl, FULL_PINS, count);
  Atomics.add(ctl, PINS, count);
}
