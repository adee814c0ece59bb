/**
 * State of a chosen size, under updates that do not depend on it: each key holds a payload, written once, and a counter,
 * updated by every record of the key. Arguments: number of keys, bytes of a payload.
 */
import { discard, generate, job, t, value } from 'tidemark';

const Numbered = t.record({ key: t.i32 });

export default job('payloads', (flow, [keys, payloadBytes]) => {
  const keyCount = Number(keys);
  const payload = new Uint8Array(Number(payloadBytes)).fill(1);
  flow
    .from(generate({ count: Infinity, schema: Numbered, make: (index) => ({ key: index % keyCount }) }))
    .keyBy('key')
    .process({
      state: { payload: value(t.bytes), visits: value(t.f64, 0) },
      onRecord(_record, { state }) {
        if (!state.payload.exists) state.payload.set(payload);
        state.visits.update((n) => n + 1);
      },
    })
    .uid('payloads')
    .to(discard());
});
