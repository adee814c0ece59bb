/**
 * classic-level behind a Map of the interval's increments: a batch is not seen by reads before it is written, so there is no way
 * without one. The batch is written by a thread of the pool, synced, while counting goes on.
 */
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { WriteBehind } from './write-behind.mjs';

export async function open({ directory, keys }) {
  const db = new ClassicLevel(join(directory, 'counts.level'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    // As much as the others hold in memory; the keys are random, so compressing them costs and gains little.
    cacheSize: 512 * 2 ** 20,
    writeBufferSize: 64 * 2 ** 20,
    compression: false,
  });
  await db.open();
  await fill(db, keys);
  const changes = new WriteBehind(keys);
  return {
    commitsInBackground: true,
    count: (from, to) => changes.count(from, to),
    commit() {
      const batch = db.batch();
      for (const [key, increment] of changes.take()) {
        const encoded = encodeKey(key);
        batch.put(encoded, encodeCount(decodeCount(db.getSync(encoded)) + increment));
      }
      return batch.write({ sync: true });
    },
    entries: () => entriesOf(db),
    close: () => db.close(),
  };
}

async function* entriesOf(db) {
  for await (const [key, value] of db.iterator()) yield [key.readUInt32BE(), decodeCount(value)];
}

async function fill(db, keys) {
  const zero = encodeCount(0);
  for (let from = 0; from < keys; from += 2 ** 16) {
    const batch = db.batch();
    for (let key = from; key < Math.min(keys, from + 2 ** 16); key++) batch.put(encodeKey(key), zero);
    await batch.write();
  }
}

function encodeKey(key) {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(key);
  return bytes;
}

function encodeCount(count) {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(count);
  return bytes;
}

function decodeCount(bytes) {
  return bytes.readDoubleLE();
}
