/** How long a Map of large state stops its program while it is dumped. Called through `bench/lib/isolated.mjs`. */
import { serialize } from 'node:v8';

/**
 * The state is that of `bench/jobs/payloads.mjs`: a payload and a counter for each key.
 *
 * @returns {{ stallMs: number[], bytes: number }} times of `v8.serialize` alone; writing need not stop anything. Bytes of one dump
 */
export function dumpStalls({ keys, payloadBytes, runs }) {
  const state = new Map();
  for (let key = 0; key < keys; key++) state.set(key, { payload: new Uint8Array(payloadBytes).fill(1), visits: key });
  const stallMs = [];
  let bytes = 0;
  for (let run = 0; run < runs; run++) {
    const started = performance.now();
    bytes = serialize(state).length;
    stallMs.push(performance.now() - started);
  }
  return { stallMs, bytes };
}
