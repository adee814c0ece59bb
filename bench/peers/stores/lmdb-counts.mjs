/** The database of both lmdb peers. */
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';

/** @returns database of counts by 32-bit key, all keys in it with 0, synced */
export async function openCounts(directory, keys) {
  const db = openLmdb({
    path: join(directory, 'counts.lmdb'),
    keyEncoding: 'uint32',
    // Address space, not memory: growing the map later would stop the transaction.
    mapSize: 16 * 2 ** 30,
  });
  db.transactionSync(() => {
    for (let key = 0; key < keys; key++) db.putSync(key, 0, { append: true });
  });
  await db.flushed;
  return db;
}

export function* entriesOf(db) {
  for (const { key, value } of db.getRange()) yield [key, value];
}
