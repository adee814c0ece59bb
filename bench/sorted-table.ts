/**
 * How fast are sorted tables written and read, and what does the state digest cost? Entries of (4 B, 8 B) that lie
 * scattered in shared memory, as a checkpoint finds them. Run: `node bench/sorted-table.ts` (Node 22.18 or newer).
 */
import { ContentHasher } from '../src/format/content-hash.ts';
import { StateDigest } from '../src/format/digest.ts';
import { hashKeyOfWord } from '../src/format/hash.ts';
import { Memory } from '../src/format/memory.ts';
import { TableReader } from '../src/format/sorted-table/reader.ts';
import { TableWriter } from '../src/format/sorted-table/writer.ts';

const ENTRIES = 1_000_000;
const ROUNDS = 9;
/** Entries whose cache lines are fetched together. */
const AHEAD = 64;
const SECTION = { uid: 'count', name: 'count', kind: 'value', keyType: 'i32', keySchema: null, schema: null };

const memory = Memory.shared(ENTRIES * 16);
const order = sortedByHash(memory);
let table = Buffer.alloc(0);

let touched = 0;
report('write', () => write(false));
report('write, touching ahead', () => write(true));
report('scan', () => {
  const source = {
    name: 'bench',
    byteLength: table.length,
    read: (at: number, into: Uint8Array) => into.set(table.subarray(at, at + into.length)),
  };
  const cursor = new TableReader(source).section('count', 'count')!.scan();
  let sum = 0;
  for (let entry = cursor.next(); entry !== null; entry = cursor.next()) sum += entry.memory.f64[entry.valueAt >>> 3];
  if (sum !== (ENTRIES * (ENTRIES - 1)) / 2) throw new Error(`sum ${sum}`);
});
report('digest', () => {
  const digest = new StateDigest();
  for (let i = 0; i < ENTRIES; i++) digest.add(memory, i * 16, 4, memory, i * 16 + 8, 8);
});
console.log(`${(table.length / ENTRIES).toFixed(2)} bytes per entry`);
// A use of what was read, so that the loop is not optimized away.
if (touched === 0) throw new Error('nothing was touched');

function write(ahead: boolean): void {
  const { u32 } = memory;
  const chunks: Buffer[] = [];
  const hasher = new ContentHasher();
  const writer = new TableWriter((bytes) => (hasher.update(bytes), chunks.push(Buffer.from(bytes))), { compression: 'none' });
  writer.beginSection(SECTION);
  for (let from = 0; from < ENTRIES; from += AHEAD) {
    const to = Math.min(from + AHEAD, ENTRIES);
    if (ahead) for (let i = from; i < to; i++) touched += u32[order[i] * 4];
    for (let i = from; i < to; i++) writer.add(u32[order[i] * 4 + 1], memory, order[i] * 16, 4, memory, order[i] * 16 + 8, 8);
  }
  writer.finish();
  hasher.digest();
  table = Buffer.concat(chunks);
}

/** Key at 0, hash at 4, value at 8 of each 16 bytes; the order of the entries by hash. */
function sortedByHash({ u32, f64 }: Memory): Uint32Array {
  const keys = new Float64Array(ENTRIES);
  for (let i = 0; i < ENTRIES; i++) {
    u32[i * 4] = i;
    u32[i * 4 + 1] = hashKeyOfWord(i);
    f64[i * 2 + 1] = i;
    keys[i] = u32[i * 4 + 1] * ENTRIES + i;
  }
  keys.sort();
  return Uint32Array.from(keys, (key) => key % ENTRIES);
}

function report(name: string, run: () => void): void {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  console.log(
    `${name.padEnd(22)} ${times[0].toFixed(1)} to ${times[ROUNDS - 1].toFixed(1)} ms, ${(ENTRIES / times[ROUNDS >> 1] / 1000).toFixed(1)} M entries/s (median)`,
  );
}
